"""The baseline routers: measured on this machine, stored, and never written by hand.

A figure is stored for a benchmark's hash, a simulator with its code, execution times, a router and
a seed; change one of them and it is measured anew. Only evaluation seeds are stored on disk.
"""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from openglia.errors import OpenGliaError
from openglia.files import sha256, sparing, write_json
from openglia.paths import CACHE
from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.evaluation.measuring import BUILTIN, Evaluation, measure
from openglia.problems.routing.simulators import Simulator

YARDSTICK = "llq"

# Mean response times measured by this process, by (benchmark, simulator, times, router, seed);
# those on held-out seeds are here alone, so that no agent comes across one.
_measured: dict[tuple[str, str, str, str, int], float] = {}


def measure_baselines(
    benchmark: Benchmark,
    *,
    seeds: Sequence[int] | None = None,
    simulator: str | Simulator = "auto",
    jobs: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Evaluation]:
    """Measure the benchmark's baselines and store them; by name, in the benchmark's order."""
    return {
        name: measure_baseline(
            name,
            benchmark,
            seeds=seeds,
            simulator=simulator,
            jobs=jobs,
            progress=None if progress is None else partial(progress, name),
        )
        for name in benchmark.baselines
    }


def measure_baseline(
    name: str,
    benchmark: Benchmark,
    *,
    seeds: Sequence[int] | None = None,
    simulator: str | Simulator = "auto",
    jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Measure one baseline and store it."""
    evaluation = measure(
        f"{BUILTIN}{name}",
        benchmark,
        seeds=seeds,
        simulator=simulator,
        jobs=jobs,
        progress=progress,
    )
    _keep(benchmark, name, evaluation)
    return evaluation


def ratio_to_yardstick(
    evaluation: Evaluation, benchmark: Benchmark, *, jobs: int | None = None
) -> float:
    """Mean response time of a clean evaluation over LLQ's on the same seeds.

    LLQ is measured now if it is not stored, on a simulator that is quick.

    Raises:
        OpenGliaError: LLQ's figures are not there; says how to get them.
    """
    if evaluation.statistics is None:
        raise OpenGliaError("a failed evaluation has no ratio")
    means = yardstick_means(evaluation, benchmark, jobs=jobs)
    return evaluation.statistics.mean_response_time / fmean(means)


def yardstick_means(
    evaluation: Evaluation, benchmark: Benchmark, *, jobs: int | None = None
) -> list[float]:
    """LLQ's mean response time on each of the evaluation's seeds, in seconds."""
    times = str(evaluation.execution_times)
    known = _known(benchmark, YARDSTICK, evaluation.simulator, times)
    missing = [seed for seed in evaluation.seeds if seed not in known]
    if missing:
        if not (simulator := evaluation.simulator).measures_yardstick:
            raise OpenGliaError(
                f"{YARDSTICK} is not measured on {simulator.name} for these seeds; "
                f"run: openglia baseline --benchmark {benchmark.name} --simulator {simulator.name}"
            )
        measured = measure(
            f"{BUILTIN}{YARDSTICK}",
            benchmark,
            seeds=missing,
            simulator=evaluation.simulator,
            jobs=jobs,
        )
        if measured.statistics is None:
            reason = measured.failure.reason if measured.failure else "unknown"
            raise OpenGliaError(f"{YARDSTICK} could not be measured: {reason}")
        if measured.execution_times != times:
            raise OpenGliaError(
                f"{YARDSTICK} got other execution times ({measured.execution_times}); "
                f"evaluate again"
            )
        _keep(benchmark, YARDSTICK, measured)
        known |= dict(zip(missing, measured.statistics.per_seed, strict=True))
    return [known[seed] for seed in evaluation.seeds]


def stored(benchmark: Benchmark, simulator: Simulator, execution_times: str) -> dict[str, Any]:
    """Stored mean response times: router -> seed -> seconds. Empty if none hold any more."""
    path = store_path(benchmark, simulator, execution_times)
    try:
        content = json.loads(path.read_text())
        if content["code"] != code_hash(simulator):
            return {}
        return {
            router: {str(int(seed)): float(mean) for seed, mean in means.items()}
            for router, means in content["mean_response_time"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}  # none, or damaged: measured anew


def store_path(benchmark: Benchmark, simulator: Simulator, execution_times: str) -> Path:
    """Where the figures for these execution times are stored."""
    name = f"{benchmark.hash}-{simulator.name}-{execution_times.replace(':', '-')}.json"
    return CACHE / "baselines" / name


def _known(benchmark: Benchmark, router: str, simulator: Simulator, times: str) -> dict[int, float]:
    known = {
        seed: mean
        for (benchmark_hash, where, what, name, seed), mean in _measured.items()
        if (benchmark_hash, where, what, name) == (benchmark.hash, simulator.name, times, router)
    }
    on_disk = stored(benchmark, simulator, times).get(router, {})
    return known | {int(seed): float(mean) for seed, mean in on_disk.items()}


def _keep(benchmark: Benchmark, router: str, evaluation: Evaluation) -> None:
    if evaluation.statistics is None:
        return
    times = str(evaluation.execution_times)
    means = dict(zip(evaluation.seeds, evaluation.statistics.per_seed, strict=True))
    for seed, mean in means.items():
        _measured[benchmark.hash, evaluation.simulator.name, times, router, seed] = mean
    routers = stored(benchmark, evaluation.simulator, times)
    routers[router] = routers.get(router, {}) | {
        str(seed): mean for seed, mean in means.items() if seed in benchmark.seeds
    }
    content = {
        "benchmark": benchmark.name,
        "benchmark_hash": benchmark.hash,
        "simulator": evaluation.simulator.name,
        "code": code_hash(evaluation.simulator),
        "execution_times": times,
        "mean_response_time": routers,
    }
    with sparing(CACHE / "baselines"):
        write_json(store_path(benchmark, evaluation.simulator, times), content)


def code_hash(simulator: Simulator) -> str:
    """12 digits over the simulator's source: its figures hold for this code only."""
    files = sorted(path for folder in simulator.code for path in folder.rglob("*.py"))
    return sha256(b"\0".join(path.read_bytes() for path in files))[:12]
