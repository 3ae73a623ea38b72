"""Scoring a scheduler: measured, held to constraints, and set in relation to the yardstick."""

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from openglia.errors import OpenGliaError
from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.evaluation.baselines import (
    ratio_to_yardstick,
    with_constraints,
)
from openglia.problems.routing.evaluation.measuring import BUILTIN, Evaluation, measure
from openglia.problems.routing.evaluation.simulation import Progress
from openglia.problems.routing.hooks import ROUTER, Hook
from openglia.problems.routing.simulators import Simulator


def evaluate(
    scheduler: str,
    benchmark: Benchmark,
    *,
    seeds: Sequence[int] | None = None,
    simulator: str | Simulator = "auto",
    output_dir: Path | None = None,
    request_metrics: bool = True,
    jobs: int | None = None,
    progress: Progress | None = None,
    stop_if_worse: float | None = None,
    hook: Hook = ROUTER,
    rules: bool = True,
    cancelled: threading.Event | None = None,
) -> Evaluation:
    """``measure``, with what is relative to baselines on the same seeds and simulator."""
    evaluation = measure(
        scheduler,
        benchmark,
        seeds=seeds,
        simulator=simulator,
        output_dir=output_dir,
        request_metrics=request_metrics,
        jobs=jobs,
        progress=progress,
        stop_if_worse=stop_if_worse,
        hook=hook,
        rules=rules,
        cancelled=cancelled,
    )
    if evaluation.statistics is None:
        return evaluation
    begun = time.monotonic()
    evaluation = with_constraints(evaluation, benchmark, jobs=jobs)
    if scheduler == f"{BUILTIN}{hook.yardstick}":
        return replace(evaluation, ratio=1.0)
    try:
        ratio = ratio_to_yardstick(evaluation, benchmark, jobs=jobs)
    except OpenGliaError as error:
        return replace(evaluation, ratio_note=str(error))
    seconds = evaluation.wall_seconds + time.monotonic() - begun
    return replace(evaluation, ratio=ratio, wall_seconds=seconds)
