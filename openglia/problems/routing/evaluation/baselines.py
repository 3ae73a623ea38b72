"""The baselines, routers or else: measured on this machine, stored, and never written by hand.

A figure is stored for a benchmark's hash, a simulator with its code, execution times, a router and
a seed; change one of them and it is measured anew. Only evaluation seeds are stored on disk.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from openglia.errors import OpenGliaError
from openglia.files import sha256, sparing, write_json
from openglia.paths import CACHE
from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.evaluation.constraints import constrained
from openglia.problems.routing.evaluation.measuring import BUILTIN, Evaluation, measure
from openglia.problems.routing.hooks import ROUTER, Hook
from openglia.problems.routing.simulators import Simulator

Metrics = dict[str, float | None]  # the benchmark's metrics on a seed, by name

# What this process measured, by (benchmark, simulator, times, router, seed); that on held-out
# seeds is here alone, so that no agent comes across one.
_measured: dict[tuple[str, str, str, str, int], Metrics] = {}


def measure_baselines(
    benchmark: Benchmark,
    *,
    seeds: Sequence[int] | None = None,
    simulator: str | Simulator = "auto",
    hook: Hook = ROUTER,
    jobs: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Evaluation]:
    """Measure the baselines and store them; by name, the routers in the benchmark's order."""
    return {
        name: measure_baseline(
            name,
            benchmark,
            seeds=seeds,
            simulator=simulator,
            hook=hook,
            jobs=jobs,
            progress=None if progress is None else partial(progress, name),
        )
        for name in baselines_of(benchmark, hook)
    }


def baselines_of(benchmark: Benchmark, hook: Hook) -> tuple[str, ...]:
    """Their names: the benchmark's routers, or all that there are of another hook."""
    return benchmark.baselines if hook is ROUTER else hook.builtins


