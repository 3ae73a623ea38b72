"""Folder, record, requests, workspace and verdicts, each by itself."""

import json
import math
import socket
import threading
from dataclasses import replace

import pytest

from openglia.cli import main
from openglia.errors import OpenGliaError
from openglia.files import sha256
from openglia.measuring.bootstrap import bootstrap_interval
from openglia.problems.routing.benchmark.loading import load_benchmark
from openglia.problems.routing.simulators import SIMULATORS
from openglia.runs import evaluator as evaluator_module
from openglia.runs.client import score
from openglia.runs.evaluator import Evaluator
from openglia.runs.folder import create
from openglia.runs.judgement import judge, lines
from openglia.runs.record import Record
from openglia.runs.requests import RefusedError, read_request
from openglia.runs.workspace import publish_results

BENCHMARK = replace(load_benchmark("smoke"), seeds=(0, 1, 2))


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
    record = Record(folder)
    failed = {"status": "failed", "full": True, "rule": "timeout", "reason": "slow", "seeds": [0]}
    for result in (ok(9.0), ok(1.0, full=False), failed, ok(5.0), ok(5.0)):
        record.append("source", {}, result)
    assert record.best()["number"] == 4
    assert record.counts() == {"total": 5, "clean": 4, "failed": 1, "full": 4}
    summary = record.summary_for_supervisor()
    assert "Best, evaluation 4: 5.00 s" in summary
    assert "timeout: slow" in summary


def test_a_record_that_was_cut_is_gone_on_with(tmp_path):
    folder = create(tmp_path)
    Record(folder).append("one", {}, ok(2.0))
    with folder.evaluations.open("a") as stream:
        stream.write('{"number": 2, "candidate"')
    (folder.candidates / "0002_00000000.py").write_text("its line was never written")
    record = Record(folder)
    assert record.evaluations_used == 1
    assert record.append("two", {}, ok(1.0))["number"] == 3
    assert [line["number"] for line in Record(folder).records] == [1, 3]


def test_candidates_that_were_edited_are_found(tmp_path):
    from openglia.files import sha256

    folder = create(tmp_path)
    record = Record(folder)
    kept = record.append("kept", {}, ok(1.0) | {"scheduler": sha256("kept")[:12]})
    assert record.damaged() == []
    (folder.path / kept["candidate"]).write_text("edited")
    assert record.damaged() == [kept["candidate"].removeprefix("candidates/")]


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (b"not json", "not one line of JSON"),
        (b"[" * 100_000, "not one line of JSON"),
        ([], "object with the keys"),
        ({"source": "x", "simulator": "vidur"}, "object with the keys"),
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
        (b'{"source": "x", "duration": NaN}', "number of seconds"),
    ],
)
def test_refused_requests(asked, reason):
    line = asked if isinstance(asked, bytes) else json.dumps(asked).encode()
    with pytest.raises(RefusedError, match=reason):
        read_request(line, BENCHMARK)


