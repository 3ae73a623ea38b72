"""The offline model in the real discovery loop, with a stand-in for the benchmark."""

import asyncio
import json
import os
import re
from dataclasses import dataclass, replace

import pytest

from openglia.discovery.experiment import Experiment, Inheritance, Limits
from openglia.discovery.loop import discover
from openglia.discovery.offline.researcher import EVALUATIONS, evaluations_left, minutes, planned
from openglia.discovery.offline.supervisor import review
from openglia.discovery.prompts import prompt
from openglia.discovery.verdict import Verdict, parse
from openglia.problems.routing.family.task import TASK


class Unconfined:
    def command(self, argv, layout):
        return argv


@dataclass
class BenchRecord:
    """The harness's record, as the loop sees it."""

    bench: object

    @property
    def evaluations_used(self):
        return len(self.bench.evaluations)

    def summary_for_supervisor(self):
        full = [
            e["mean_response_time"]
            for e in self.bench.evaluations
            if e["status"] == "ok" and len(e["seeds"]) == 5 and "the starting" not in e["source"]
        ]
        if not full:
            return "- No candidate has been evaluated cleanly on all evaluation seeds yet."
        best = min(full)
        return (
            f"- Best, evaluation 9: {best:.2f} s (90 % interval {best - 1:.2f} to {best + 1:.2f})"
        )


def run(bench, *, seed=1, task=TASK, resume=False, hands_over=False, told=None, **limits):
    run_dir = bench.root / "generated" / "run_1"
    run_dir.mkdir(parents=True, exist_ok=resume)
    inherited = None
    if told is not None:
        inherited = Inheritance(
            generation=2, generations=2, digest=told, archive=run_dir / "archive"
        )
    return asyncio.run(
        discover(
            Experiment(
                run_dir=run_dir,
                root=bench.root,
                problem="Route requests.",
                model="offline",
                record=BenchRecord(bench),
                sandbox=Unconfined(),
                offline=task,
                layout=None,
                environment={
                    "PATH": os.environ["PATH"],
                    "OPENGLIA_SCRATCH_DIR": str(run_dir / "scratch"),
                },
                limits=Limits(**limits),
                seed=seed,
                resume=resume,
                hands_over=hands_over,
                inherited=inherited,
            )
        )
    )


@pytest.fixture(scope="module")
def finished(make_bench):
    bench = make_bench()
    return bench, run(bench, max_evaluations=50)


def test_a_whole_discovery_without_a_provider(finished):
    bench, outcome = finished
    assert (outcome.status, outcome.reason) == ("completed", None)
    assert outcome.rounds == 2  # the Supervisor asked once
    evaluations = bench.evaluations
    assert evaluations[0]["source"] == "# the starting point\n"
    assert len(evaluations) == 50
    scores = [e["mean_response_time"] for e in evaluations if e["status"] == "ok"]
    full = [e for e in evaluations if e["status"] == "ok" and len(e["seeds"]) == 5]
    assert min(e["mean_response_time"] for e in full) < scores[0] - 20
    # The best one is left in the working file.
    best = min(full, key=lambda e: e["mean_response_time"])
    assert bench.scheduler.read_text() == best["source"]


def test_one_command_measures_several_where_none_depends_on_another(finished):
    bench, _ = finished
    beside = [e["beside"] for e in bench.evaluations]
    assert beside.count(4) > 12
    assert 0 in beside[5:]  # the climb goes step by step


def test_a_change_that_is_clearly_worse_needs_few_seeds(finished):
    bench, outcome = finished
    stopped = [e for e in bench.evaluations if "stopped" in e]
    assert stopped
    clean = [e for e in bench.evaluations if e["status"] == "ok"]
    full = [e["mean_response_time"] for e in clean if len(e["seeds"]) == 5]
    assert min(e["mean_response_time"] for e in stopped) > 1.25 * min(full[1:])
    rows = re.findall(r"^\| .* \| (\d+\.\d\d) \(on 4 seeds\) \| \+(\S+) %", outcome.account, re.M)
    assert rows
    for mean, more in rows:
        assert float(mean) in {round(e["mean_response_time"], 2) for e in stopped}
        assert float(more) > 25
    failed = [e for e in bench.evaluations if e["status"] != "ok"]
    counted = int(re.search(r"(\d+) of them on all evaluation seeds", outcome.account)[1])
    assert len(full) - 1 <= counted <= len(full) - 1 + len(failed)


