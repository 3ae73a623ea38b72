"""How fast the simulators are, on `paper`: ``python tests/performance/speed.py [--repeats N]``.

One run on one machine: Vidur's command line as an evaluation calls it, Vidur's bare event loop
with metrics off, the embedded worker as an evaluation calls it, and the engine's loop. Then the
engine's cost by requests and by replicas, its memory, and where its time goes. Vidur's part needs
an installed Vidur with predictors (``./setup.sh``) and takes minutes; --no-vidur leaves it out.
Wall times, so run nothing else meanwhile. Figures are medians, with the extremes over repeats;
ratios are of neighbouring runs.
"""

import argparse
import cProfile
import gc
import importlib
import json
import os
import pstats
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from time import perf_counter

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "simulator")]

from vidur_cases import Case, run_vidur  # noqa: E402

from openglia.measuring.processes import worker_environment  # noqa: E402
from openglia.problems.routing.benchmark.definition import Benchmark  # noqa: E402
from openglia.problems.routing.benchmark.loading import load_benchmark  # noqa: E402
from openglia.problems.routing.benchmark.trace import Trace  # noqa: E402
from openglia.problems.routing.benchmark.workload import generate, trace_file  # noqa: E402
from openglia.problems.routing.simulator.engine import simulate  # noqa: E402
from openglia.problems.routing.simulator.loading import load_router, vidur_modules  # noqa: E402
from openglia.problems.routing.simulator.preparation import GARBAGE  # noqa: E402
from openglia.problems.routing.simulator.routers import ROUTERS  # noqa: E402
from openglia.problems.routing.simulator.timing import ExecutionTimes  # noqa: E402

HEAD_ROOM = HERE / "head_room.py"
SCHEDULERS = {"llq": "builtin:llq", "head-room": str(HEAD_ROOM)}


def timed(call: Callable[[], object]) -> float:
    started = perf_counter()
    call()
    return perf_counter() - started