def measure_baseline(
    name: str,
    benchmark: Benchmark,
    *,
    seeds: Sequence[int] | None = None,
    simulator: str | Simulator = "auto",
    hook: Hook = ROUTER,
    jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Measure one baseline and store it."""
    evaluation = measure(
        f"{BUILTIN}{name}",
        benchmark,
        seeds=seeds,
        simulator=simulator,
        hook=hook,
        jobs=jobs,
        progress=progress,
    )
    _keep(benchmark, name, evaluation)
    return with_constraints(evaluation, benchmark, jobs=jobs)


def with_constraints(
    evaluation: Evaluation, benchmark: Benchmark, *, jobs: int | None = None
) -> Evaluation:
    """The evaluation, and whether it keeps the benchmark's constraints on its seeds.

    Where the figures are not there that a bound is relative to, that is not known.
    """
    statistics = evaluation.statistics
    if statistics is None or not benchmark.constraints:
        return evaluation
    found = []
    for constraint in benchmark.constraints:
        reference = None
        if (router := constraint.relative_to) is not None:
            with suppress(OpenGliaError):  # the ratio's note says it, where there is one
                reference = reference_values(
                    evaluation, benchmark, constraint.metric, router, jobs=jobs
                )
        found.append(constrained(constraint, statistics.metrics, reference))
    return replace(evaluation, constraints=tuple(found))


def ratio_to_yardstick(
    evaluation: Evaluation, benchmark: Benchmark, *, jobs: int | None = None
) -> float:
    """The objective of a clean evaluation over the yardstick's on the same seeds.

    Raises:
        OpenGliaError: its figures are not there, which says how to get them, or are zero.
    """
    if evaluation.statistics is None:
        raise OpenGliaError("a failed evaluation has no ratio")
    name, hook = benchmark.objective, evaluation.hook
    found = reference_values(evaluation, benchmark, name, hook.yardstick, hook, jobs=jobs)
    values = [value or 0.0 for value in found]
    if not (base := fmean(values)):
        raise OpenGliaError(f"{hook.yardstick}'s {name} is 0 on these seeds")
    return fmean(evaluation.statistics.per_seed) / base


def reference_values(
    evaluation: Evaluation,
    benchmark: Benchmark,
    metric: str,
    router: str,
    hook: Hook = ROUTER,
    *,
    jobs: int | None = None,
) -> list[float | None]:
    """One of the benchmark's metrics of a baseline, on each of the evaluation's seeds.

    The baseline is measured now if it is not stored, on a simulator that is quick.

    Raises:
        OpenGliaError: its figures are not there; says how to get them.
    """
    times = str(evaluation.execution_times)
    known = _known(benchmark, _stored_as(router, hook), evaluation.simulator, times)
    if (evaluation.scheduler, evaluation.hook) == (f"{BUILTIN}{router}", hook):
        known |= _by_seed(evaluation)
    missing = [seed for seed in evaluation.seeds if seed not in known]
    if missing:
        if not (simulator := evaluation.simulator).measures_yardstick:
            raise OpenGliaError(
                f"{router} is not measured on {simulator.name} for these seeds; "
                f"run: openglia baseline --benchmark {benchmark.name} --simulator {simulator.name}"
                + ("" if hook is ROUTER else f" --problem {hook.name}")
            )
        measured = measure(
            f"{BUILTIN}{router}",
            benchmark,
            seeds=missing,
            simulator=evaluation.simulator,
            hook=hook,
            jobs=jobs,
        )
        if measured.statistics is None:
            reason = measured.failure.reason if measured.failure else "unknown"
            raise OpenGliaError(f"{router} could not be measured: {reason}")
        if measured.execution_times != times:
            raise OpenGliaError(
                f"{router} got other execution times ({measured.execution_times}); evaluate again"
            )
        _keep(benchmark, router, measured)
        known |= _by_seed(measured)
    return [known[seed][metric] for seed in evaluation.seeds]


def stored(benchmark: Benchmark, simulator: Simulator, execution_times: str) -> dict[str, Any]:
    """Stored figures: router -> seed -> metric -> value. Empty if none hold any more."""
    path = store_path(benchmark, simulator, execution_times)
    try:
        content = json.loads(path.read_text())
        if content["code"] != code_hash(simulator):
            return {}
        return {
            router: {
                str(int(seed)): {name: _number(known[name]) for name in benchmark.metrics}
                for seed, known in by_seed.items()
            }
            for router, by_seed in content["metrics"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}  # none, or damaged: measured anew


def store_path(benchmark: Benchmark, simulator: Simulator, execution_times: str) -> Path:
    """Where the figures for these execution times are stored."""
    name = f"{benchmark.hash}-{simulator.name}-{execution_times.replace(':', '-')}.json"
    return CACHE / "baselines" / name


def _known(
    benchmark: Benchmark, router: str, simulator: Simulator, times: str
) -> dict[int, Metrics]:
    known = {
        seed: metrics
        for (benchmark_hash, where, what, name, seed), metrics in _measured.items()
        if (benchmark_hash, where, what, name) == (benchmark.hash, simulator.name, times, router)
    }
    on_disk = stored(benchmark, simulator, times).get(router, {})
    return known | {int(seed): metrics for seed, metrics in on_disk.items()}


def _by_seed(evaluation: Evaluation) -> dict[int, Metrics]:
    if evaluation.statistics is None:
        return {}
    metrics = evaluation.statistics.metrics_by_seed
    return {
        seed: {name: values[place] for name, values in metrics.items()}
        for place, seed in enumerate(evaluation.seeds)
    }


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _stored_as(name: str, hook: Hook) -> str:
    return name if hook is ROUTER else f"{hook.name}/{name}"


def _keep(benchmark: Benchmark, name: str, evaluation: Evaluation) -> None:
    if evaluation.statistics is None:
        return
    router = _stored_as(name, evaluation.hook)
    times = str(evaluation.execution_times)
    measured = _by_seed(evaluation)
    for seed, metrics in measured.items():
        _measured[benchmark.hash, evaluation.simulator.name, times, router, seed] = metrics
    routers = stored(benchmark, evaluation.simulator, times)
    routers[router] = routers.get(router, {}) | {
        str(seed): metrics for seed, metrics in measured.items() if seed in benchmark.seeds
    }
    content = {
        "benchmark": benchmark.name,
        "benchmark_hash": benchmark.hash,
        "simulator": evaluation.simulator.name,
        "code": code_hash(evaluation.simulator),
        "execution_times": times,
        "metrics": routers,
    }
    with sparing(CACHE / "baselines"):
        write_json(store_path(benchmark, evaluation.simulator, times), content)


def code_hash(simulator: Simulator) -> str:
    """12 digits over the simulator's source: its figures hold for this code only."""
    files = sorted(path for folder in simulator.code for path in folder.rglob("*.py"))
    return sha256(b"\0".join(path.read_bytes() for path in files))[:12]
