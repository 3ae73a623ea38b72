"""Several contexts and generations: shares, turns, going back, and whole runs of the toy."""

import json
import os
import signal
import threading
import time
from contextlib import ExitStack

import pytest

from openglia.errors import OpenGliaError
from openglia.problems.problem import RefusedError
from openglia.runs import going_back
from openglia.runs.client import restore, score
from openglia.runs.contexts import Stage, is_stagnant
from openglia.runs.doors import Door
from openglia.runs.evaluator import Evaluator
from openglia.runs.folder import create
from openglia.runs.record import Record
from openglia.runs.turns import Turns
from tests.runs.test_runs_whole import records_of, results_of, wait_for
from tests.toy import toy


@pytest.mark.parametrize("total", [0, 1, 7, 50, 200])
@pytest.mark.parametrize(("contexts", "generations"), [(1, 1), (3, 1), (1, 4), (4, 3)])
def test_shares_add_up_to_the_whole_and_grow_with_the_generations(
    tmp_path, total, contexts, generations
):
    folder = create(tmp_path)

    def share(context, generation):
        return Stage(folder, context, generation, generations).share(total, contexts)

    assert sum(share(c, generations) for c in range(1, contexts + 1)) == total
    for context in range(1, contexts + 1):
        shares = [share(context, g) for g in range(1, generations + 1)]
        assert shares == sorted(shares)
        assert abs(shares[0] * generations * contexts - total) < generations * contexts * 2
    assert Stage(folder, 1, 1, 1).share(None, 3) is None


def test_offline_contexts_have_seeds_of_their_own(tmp_path):
    folder = create(tmp_path)
    seeds = [Stage(folder, c, g, 3).seed(s) for c in (1, 2, 3) for g in (1, 2, 3) for s in (0, 1)]
    assert len(set(seeds)) == len(seeds)
    assert Stage(folder, 1, 1, 3).seed(17) == 17


def line(value=None, cases=(0, 1), full=True):
    if value is None:
        return {
            "status": "failed",
            "rule": "crash",
            "reason": "x",
            "full": False,
            "cases": [*cases],
        }
    by_case = [value + case for case in cases]
    mean = sum(by_case) / len(by_case)
    return {"status": "ok", "value": mean, "by_case": by_case, "cases": [*cases], "full": full}


@pytest.fixture
def record(tmp_path):
    return Record(create(tmp_path), toy.Shown())


def test_a_generation_is_stagnant_after_so_many_without_gain(record):
    for value in (1, 3, 2, None, 3):  # higher is better
        record.append("x", {}, line(value))
    assert not is_stagnant(record.records, 0, 4, toy.Shown())
    assert is_stagnant(record.records, 0, 3, toy.Shown())
    # What earlier generations did in vain is not held against this one.
    assert not is_stagnant(record.records, 3, 3, toy.Shown())
    record.append("x", {}, line(4))
    assert not is_stagnant(record.records, 0, 1, toy.Shown())
    record.append("x", {}, line(9, cases=(0,), full=False))  # a look at one case is no gain
    assert is_stagnant(record.records, 0, 1, toy.Shown())


def test_beside_a_score_stands_the_best_and_how_to_go_back(record):
    def told(value, **how):
        number = record.append(f"source {value}", {}, line(value, **how), context=2).number
        return going_back.words(record, 2, number, toy.Shown())

    assert told(None) == ""
    assert told(5) == "; the best so far"
    record.append("another context's", {}, line(50), context=1)
    assert "best so far: evaluation 2, 5.50" in told(4)
    assert told(4.9, cases=(1,), full=False).endswith("openglia restore 2")
    assert "the last 3 are worse than that" in told(None)
    assert "worse" not in told(5.2, cases=(1,), full=False)  # better on what both were measured on
    assert told(6) == "; the best so far"


