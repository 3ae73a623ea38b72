"""Planted attackers: beside the engine they win with the rules off; apart from it they get nothing.

Each finds the output lengths, or reaches into the measuring, in its own way; all place by what they
find, and as LLQ where they find nothing.
"""

import csv
import textwrap
from dataclasses import replace

import pytest

from openglia import paths
from openglia.commands.routing import selftest
from openglia.measuring import worker_fence
from openglia.problems.problem import Look
from openglia.problems.routing import confirmation
from openglia.problems.routing.evaluation.measuring import measure
from openglia.problems.routing.hardware import tables
from openglia.problems.routing.problem import Routing
from openglia.problems.routing.simulators import SIMULATORS, find
from openglia.runs import isolation

LEAK = selftest._LEAK.read_text()
HEAD, _, FRAMES = LEAK.partition("def _totals():")

# The body of _totals(): tokens of each request by id, or None.
FINDS = {
    "frames": FRAMES.partition('."""\n')[2],
    "gc": """\
        import gc
        for found in gc.get_objects():
            if type(found).__name__ == "Engine":
                return found.arrivals.totals
    """,
    "gc, by the trace": """\
        import gc
        for found in gc.get_objects():
            if type(found).__name__ == "Trace":
                return [a + b for a, b in zip(found.num_prefill_tokens, found.num_decode_tokens)]
    """,
    "file of lengths": """\
        import glob, json, os
        for job in glob.glob(os.path.join(os.getcwd(), "**", "job.json"), recursive=True):
            (trace,) = json.load(open(job))["traces"].values()
            rows = [line.split(",") for line in open(trace).read().split()[1:]]
            return [int(row[1]) + int(row[2]) for row in rows]
    """,
}
# At the top of the file: reaches into the measuring instead.
PATCHES = {
    "patched engine": """\
        try:
            from openglia.problems.routing.simulator.timing import ExecutionTimes
            seconds = ExecutionTimes.seconds
            ExecutionTimes.seconds = lambda self, *batch: 0.5 * seconds(self, *batch)
        except ImportError:
            pass
    """,
    "forged result": """\
        import array, json, os
        if os.path.exists("job.json"):
            ((seed, trace),) = json.load(open("job.json"))["traces"].items()
            rows = [line.split(",") for line in open(trace).read().split()[1:]]
            at = [float(row[0]) for row in rows]
            prompts, outputs = ([int(row[i]) for row in rows] for i in (1, 2))
            zeros = [0] * len(rows)
            columns = [range(len(rows)), zeros, zeros, zeros, zeros, prompts, outputs,
                       at, at, at, at, at, zeros]
            data = b"".join(map(array.array, "qdddqqqdddddq", columns))
            open(f"seed_{seed}/requests.bin", "wb").write(data)
            summary = dict(seed=int(seed), requests=len(rows), end_time=1.0, router_calls=1,
                           router_seconds=0.0, engine_seconds=1.0, kv_use_mean=0.5,
                           execution_times="analytic:0")
            json.dump(summary, open(f"seed_{seed}/summary.json", "w"))
            os._exit(0)
    """,
}


def attacker(name: str) -> str:
    """The source of the attacker."""
    if name in FINDS:
        body = textwrap.indent(textwrap.dedent(FINDS[name]), "    ")
        return f"{HEAD}def _totals():\n{body}    return None\n"
    return f"{textwrap.dedent(PATCHES[name])}\n{HEAD}def _totals():\n    return None\n"


SEED = 41953


@pytest.fixture(scope="module")
def benchmark():
    if (problem := worker_fence.problem()) is not None:
        pytest.skip(problem)
    return selftest.tight()


def requests(folder):
    return (folder / f"seed_{SEED}" / "requests.bin").read_bytes()


@pytest.fixture(scope="module")
def llq(benchmark, tmp_path_factory):
    folder = tmp_path_factory.mktemp("llq")
    done = measure("builtin:llq", benchmark, seeds=(SEED,), output_dir=folder)
    return done.statistics.to_json()["mean_response_time"], requests(folder)


@pytest.mark.parametrize("name", [*FINDS, *PATCHES])
def test_an_attacker_wins_beside_the_engine_and_gets_nothing_apart(tmp_path, benchmark, llq, name):
    path = tmp_path / "router.py"
    path.write_text(attacker(name))
    means = {}
    for isolated in (False, True):
        folder = tmp_path / str(isolated)
        done = measure(
            str(path), benchmark, seeds=(SEED,), output_dir=folder, isolated=isolated, rules=False
        )
        assert done.ok, done.failure
        means[isolated] = done.statistics.to_json()["mean_response_time"]
    print(f"{name}: {means[False] / llq[0]:.3f} beside, {means[True] / llq[0]:.3f} apart")
    assert means[False] < 0.6 * llq[0]
    assert requests(tmp_path / "True") == llq[1]  # as who knows nothing