def test_a_link_in_the_place_of_the_results_is_not_followed(tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("kept")
    target = tmp_path / "simulator_results"
    target.symlink_to(precious)
    output = tmp_path / "output"
    (output / "seed_0").mkdir(parents=True)
    publish_results(output, target)
    assert (precious / "file").read_text() == "kept"
    assert not target.is_symlink()
    assert [path.name for path in target.iterdir()] == ["seed_0"]
    (target / "link").symlink_to(precious)
    publish_results(None, target)
    assert list(target.iterdir()) == []
    assert (precious / "file").exists()


def group(final, llq):
    """Two routers on four seeds, whose ratio to each other varies a little."""

    def result(mean, factors):
        per_seed = [mean * factor for factor in factors]
        return {"status": "ok", "mean_response_time": mean, "per_seed": per_seed}

    return {
        "final": result(final, (0.52, 0.98, 1.03, 1.47)),
        "llq": result(llq, (0.5, 1.0, 1.0, 1.5)),
    }


@pytest.mark.parametrize(
    ("seen", "unseen", "overfitting", "no_gain"),
    [
        (group(50, 100), group(52, 100), False, False),
        (group(50, 100), group(70, 100), True, False),
        (group(50, 100), group(99, 100), True, True),
        (group(110, 100), group(110, 100), False, True),
        (group(50, 100), {}, None, None),
    ],
)
def test_flags(seen, unseen, overfitting, no_gain):
    judged = judge(seen, unseen)
    assert (judged["overfitting"], judged["no_gain"]) == (overfitting, no_gain)


LLQ_BY_SEED = [31.0, 40.0, 52.0, 66.0, 90.0, 148.0]


def router(factors, **figures):
    per_seed = [mean * factor for mean, factor in zip(LLQ_BY_SEED, factors, strict=True)]
    mean = sum(per_seed) / len(per_seed)
    by_seed = {name: value for name, value in figures.items() if isinstance(value, list)}
    pooled = {name: max(value) for name, value in by_seed.items()}
    return {"status": "ok", "mean_response_time": mean, "per_seed": per_seed,
            "by_seed": by_seed, **pooled}  # fmt: skip


def test_a_router_that_is_faster_on_every_seed_has_a_gain():
    """The seeds differ by a factor of five, so that the routers' own intervals overlap."""
    factors = [0.74, 0.76, 0.75, 0.75, 0.73, 0.77]
    both = {"final": router(factors), "llq": router([1.0] * 6)}
    judged = judge(both, both)
    assert judged["no_gain"] is False
    assert judged["ratio_held_out"] == pytest.approx(math.prod(factors) ** (1 / 6), rel=1e-12)
    low, high = judged["ratio_interval"]
    assert 0.73 < low < judged["ratio_held_out"] < high < 0.77
    assert bootstrap_interval(both["final"]["per_seed"])[1] > bootstrap_interval(LLQ_BY_SEED)[0]


def test_a_lower_mean_on_one_seed_alone_is_no_gain():
    both = {"final": router([1.02, 1.0, 1.01, 0.99, 1.0, 0.6]), "llq": router([1.0] * 6)}
    judged = judge(both, both)
    assert judged["gain_held_out"] > 0.1
    assert judged["no_gain"] is True


def test_what_got_worse_is_named():
    llq = router([1.0] * 6, p99=[300.0, 310, 290, 305, 334, 320], ttft_mean=[9.0] * 6,
                 tpot_mean=[0.02, 0.03, 0.02, 0.03, 0.02, 0.03],
                 restarted_share=[0.0] * 6)  # fmt: skip
    final = router([0.5] * 6, p99=[400.0, 420, 380, 410, 441, 430], ttft_mean=[4.0] * 6,
                   tpot_mean=[0.031, 0.025, 0.025, 0.025, 0.02, 0.03],
                   restarted_share=[0.1] * 6)  # fmt: skip
    judged = judge({"final": final, "llq": llq}, {"final": final, "llq": llq})
    assert judged["no_gain"] is False
    assert [(f["figure"], f["clear"]) for f in judged["worse"]] == [
        ("p99", True),
        ("tpot_mean", False),
        ("restarted_share", True),
    ]
    told = lines(judged)
    assert told[0].startswith("p99 got worse: 441 s against LLQ's 334 s")
    assert told[1].startswith("TPOT is higher, within noise: 0.031 s")
    # Where a zero leaves no ratio, the difference says it.
    assert told[2].startswith("restarted share got worse: 10.0 % against LLQ's 0.0 % (difference")


def test_one_seed_has_a_ratio_without_an_interval():
    both = {name: {"status": "ok", "mean_response_time": mean, "per_seed": [mean]}
            for name, mean in (("final", 8.0), ("llq", 10.0))}  # fmt: skip
    judged = judge(both, both)
    assert (judged["ratio_held_out"], judged["ratio_interval"]) == (pytest.approx(0.8), None)
    assert judged["no_gain"] is False


@pytest.fixture
def served(tmp_path, monkeypatch):
    folder = create(tmp_path / "generated")
    record = Record(folder)
    results = tmp_path / "simulator_results"
    with Evaluator(record, BENCHMARK, max_evaluations=3, simulator_results=results) as evaluator:
        monkeypatch.setenv("OPENGLIA_EVALUATOR", str(evaluator.socket_path))
        yield record, evaluator


STUB_SOURCE = (
    evaluator_module.paths.STUB.read_text() if evaluator_module.paths.STUB.exists() else ""
)


def test_requests_at_once_are_queued_and_the_budget_holds(served):
    record, _ = served
    answers = []

    def ask():
        answers.append(score(STUB_SOURCE, seeds=[0], duration=2.0)[0])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer["status"] for answer in answers) == ["failed", "ok", "ok", "ok"]
    assert [line["number"] for line in record.records] == [1, 2, 3]
    assert not any(line["full"] for line in record.records)


def test_a_scheduler_is_recorded_as_its_file_is(served, tmp_path, capsys):
    record, _ = served
    path = tmp_path / "router.py"
    words = ["evaluate", str(path), "--seeds", "0", "--duration", "2", "--json"]
    content = STUB_SOURCE.replace("\n", "\r\n").encode("utf-8-sig")
    path.write_bytes(content)
    assert main(words) == 0
    (line,) = record.records
    assert record.source(line) == content
    assert line["result"]["scheduler"] == sha256(content)[:12]
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
    assert f"openglia evaluate: warning: {warning}\n" in said.err
    assert record.records[0]["result"]["warnings"] == [warning]
    assert f"warning: {warning}" in record.summary_for_supervisor()


def test_what_is_not_the_candidates_failure_is_not_recorded(served, monkeypatch):
    record, evaluator = served
    answer, _ = score(STUB_SOURCE, duration=1e-6)
    assert answer["rule"] == "refused"
    assert "no request arrives" in answer["reason"]
    assert not evaluator.trouble
    absent = replace(SIMULATORS["embedded"], worker="openglia.no_such_worker")
    monkeypatch.setitem(SIMULATORS, "embedded", absent)
    answer, _ = score(STUB_SOURCE, duration=2.0)
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
    answer, _ = score(STUB_SOURCE, seeds=[1], duration=2.0)
    assert answer["status"] == "ok"
    assert [line["result"].get("rule") for line in record.records] == ["abandoned", None]


def test_no_evaluator_answers(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENGLIA_EVALUATOR", str(tmp_path / "nothing"))
    with pytest.raises(OpenGliaError, match="does not answer"):
        score("x")
