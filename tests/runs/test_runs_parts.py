"""Folder, record, requests and the evaluator, each by itself, on the routing problem."""

import json
import socket
import threading
from dataclasses import replace

import pytest

from openglia.cli import main
from openglia.errors import OpenGliaError
from openglia.files import replace_contents, sha256
from openglia.paths import STUB
from openglia.problems.asked import RefusedError
from openglia.problems.routing.benchmark.loading import load_benchmark
from openglia.problems.routing.presentation import PRESENTATION
from openglia.problems.routing.problem import Routing
from openglia.problems.routing.simulators import SIMULATORS
from openglia.runs.client import score
from openglia.runs.doors import Door
from openglia.runs.evaluator import Evaluator
from openglia.runs.folder import create
from openglia.runs.record import Record
from openglia.runs.requests import read_request
from openglia.runs.results import Counts

BENCHMARK = replace(load_benchmark("smoke"), seeds=(0, 1, 2))
PROBLEM = Routing(BENCHMARK, SIMULATORS["embedded"])
STUB_SOURCE = STUB.read_text()


def ok(mean, *, full=True):
    return {
        "status": "ok", "scheduler": "0" * 12, "seeds": [0], "full": full,
        "mean_response_time": mean, "interval": [mean - 1, mean + 1], "restarted_share": 0.0,
        "ratio_to_llq": 0.5,
    }  # fmt: skip


def test_two_runs_in_the_same_second(tmp_path):
    first, second = create(tmp_path, 0.0), create(tmp_path, 0.0)
    assert second.id == f"{first.id}_2"
    assert second.scratch.is_dir()


def test_generated_is_not_a_folder(tmp_path):
    (tmp_path / "generated").write_text("")
    with pytest.raises(OpenGliaError, match="no run folder can be made"):
        create(tmp_path / "generated")


def test_best_is_the_earliest_of_the_lowest_clean_full_ones(tmp_path):
    folder = create(tmp_path)
    record = Record(folder, PRESENTATION)
    failed = {"status": "failed", "full": True, "rule": "timeout", "reason": "slow", "seeds": [0]}
    for result in (ok(9.0), ok(1.0, full=False), failed, ok(5.0), ok(5.0)):
        record.append("source", {}, result)
    assert record.best().number == 4
    assert record.counts() == Counts(total=5, clean=4, failed=1, full=4)
    summary = record.summary_for_supervisor()
    assert "Best, evaluation 4: 5.00 s" in summary
    assert "timeout: slow" in summary


def test_a_record_that_was_cut_is_gone_on_with(tmp_path):
    folder = create(tmp_path)
    Record(folder, PRESENTATION).append("one", {}, ok(2.0))
    with folder.evaluations.open("a") as stream:
        stream.write('{"number": 2, "candidate"')
    (folder.candidates / "0002_00000000.py").write_text("its line was never written")
    record = Record(folder, PRESENTATION)
    assert record.evaluations_used == 1
    assert record.append("two", {}, ok(1.0)).number == 3
    assert [line.number for line in Record(folder, PRESENTATION).records] == [1, 3]


def test_candidates_that_were_edited_are_found(tmp_path):
    folder = create(tmp_path)
    record = Record(folder, PRESENTATION)
    kept = record.append("kept", {}, ok(1.0) | {"scheduler": sha256("kept")[:12]})
    assert record.damaged() == []
    (folder.path / kept.candidate).write_text("edited")
    assert record.damaged() == [kept.candidate.removeprefix("candidates/")]


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (b"not json", "not one line of JSON"),
        (b"[" * 100_000, "not one line of JSON"),
        ([], "a JSON object"),
        ({"source": "x", "simulator": "vidur"}, "has the keys source"),
        ({}, "source is missing"),
        ({"source": 7}, "source is missing"),
        ({"source": "\ud800"}, "UTF-8"),
        ({"source": "x" * 300_000}, "more than 256 KiB"),
        ({"source": "x", "benchmark": "paper"}, "smoke and no other"),
        ({"source": "x", "seeds": [99]}, "not all evaluation seeds"),
        ({"source": "x", "seeds": [0, 0]}, "named twice"),
        ({"source": "x", "seeds": []}, "list of whole numbers"),
        ({"source": "x", "seeds": [True]}, "list of whole numbers"),
        ({"source": "x", "seeds": "0-2"}, "list of whole numbers"),
        ({"source": "x", "duration": -1}, "at most"),
        ({"source": "x", "duration": 1e9}, "at most"),
        (b'{"source": "x", "duration": NaN}', "in seconds, must be a number"),
        ({"source": "x", "requests": "no"}, "true or false"),
        ({"source": "x", "stop_if_worse": "no"}, "must be a number"),
        (b'{"source": "x", "stop_if_worse": Infinity}', "must be a number"),
    ],
)
def test_refused_requests(asked, reason):
    line = asked if isinstance(asked, bytes) else json.dumps(asked).encode()
    with pytest.raises(RefusedError, match=reason):
        read_request(line, PROBLEM)