def process(
    benchmark: Benchmark, simulator: str, scheduler: str, seeds: list[int], csv: bool = False
) -> tuple[float, int]:
    """A worker process that simulates ``seeds`` one after the other.

    Returns its seconds, and the peak memory of the largest of it and its children in MB. Vidur
    always writes its metrics as CSV, the engine where they are kept.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        traces = {str(seed): str(trace_file(benchmark, seed, folder)) for seed in seeds}
        job = {
            "scheduler": scheduler,
            "cluster": asdict(benchmark.cluster),
            "limits": asdict(benchmark.limits),
            "traces": traces,
            "output_dir": str(folder / "out"),
            "resolution": None,
            "request_metrics": csv,
        }
        (folder / "job.json").write_text(json.dumps(job))
        words = [sys.executable, "-P", "-m", f"openglia.{simulator}.worker", "job.json"]
        environment = worker_environment(ROOT)
        started = perf_counter()
        worker = subprocess.Popen(words, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(worker.pid, 0)
        seconds = perf_counter() - started
        worker.returncode = os.waitstatus_to_exitcode(status)
        if worker.returncode:
            raise subprocess.CalledProcessError(worker.returncode, words)
        return seconds, usage.ru_maxrss >> 10


def router_of(name: str):
    return ROUTERS["llq"] if name == "llq" else load_router(HEAD_ROOM)


def show(name: str, seconds: list[float]) -> None:
    spread = f"{min(seconds):.3f} .. {max(seconds):.3f}"
    print(f"  {name:44} {median(seconds):9.3f} s   ({spread})", flush=True)


def ratio(name: str, slow: list[float], fast: list[float]) -> None:
    """Of neighbouring runs: what else the machine did at that time slowed both."""
    ratios = [one / other for one, other in zip(slow, fast, strict=True)]
    print(f"  {name:44} {median(ratios):9.0f} x   ({min(ratios):.0f} .. {max(ratios):.0f})")


def compare(benchmark: Benchmark, name: str, repeats: int, vidur: bool) -> None:
    """Both simulators on seed 0 with one router, in turn."""
    print(f"\n{benchmark.name}, seed 0, {name}")
    times = ExecutionTimes.load(benchmark.cluster)
    trace = generate(benchmark, 0)
    router = router_of(name)
    case = Case(name, benchmark.cluster, trace, str(HEAD_ROOM) if name == "head-room" else "llq", 0)
    runs, found, workers, writing, commands = [], [], [], [], []
    for _ in range(repeats):
        near = [simulate(benchmark.cluster, trace, router, times) for _ in range(3)]
        runs.append(min(near, key=lambda run: run.engine_seconds + run.router_seconds))
        workers.append(process(benchmark, "simulator", SCHEDULERS[name], [0])[0])
        writing.append(process(benchmark, "simulator", SCHEDULERS[name], [0], csv=True)[0])
        if vidur:
            checkout = importlib.import_module("openglia.problems.routing.vidur.checkout")
            found += run_vidur([case], checkout.PINNED_COMMIT)
            commands.append(process(benchmark, "vidur", SCHEDULERS[name], [0])[0])
    loops = [run.engine_seconds + run.router_seconds for run in runs]
    show("engine, loop with the router", loops)
    show("  of which the router", [run.router_seconds for run in runs])
    show("engine, whole process", workers)
    show("engine, whole process, with CSV", writing)
    if not vidur:
        return
    bare = [result["loop_seconds"] for result in found]
    show("Vidur, bare loop, metrics off", bare)
    show("Vidur, whole process", commands)
    ratio("bare loop / engine's loop", bare, loops)
    ratio("Vidur's process / engine's process", commands, workers)
    ratio("Vidur's process / engine's, with CSV", commands, writing)
    same = sum(
        ours == theirs
        for ours, theirs in zip(runs[0].records.completed_at, found[0]["completed_at"], strict=True)
    )
    print(f"  completion times that agree to the last bit: {same} of {len(trace)}")


def copies(trace: Trace, count: int, shift: float) -> Trace:
    """``trace`` repeated, each time ``shift`` seconds later."""
    rows = zip(*asdict(trace).values(), strict=True)
    later = [
        (round(arrived_at + copy * shift, 6), prompt, output)
        for arrived_at, prompt, output in rows
        for copy in range(count)
    ]
    later.sort(key=lambda row: row[0])
    return Trace(*map(list, zip(*later, strict=True)))


def scaling(benchmark: Benchmark) -> None:
    """The engine's cost by requests, and by replicas at constant load for each."""
    times = ExecutionTimes.load(benchmark.cluster)
    base = Trace(*(column[:824] for column in asdict(generate(benchmark, 0)).values()))
    print("\nrequests (llq, 4 replicas)")
    for factor in (1, 10, 100):
        longer = copies(base, factor, base.arrived_at[-1] + 300.0)  # they do not overlap
        run = simulate(benchmark.cluster, longer, ROUTERS["llq"], times)
        total = run.engine_seconds + run.router_seconds
        print(
            f"  {len(longer):7} requests {total:8.3f} s  {1e6 * total / len(longer):6.1f} us each"
        )
    print("\nreplicas (the same load on each)")
    for replicas in (4, 40, 400):
        cluster = replace(benchmark.cluster, replicas=replicas)
        denser = copies(base, replicas // 4, 1e-3)
        for name in ("round_robin", "llq"):
            run = simulate(cluster, denser, ROUTERS[name], times)
            print(
                f"  {replicas:4} replicas {name:12} {len(denser):6} requests: per request "
                f"engine {1e6 * run.engine_seconds / len(denser):6.1f} us, "
                f"router {1e6 * run.router_seconds / len(denser):6.1f} us"
            )


def evaluation(repeats: int) -> None:
    """A whole evaluation of `paper`, as a user calls it; its baseline is stored by the first."""
    print("\npaper, 10 seeds: python -m openglia evaluate")
    for name, scheduler in SCHEDULERS.items():
        words = [sys.executable, "-m", "openglia", "evaluate", scheduler, "--json"]
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}

        def call(words: list[str] = words, environment: dict[str, str] = environment) -> None:
            subprocess.run(words, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)

        call()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        show(f"{name}, wall time", [timed(call) for _ in range(repeats)])
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        show(f"{name}, CPU time", [seconds / repeats])


def memory(benchmark: Benchmark) -> None:
    """Peak memory. Comes first: a new process counts what its parent held when it started it."""
    print("\npeak memory of a worker that simulates seed 0")
    for name, scheduler in SCHEDULERS.items():
        print(f"  {name:44} {process(benchmark, 'simulator', scheduler, [0])[1]:9} MB")


def profile(benchmark: Benchmark) -> None:
    """Where an evaluation's time goes."""
    print("\nwhere the time goes (llq)")
    empty = [process(benchmark, "simulator", "builtin:llq", [])[0] for _ in range(3)]
    show("start-up of a worker alone", empty)
    times = ExecutionTimes.load(benchmark.cluster)
    trace = generate(benchmark, 0)
    profiler = cProfile.Profile()
    profiler.runcall(simulate, benchmark.cluster, trace, ROUTERS["llq"], times)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(14)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--routers", nargs="+", choices=list(SCHEDULERS), help="to compare with")
    parser.add_argument("--no-vidur", action="store_true")
    arguments = parser.parse_args()
    gc.set_threshold(GARBAGE)  # as in a worker
    benchmark = load_benchmark("paper")
    print(f"execution times: {ExecutionTimes.load(benchmark.cluster).source}")
    memory(benchmark)
    with vidur_modules():
        for name in arguments.routers or SCHEDULERS:
            compare(benchmark, name, arguments.repeats, not arguments.no_vidur)
    evaluation(arguments.repeats)
    scaling(benchmark)
    profile(benchmark)


if __name__ == "__main__":
    main()