def test_doors_take_turns_and_nobody_starves():
    turns, order, gone = Turns(1), [], threading.Event()
    started = threading.Barrier(7)

    def ask(door):
        started.wait()
        if door == "few":
            time.sleep(0.05)  # it comes when the others' queue is long
        with turns.own(door, gone, lambda _: None):
            order.append(door)
            time.sleep(0.02)

    doors = ["many"] * 6 + ["few"]
    threads = [threading.Thread(target=ask, args=(door,)) for door in doors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(order) == 7
    assert order.index("few") < 5


def test_processes_are_shared_by_those_who_are_there(monkeypatch):
    monkeypatch.setattr("openglia.runs.turns.available_cores", lambda: 4)
    gone = threading.Event()
    with ExitStack() as stack:
        turns = Turns(4)
        found = [stack.enter_context(turns.own(door, gone, lambda _: None)) for door in "abcd"]
    assert found == [4, 2, 1, 1]
    with Turns(1).own("a", gone, lambda _: None) as jobs:
        assert jobs is None  # a run with one context is as it was


def test_a_candidate_is_handed_back_to_its_own_context_alone(record, tmp_path, monkeypatch, capsys):
    from openglia.cli import main

    doors = [Door(1, tmp_path / "1"), Door(2, tmp_path / "2")]
    record.append("of the first\r\n", {}, line(5), context=1)
    record.append("of the second", {}, line(7), context=2)
    working = tmp_path / "working.json"
    monkeypatch.setenv("OPENGLIA_WORKING_FILE", str(working))
    with Evaluator(record, toy.KIND.open(None, "auto", None), doors=doors):
        monkeypatch.setenv("OPENGLIA_EVALUATOR", str(doors[0].socket_path))
        assert main(["restore", "1"]) == 0
        assert working.read_bytes() == b"of the first\r\n"
        assert "evaluation 1 is in" in capsys.readouterr().out
        with pytest.raises(OpenGliaError, match="no evaluation 2"):
            restore(2)
        assert main(["restore", "7"]) == 1
    assert record.evaluations_used == 2


def test_an_evaluation_counts_once_at_any_moment(record, tmp_path, monkeypatch):
    doors = [Door(1, tmp_path / "1"), Door(2, tmp_path / "2")]
    evaluator = Evaluator(record, toy.KIND.open(None, "auto", None), max_evaluations=2, doors=doors)
    refused, threads, append = [], [], record.append

    def another():
        try:
            with evaluator._reserve(doors[1]):
                pass
        except RefusedError as error:
            refused.append(error)

    def appended(*what, **how):
        kept = append(*what, **how)
        threads.append(threading.Thread(target=another))
        threads[-1].start()  # when the first is on record, and the second is left
        threads[-1].join(0.2)
        return kept

    monkeypatch.setattr(record, "append", appended)
    with evaluator:
        monkeypatch.setenv("OPENGLIA_EVALUATOR", str(doors[0].socket_path))
        assert score("[1, -2]", {}).score.ok
    for thread in threads:
        thread.join()
    assert threads and refused == []


def test_two_contexts_of_two_generations(project):
    status, output = project.run(
        "scripted.py", "1:evaluate=poor", "2:evaluate=good", "1:digest",
        WORDS="--contexts 2 --generations 2",
    )  # fmt: skip
    assert status == 0, output
    (run,) = project.runs()
    results, records = results_of(run), records_of(run)
    assert sorted((one["context"], one["generation"]) for one in records) == [
        (1, 1), (1, 2), (2, 1), (2, 2)
    ]  # fmt: skip
    best = {one["context"]: one["number"] for one in reversed(records)}
    assert results["final"]["number"] == best[2]
    assert [(leader["context"], leader["number"]) for leader in results["leaders"]] == [
        (1, best[1]), (2, best[2])
    ]  # fmt: skip
    for leader in results["leaders"]:
        assert leader["held_out"]["cases"] == [50, 51, 52]
    assert results["leaders"][1]["held_out"] == results["final"]["held_out"]
    assert results["usage"]["researcher"]["input_tokens"] == 40
    assert results["rounds"] == 4
    one, two = (run / "contexts" / str(n) for n in (1, 2))
    # The one wrote its digest, for the other the harness did.
    assert (one / "digest.md").read_text().startswith("## Best so far, and why it works\n\n1\n")
    assert "I tried **things**." in (two / "generation_1" / "digest.md").read_text()
    archive = (two / "archive" / "README.md").read_text()
    assert f"| {best[2]} | 1 |" in archive
    assert str(two / "generation_1" / "scratch") in archive
    assert f"\n| {best[1]} |" not in archive  # the other context's
    # The second generation starts from the best of the first.
    good = json.loads((run / results["final"]["candidate"]).read_text())
    assert json.loads((two / "view" / "toy" / "point.json").read_text()) == good
    assert output.count("inherited Inheritance(generation=2") == 2
    solution = (run / "solution.md").read_text()
    assert "## Contexts and generations" in solution
    assert "(context 2, generation 1, after" in solution
    assert "--contexts 2 --generations 2 --stagnation 10" in solution


def test_shared_digests_are_joined(project):
    status, output = project.run(
        "scripted.py", "digest", WORDS="--contexts 2 --generations 2 --share-digest"
    )
    (run,) = project.runs()
    digest = (run / "contexts" / "1" / "digest.md").read_text()
    assert digest.startswith("# Of context 1\n\n## Best so far, and why it works\n\n1\n")
    assert "# Of context 2\n\n## Best so far, and why it works\n\n2\n" in digest
    assert status == 1  # nothing was evaluated
    assert "no candidate was evaluated" in output


def test_a_context_that_fails_does_not_stop_the_others(project):
    status, output = project.run(
        "scripted.py",
        "1:raise",
        "3:failed",
        "evaluate=good",
        WORDS="--contexts 3 --max-evaluations 9",
    )
    assert status == 0, output
    (run,) = project.runs()
    results = results_of(run)
    assert [record["context"] for record in records_of(run)] == [2]
    assert results["status"] == "completed"
    assert "context 1 failed: a bug of OpenGLIA: RuntimeError: planted bug" in results["warnings"]
    assert "context 3 failed: planted failed" in results["warnings"]


def test_a_killed_run_goes_on_where_each_context_was(project):
    words = "--contexts 2 --generations 2"
    process = project.start("scripted.py", "evaluate=poor", "2:hang", WORDS=words)
    wait_for(process, "inherited Inheritance(generation=2")
    (run,) = project.runs()
    while len(records_of(run)) < 3 or len(results_of(run)["stages"]) < 3:
        time.sleep(0.05)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = len(records_of(run))
    status, output = project.run("scripted.py", "evaluate=good", RESUME=str(run))
    assert status == 0, output
    stages = {(one["context"], one["generation"]): one for one in results_of(run)["stages"]}
    assert sorted(stages) == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert all(one["outcome"]["status"] == "completed" for one in stages.values())
    again = [(one["context"], one["generation"]) for one in records_of(run)[before:]]
    assert (1, 1) not in again
    assert sorted(set(again)) in ([(1, 2), (2, 1), (2, 2)], [(2, 1), (2, 2)])
    status, output = project.run("scripted.py", RESUME=str(run), WORDS="--contexts 3")
    assert status == 2 or "goes on with as many" in output
