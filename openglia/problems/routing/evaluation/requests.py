"""The requests of one seed as a simulator wrote them down, and whether they are a result at all."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openglia.errors import OpenGliaError
from openglia.problems.routing.benchmark.trace import Trace, read_trace
from openglia.problems.routing.simulator.results import REQUEST_COLUMNS

Column = NDArray[Any]
Requests = Mapping[str, Column]  # equally long columns, one entry per request, times in seconds

_TIMES = ("arrived_at", "routed_at", "scheduled_at", "first_token_at", "completed_at")
_COLUMNS = (
    "Request Id",
    "request_e2e_time",
    "request_num_restarts",
    "request_num_prefill_tokens",
    "request_num_decode_tokens",
    *_TIMES,
)


class InvalidResultError(OpenGliaError):
    """What a simulation wrote is not a result for its trace."""


@lru_cache(maxsize=64)
def expected_trace(trace: Path) -> Trace:
    """The trace of a seed: read once, best of all while the seed is simulated.

    Raises:
        OpenGliaError: see ``read_trace``.
    """
    return read_trace(trace)


def read_seed(folder: Path, trace: Path) -> Requests:
    """The requests of a seed's folder: ``requests.bin`` (the engine), else the CSV (Vidur).

    Raises:
        InvalidResultError: see ``read_requests``.
    """
    binary = folder / "requests.bin"
    return read_requests(binary if binary.exists() else folder / "request_metrics.csv", trace)


def read_requests(metrics: Path, trace: Path) -> Requests:
    """The requests of one seed in order of arrival.

    Raises:
        InvalidResultError: the file does not hold every request of the trace, completed.
    """
    try:
        found = read_binary(metrics) if metrics.suffix == ".bin" else _read_csv(metrics)
    except (OSError, ValueError) as error:
        raise InvalidResultError(f"{metrics.name} cannot be read: {error}") from None
    if absent := [column for column in _COLUMNS if column not in found]:
        raise InvalidResultError(f"{metrics.name} has no column {absent[0]}")
    order = np.argsort(found["Request Id"], kind="stable")
    requests = {column: found[column][order] for column in _COLUMNS}
    expected = expected_trace(trace)
    if len(order) != len(expected):
        raise InvalidResultError(
            f"{metrics.name} holds {len(order)} requests, the trace {len(expected)}"
        )
    if not np.array_equal(requests["arrived_at"], expected.arrived_at) or not np.array_equal(
        requests["request_num_decode_tokens"], expected.num_decode_tokens
    ):
        raise InvalidResultError(f"{metrics.name} does not hold the requests of the trace")
    times = np.stack([requests[column] for column in _TIMES], axis=1)
    if not np.isfinite(times).all() or (np.diff(times, axis=1) < 0).any():
        raise InvalidResultError(
            f"{metrics.name}: a request was not routed, scheduled, answered and completed in turn"
        )
    response = requests["completed_at"] - requests["arrived_at"]
    if not np.allclose(requests["request_e2e_time"], response, rtol=0, atol=1e-6):
        raise InvalidResultError(
            f"{metrics.name}: a response time is not the time from arrival to completion"
        )
    return requests


def read_binary(path: Path) -> Requests:
    """The engine's own file, by request id, to the bit."""
    columns = np.fromfile(path).reshape(len(REQUEST_COLUMNS), -1)
    named = zip(REQUEST_COLUMNS.items(), columns, strict=True)
    return {name: column.view(kind) for (name, kind), column in named}


def _read_csv(path: Path) -> Requests:
    import pandas as pd  # takes half a second to load, and the engine's results need none

    table = pd.read_csv(path)
    return {str(name): table[name].to_numpy() for name in table}