def test_one_at_a_time_finds_the_same(make_bench):
    benches = [make_bench() for _ in range(2)]
    for bench, several in zip(benches, (TASK.several, None), strict=True):
        run(bench, task=replace(TASK, several=several), max_evaluations=20)
    first, second = ([e["source"] for e in bench.evaluations] for bench in benches)
    assert first == second
    assert {e["beside"] for e in benches[1].evaluations} == {0}


def test_the_account_holds_measured_figures_alone(finished):
    bench, outcome = finished
    measured = {f"{e['mean_response_time']:.2f}" for e in bench.evaluations if e["status"] == "ok"}
    evidence = outcome.account.split("## Evidence")[1].split("\n## ")[0]
    means = re.findall(r"^\| .* \| (\d+\.\d\d) \| \d+\.\d\d to", evidence, re.MULTILINE)
    assert len(means) >= 3
    assert set(means) <= measured
    parts = outcome.account.split("## What each part contributes")[1].split("\n## ")[0]
    changes = re.findall(r"^\| \w+: .* \| (\d+\.\d\d)(?: \(.*\))? \|", parts, re.MULTILINE)
    assert changes
    assert set(changes) <= measured
    assert "ZeroDivisionError: made up" in outcome.account


def test_a_seed_repeats_and_another_differs(make_bench):
    benches = [make_bench() for _ in range(3)]
    accounts = [
        run(bench, seed=seed, max_evaluations=15).account
        for bench, seed in zip(benches, (3, 3, 4), strict=True)
    ]
    assert accounts[0] == accounts[1]
    assert accounts[0] != accounts[2]
    assert benches[0].evaluations == benches[1].evaluations


@pytest.mark.parametrize(("messages", "asked_and_not_answered"), [(11, True), (41, False)])
def test_a_run_that_goes_on_searches_on(make_bench, finished, messages, asked_and_not_answered):
    """Whatever it was killed in: what comes is what would have come."""
    whole, outcome = finished
    bench = make_bench()
    place = bench.root / "generated" / "run_1"
    place.mkdir(parents=True)
    (path,) = whole.root.rglob("researcher.json")
    history = json.loads(path.read_text())
    history["messages"] = history["messages"][: messages + asked_and_not_answered]
    assert history["messages"][-1]["role"] == ("assistant" if asked_and_not_answered else "user")
    (place / path.name).write_text(json.dumps(history))
    results = [m["tool_results"] for m in history["messages"] if m.get("tool_results")]
    done = json.dumps(results).count("a table for people")
    kept = whole.evaluations[:done]
    assert done < 50
    (bench.folder / "evaluations.jsonl").write_text("".join(json.dumps(e) + "\n" for e in kept))
    again = run(bench, resume=True, max_evaluations=50)
    assert [e["source"] for e in bench.evaluations] == [e["source"] for e in whole.evaluations]
    assert again.account == outcome.account


def test_a_history_of_another_search_teaches_nothing(make_bench, finished):
    whole, _ = finished
    bench = make_bench()
    place = bench.root / "generated" / "run_1"
    place.mkdir(parents=True)
    (path,) = whole.root.rglob("researcher.json")
    history = json.loads(path.read_text())
    (place / path.name).write_text(json.dumps({"messages": history["messages"][:11]}))
    outcome = run(bench, seed=2, resume=True, max_evaluations=50)
    assert bench.evaluations[0]["source"] == "# the starting point\n"
    assert len(bench.evaluations) == 50
    assert "49 evaluations" in outcome.account


def test_a_run_that_had_used_its_evaluations_goes_on_with_more(make_bench):
    bench = make_bench()
    run(bench, max_evaluations=12)
    first = bench.evaluations
    outcome = run(bench, resume=True, max_evaluations=20)
    assert len(bench.evaluations) == 20
    assert bench.evaluations[:12] == first
    asked = [(e["source"], e.get("seeds") == [0]) for e in bench.evaluations]
    assert len(set(asked)) == len(asked)  # nothing was measured twice
    assert "19 evaluations" in outcome.account