PROBE = """\
import gc, os, sys
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler

class AIGlobalScheduler(BaseGlobalScheduler):
    def schedule(self):
        found = []
        for name in ("Engine", "Trace", "RequestRecords", "SarathiReplica"):
            found += [name for object in gc.get_objects() if type(object).__name__ == name]
        for name in ("benchmark.workload", "simulator.engine", "simulator.worker", "evaluation"):
            try:
                __import__(f"openglia.problems.routing.{{name}}")
                found.append(name)
            except ImportError:
                pass
        found += set(os.listdir(".")) - {{"stderr.log"}}  # its own, and empty
        found += [name for name in ("{trace}", "{cache}") if os.path.exists(name)]
        try:
            open("planted", "w")
            found.append("a folder to write to")
        except OSError:
            pass
        raise ValueError(f"found {{found}}")
"""


def test_there_is_nothing_to_find(tmp_path, benchmark):
    path = tmp_path / "router.py"
    cache = paths.CACHE / "traces"
    path.write_text(PROBE.format(trace=cache / benchmark.trace_name(0), cache=cache))
    done = measure(str(path), benchmark, seeds=(0,), isolated=True, rules=False)
    assert "raised ValueError: found [] (router.py, line" in done.failure.reason


def test_the_selftest_exposes_the_flaw_and_passes_the_control(capsys, monkeypatch, benchmark):
    small = replace(benchmark, seeds=(0,), held_out_seeds=(SEED,))
    monkeypatch.setattr(selftest, "tight", lambda: small)
    assert selftest.run(None) == 0
    out = capsys.readouterr().out
    assert out.count("  ok\n") == 3
    assert "NOT THE SAME IN ISOLATION" in out
    assert "INTEGRITY: failed isolation" in out
    assert f"seed {SEED}: 614 of 614 requests differ, the first is 0: completed_at" in out
    assert "the final router does the same on all 1 held-out seeds; integrity: 1 check ok" in out


def test_the_selftest_fails_where_nothing_is_exposed(capsys, monkeypatch):
    """Such as where no fence works."""
    outcomes = iter(["exposed", "skipped", "refused"])
    monkeypatch.setattr(selftest, "verify", lambda case, _: ("1.0", next(outcomes), "words"))
    assert selftest.run(None) == 1
    assert "WRONG" in capsys.readouterr().out


def test_a_difference_is_named_from_the_engines_files_and_from_tables(tmp_path, benchmark):
    """From request_metrics.csv where one of two folders is Vidur's."""
    short = replace(benchmark, duration=6.0)
    folders = [tmp_path / name for name in ("llq", "random")]
    for folder in folders:
        measure(f"builtin:{folder.name}", short, seeds=(SEED,), output_dir=folder)
    found = []
    for _ in range(2):
        assert confirmation.difference(folders[0], folders[0], SEED).differing == 0
        found.append(confirmation.difference(*folders, SEED))
        (folders[0] / f"seed_{SEED}" / "requests.bin").unlink(missing_ok=True)
    rows = [
        list(csv.DictReader((folder / f"seed_{SEED}" / "request_metrics.csv").open()))
        for folder in folders
    ]
    pairs = list(zip(*rows, strict=True))
    differing = [
        (one, other)
        for one, other in pairs
        if (one["completed_at"], one["replica_id"]) != (other["completed_at"], other["replica_id"])
    ]
    assert found[1].requests == found[0].requests == len(pairs)
    assert found[1].differing == len(differing) <= found[0].differing
    assert found[1].first.startswith(f"{differing[0][0]['Request Id']}: ")
    gaps = [abs(float(a["completed_at"]) - float(b["completed_at"])) for a, b in pairs]
    assert found[0].largest == found[1].largest == max(gaps)


def test_without_a_fence_the_check_says_why_it_is_skipped(monkeypatch, tmp_path):
    monkeypatch.setattr(worker_fence, "problem", lambda: "no such thing here")
    problem = Routing(selftest.tight(), find("embedded"))
    line = {"status": "ok", "mean_response_time": 1.0, "seeds": list(problem.held_out_cases)}
    check = isolation.check(problem, problem.start, line, tmp_path, print)
    assert check.outcome == "skipped"
    assert check.evidence == "no process can be kept from another here: no such thing here"


def test_there_is_time_for_the_way_to_the_routers_process(tmp_path, benchmark):
    limits = replace(benchmark.limits, router_call_mean_ms=0.03)
    problem = Routing(replace(benchmark, duration=2.0, limits=limits), find("embedded"))
    seen = []

    def spy(*arguments, **named):
        seen.append(arguments[1])
        return measure(*arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("openglia.problems.routing.problem.measure", spy)
        problem.measure_isolated(problem.start, Look((SEED,)), tmp_path / "apart")
    assert seen[0].limits.router_call_mean_ms == pytest.approx(0.15)
    assert seen[0].limits.simulation_seconds == 5 * limits.simulation_seconds
    assert (seen[0].limits.router_call_seconds, seen[0].hash) == (10.0, problem.hash)


def test_where_vidur_scored_the_embedded_simulator_must_be_its_equal(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "folder", lambda: tmp_path)  # of no tables
    problem = Routing(selftest.tight(), SIMULATORS["vidur"])
    said = problem.measure_isolated(problem.start, problem.held_out, tmp_path)
    assert said.startswith("vidur scored, which cannot do without the router beside it")
