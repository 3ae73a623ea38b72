"""What an agent asks for: seeds, a duration, how much to write; read as hostile input."""

import math
from collections.abc import Mapping
from typing import Any

from openglia.problems.asked import RefusedError, chosen
from openglia.problems.problem import Look
from openglia.problems.routing.benchmark.definition import Benchmark

KEYS = {"benchmark", "seeds", "duration", "requests", "stop_if_worse"}


def read(asked: Mapping[str, Any], benchmark: Benchmark) -> Look:
    """The request, with ``extent``: simulated seconds; None: the benchmark's.

    Raises:
        RefusedError: with the reason.
    """
    if not asked.keys() <= KEYS:
        raise RefusedError(f"a request has the keys source, {', '.join(sorted(KEYS))}")
    name = asked.get("benchmark")
    if name is not None and name != benchmark.name:
        raise RefusedError(f"this run is about the benchmark {benchmark.name} and no other")
    seeds = asked.get("seeds")
    duration = _duration(asked.get("duration"), benchmark)
    kept = {"benchmark": benchmark.name, "seeds": seeds, "duration": duration}
    if not isinstance(requests := asked.get("requests", True), bool):
        raise RefusedError("requests, whether each one is written down, is true or false")
    if not requests:
        kept["requests"] = False
    if (bound := asked.get("stop_if_worse")) is not None:
        kept["stop_if_worse"] = _number(bound, "stop_if_worse")
    return Look(
        cases=benchmark.seeds if seeds is None else chosen(seeds, benchmark.seeds, "seed"),
        asked=kept,
        extent=duration,
    )


def _duration(value: Any, benchmark: Benchmark) -> float | None:
    if value is None:
        return None
    value = _number(value, "the duration, in seconds,")
    if not 0 < value <= benchmark.duration:
        raise RefusedError(f"the duration must be at most the benchmark's {benchmark.duration:g} s")
    return None if value == benchmark.duration else value


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise RefusedError(f"{what} must be a number")
    return float(value)