@pytest.mark.parametrize("number", [1, 2, 3, 4, 7, 12])
def test_a_limit_of_evaluations_is_used_to_the_last(make_bench, number):
    bench = make_bench()
    outcome = run(bench, max_evaluations=number)
    assert outcome.status in ("completed", "limit")
    assert len(bench.evaluations) == number
    routers = [e for e in bench.evaluations if "the starting" not in e["source"]]
    assert len(routers) == max(1, number - 1)  # and the starting point, unless there is but one
    best = [e for e in routers if e["status"] == "ok" and len(e["seeds"]) == 5]
    if number < 4:
        assert len([e for e in routers if len(e["seeds"]) == 5]) == len(routers)
    if best:
        chosen = min(best, key=lambda e: e["mean_response_time"])
        assert bench.scheduler.read_text() == chosen["source"]
    assert not re.search(r"evaluations are used up", outcome.account)


def test_a_refusal_ends_the_search_in_good_order(make_bench):
    bench = make_bench(limit=8)
    outcome = run(bench, max_evaluations=None)
    assert len(bench.evaluations) == 8
    assert "the evaluations are used up" in outcome.account
    assert outcome.status in ("completed", "limit")


def test_a_missing_benchmark_is_said(make_bench):
    bench = make_bench()
    (bench.folder / "run_all.sh").unlink()
    outcome = run(bench, max_refinements=0)
    assert outcome.status == "limit"
    assert "no result" in outcome.account


def test_a_problem_without_a_space_is_said(make_bench):
    outcome = run(make_bench(), task=None)
    assert outcome.status == "failed"
    assert "nothing to search; name a language model with --model" in outcome.reason


def test_limits_are_read_from_what_the_loop_says():
    message = prompt(
        "task", problem="p", evaluations="37", time="12 minutes for the whole run", run_id="r",
        scratch="s",
    )  # fmt: skip
    assert (evaluations_left(message), minutes(message)) == (37, 720)
    unlimited = prompt(
        "task", problem="p", evaluations="unlimited", time="unlimited", run_id="r", scratch="s"
    )
    assert (evaluations_left(unlimited), minutes(unlimited)) == (None, None)
    refine = prompt("refine", rating="FAIR", feedback="Why?", evaluations="5")
    assert evaluations_left(refine) == 5
    assert planned(37) == 37
    assert planned(Limits().max_evaluations) == planned(None) == EVALUATIONS
    assert planned(1000) == 1000
    assert planned(150) == 150


def question(account, record, round_=1):
    return prompt("review", problem="p", account=account, record=record, round=round_)


CHANGES = "## What each part contributes\n\n" + "\n".join(
    f"| order: {name} instead of best | 50.00 | +9 % |" for name in ("a", "b", "c")
)
BEST = "- Best, evaluation 4: 24.10 s (90 % interval 22.00 to 26.00), 0.441 of LLQ"


@pytest.mark.parametrize(
    ("account", "record", "round_", "rating", "content"),
    [
        ("All is well.", "- No candidate has been evaluated cleanly on all evaluation seeds yet.",
         1, "POOR", False),
        ("24.10 s", BEST, 1, "FAIR", False),
        (f"23.00 s\n{CHANGES}", BEST, 1, "FAIR", False),
        (f"24.10 s\n{CHANGES}", BEST, 1, "GOOD", False),
        (f"24.10 s\n{CHANGES}", BEST, 2, "GOOD", True),
    ],
)  # fmt: skip
def test_the_supervisor_rates_by_its_rule(account, record, round_, rating, content):
    verdict = parse(review(question(account, record, round_)))
    assert isinstance(verdict, Verdict)
    assert (verdict.rating, verdict.content) == (rating, content)
    assert content or "?" in verdict.feedback


def test_the_supervisor_asks_about_failures():
    record = f"{BEST}\n- Failed 3 x: exception: ZeroDivisionError"
    feedback = json.loads(review(question(f"24.10 s\n{CHANGES}", record)))["feedback"]
    assert "3 evaluations failed (exception: ZeroDivisionError)" in feedback