def test_what_is_asked_for_is_on_record_in_few_words():
    asked = {"benchmark": None, "seeds": [0], "duration": None}
    few = [read_request(json.dumps({"source": "x", **asked, **more}).encode(), PROBLEM).look.asked
           for more in ({}, {"requests": True, "stop_if_worse": None}, {"requests": False},
                        {"stop_if_worse": 3})]  # fmt: skip
    assert few[3] == few[0] | {"stop_if_worse": 3.0}
    assert few[0] == few[1] == {"benchmark": "smoke", "seeds": [0], "duration": None}
    assert few[2] == few[0] | {"requests": False}


def test_a_link_in_the_place_of_the_results_is_not_followed(tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("kept")
    target = tmp_path / "simulator_results"
    target.symlink_to(precious)
    output = tmp_path / "output"
    (output / "seed_0").mkdir(parents=True)
    replace_contents(target, output)
    assert (precious / "file").read_text() == "kept"
    assert not target.is_symlink()
    assert [path.name for path in target.iterdir()] == ["seed_0"]
    (target / "link").symlink_to(precious)
    replace_contents(target, None)
    assert list(target.iterdir()) == []
    assert (precious / "file").exists()


@pytest.fixture
def served(tmp_path, monkeypatch):
    folder = create(tmp_path / "generated")
    record = Record(folder, PRESENTATION)
    doors = [Door(root=tmp_path)]
    with Evaluator(record, PROBLEM, max_evaluations=3, doors=doors) as evaluator:
        monkeypatch.setenv("OPENGLIA_EVALUATOR", str(evaluator.socket_path))
        yield record, evaluator


def test_requests_at_once_are_queued_and_the_budget_holds(served):
    record, _ = served
    answers = []

    def ask():
        answers.append(score(STUB_SOURCE, {"seeds": [0], "duration": 2.0}).line)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer["status"] for answer in answers) == ["failed", "ok", "ok", "ok"]
    assert [line.number for line in record.records] == [1, 2, 3]
    assert not any(line.full for line in record.records)


def test_a_scheduler_is_recorded_as_its_file_is(served, tmp_path, capsys):
    record, _ = served
    path = tmp_path / "router.py"
    words = ["evaluate", str(path), "--seeds", "0", "--duration", "2", "--json"]
    content = STUB_SOURCE.replace("\n", "\r\n").encode("utf-8-sig")
    path.write_bytes(content)
    assert main(words) == 0
    (line,) = record.records
    assert record.source(line) == content
    assert line.result["scheduler"] == sha256(content)[:12]
    assert record.damaged() == []
    path.write_bytes("# für alle\n".encode("latin-1") + content)
    capsys.readouterr()
    assert main(words) == 3
    assert json.loads(capsys.readouterr().out)["reason"].endswith("save it as UTF-8")
    assert len(record.records) == 1


def test_a_warning_reaches_the_agent_and_the_record(served, tmp_path, capsys):
    record, _ = served
    path = tmp_path / "router.py"
    path.write_text(STUB_SOURCE + "\n    def on_request_end(self, request):\n        pass\n")
    assert main(["evaluate", str(path), "--seeds", "0", "--duration", "2", "--json"]) == 0
    said = capsys.readouterr()
    (warning,) = json.loads(said.out)["warnings"]
    assert "nothing calls the method on_request_end" in warning
    assert f"openglia: warning: {warning}\n" in said.err
    assert record.records[0].result["warnings"] == [warning]
    assert f"warning: {warning}" in record.summary_for_supervisor()


def test_what_is_not_the_candidates_failure_is_not_recorded(served, monkeypatch):
    record, evaluator = served
    answer = score(STUB_SOURCE, {"duration": 1e-6}).line
    assert answer["rule"] == "refused"
    assert "no request arrives" in answer["reason"]
    assert not evaluator.trouble
    absent = replace(SIMULATORS["embedded"], worker="openglia.no_such_worker")
    monkeypatch.setattr(PROBLEM, "simulator", absent)
    answer = score(STUB_SOURCE, {"duration": 2.0}).line
    assert answer["rule"] == "harness"
    assert evaluator.trouble == [answer["reason"]]
    assert not record.records


def test_a_client_that_hangs_up_stops_its_evaluation(served):
    record, evaluator = served
    endless = STUB_SOURCE.replace("self.sort_requests()", "while True: pass")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(evaluator.socket_path))
        connection.sendall(json.dumps({"source": endless}).encode() + b"\n")
        connection.settimeout(0.5)
        with pytest.raises(TimeoutError):
            connection.recv(1)
    answer = score(STUB_SOURCE, {"seeds": [1], "duration": 2.0}).line
    assert answer["status"] == "ok"
    assert [line.result.get("rule") for line in record.records] == ["abandoned", None]


def test_no_evaluator_answers(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENGLIA_EVALUATOR", str(tmp_path / "nothing"))
    with pytest.raises(OpenGliaError, match="does not answer"):
        score("x", {})
