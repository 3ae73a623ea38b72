"""What an agent asks of the evaluator, read as hostile input."""

import json
import math
from dataclasses import dataclass, replace
from typing import Any

from openglia.problems.routing.benchmark.definition import Benchmark

MAX_REQUEST_BYTES = 1024 * 1024  # one line
MAX_SOURCE_BYTES = 256 * 1024
_KEYS = {"source", "benchmark", "seeds", "duration"}


class RefusedError(Exception):
    """A request that is not carried out; one line that says why."""


@dataclass(frozen=True)
class Request:
    """A scheduler to score on some of the run's evaluation seeds."""

    source: str
    seeds: tuple[int, ...] | None  # None: all
    duration: float | None  # simulated seconds; None: the benchmark's

    def narrowed(self, benchmark: Benchmark) -> Benchmark:
        """The benchmark as it is to be used."""
        return benchmark if self.duration is None else replace(benchmark, duration=self.duration)

    def to_json(self, benchmark: Benchmark) -> dict[str, Any]:
        """The ``request`` of a line of the record."""
        seeds = None if self.seeds is None else list(self.seeds)
        return {"benchmark": benchmark.name, "seeds": seeds, "duration": self.duration}


def read_request(line: bytes, benchmark: Benchmark) -> Request:
    """Read and check one request.

    Raises:
        RefusedError: with the reason.
    """
    try:
        asked = json.loads(line)
    except (ValueError, RecursionError):
        raise RefusedError("the request is not one line of JSON") from None
    if not isinstance(asked, dict) or not asked.keys() <= _KEYS:
        raise RefusedError(f"a request is an object with the keys {', '.join(sorted(_KEYS))}")
    return Request(
        source=_source(asked.get("source")),
        seeds=_seeds(asked.get("seeds"), _own(asked.get("benchmark"), benchmark)),
        duration=_duration(asked.get("duration"), benchmark),
    )


def _own(name: Any, benchmark: Benchmark) -> Benchmark:
    if name is not None and name != benchmark.name:
        raise RefusedError(f"this run is about the benchmark {benchmark.name} and no other")
    return benchmark


def _source(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise RefusedError("the scheduler's source is missing")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise RefusedError("the scheduler's source is not UTF-8 text: save it as UTF-8") from None
    if size > MAX_SOURCE_BYTES:
        raise RefusedError(f"the scheduler's source has more than {MAX_SOURCE_BYTES // 1024} KiB")
    return value


def _seeds(value: Any, benchmark: Benchmark) -> tuple[int, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not value or any(type(seed) is not int for seed in value):
        raise RefusedError("seeds must be a list of whole numbers")
    if len(set(value)) < len(value):
        raise RefusedError("a seed is named twice")
    if not set(value) <= set(benchmark.seeds):
        raise RefusedError("these are not all evaluation seeds of the benchmark")
    return tuple(value)


def _duration(value: Any, benchmark: Benchmark) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise RefusedError("the duration must be a number of seconds")
    if not 0 < value <= benchmark.duration:
        raise RefusedError(f"the duration must be at most the benchmark's {benchmark.duration:g} s")
    return None if value == benchmark.duration else float(value)
