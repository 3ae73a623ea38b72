"""Figures of an evaluation, from the requests that the simulator wrote down.

A seed is the unit of repetition: the mean response time is the mean of the seeds' means, and its
interval comes from resampling seeds. Percentiles, TTFT, TPOT, queue time and the restarted share
are over the requests of all seeds together.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from openglia.errors import OpenGliaError

CONFIDENCE = 0.9
RESAMPLES = 9999

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


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Times in seconds. A figure that is not defined is None."""

    mean_response_time: float
    interval: tuple[float, float] | None  # 90 %; None for a single seed
    per_seed: tuple[float, ...]  # mean response time of each seed
    p50: float
    p90: float
    p99: float
    ttft_mean: float  # arrival to first token
    ttft_p99: float
    tpot_mean: float | None  # per output token after the first; None if no output has two
    queue_time_mean: float  # arrival to routing: the time in the global queue
    restarted_share: float  # of the requests, restarted at least once

    def to_json(self) -> dict[str, Any]:
        """The figures by name; pairs and sequences as lists."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One router against another on the same seeds; below 1 the first one is faster."""

    ratio: float  # geometric mean over seeds of the ratio of mean response times
    interval: tuple[float, float] | None  # 90 %, seeds resampled in pairs; None for a single seed
    won: int  # seeds on which the first one's mean is lower
    seeds: int


def read_requests(metrics: Path, trace: Path) -> pd.DataFrame:
    """The requests of one seed, one row each in order of arrival, times in seconds.

    Raises:
        InvalidResultError: the file does not hold every request of the trace, completed.
    """
    try:
        requests = pd.read_csv(metrics)
    except (OSError, ValueError) as error:
        raise InvalidResultError(f"{metrics.name} cannot be read: {error}") from None
    if absent := [column for column in _COLUMNS if column not in requests]:
        raise InvalidResultError(f"{metrics.name} has no column {absent[0]}")
    requests = requests.sort_values("Request Id", ignore_index=True)
    expected = pd.read_csv(trace)
    if len(requests) != len(expected):
        raise InvalidResultError(
            f"{metrics.name} holds {len(requests)} requests, the trace {len(expected)}"
        )
    if not np.array_equal(requests["arrived_at"], expected["arrived_at"]) or not np.array_equal(
        requests["request_num_decode_tokens"], expected["num_decode_tokens"]
    ):
        raise InvalidResultError(f"{metrics.name} does not hold the requests of the trace")
    times = requests[list(_TIMES)].to_numpy()
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


def summarise(requests: Sequence[pd.DataFrame]) -> Statistics:
    """The figures of an evaluation from the requests of each seed, in the order of the seeds."""
    per_seed = [float(seed["request_e2e_time"].mean()) for seed in requests]
    together = pd.concat(requests, ignore_index=True)
    response = together["request_e2e_time"]
    p50, p90, p99 = response.quantile([0.5, 0.9, 0.99])
    ttft = together["first_token_at"] - together["arrived_at"]
    answered = together[together["request_num_decode_tokens"] > 1]
    tpot = (answered["completed_at"] - answered["first_token_at"]) / (
        answered["request_num_decode_tokens"] - 1
    )
    return Statistics(
        mean_response_time=fmean(per_seed),
        interval=bootstrap_interval(per_seed),
        per_seed=tuple(per_seed),
        p50=float(p50),
        p90=float(p90),
        p99=float(p99),
        ttft_mean=float(ttft.mean()),
        ttft_p99=float(ttft.quantile(0.99)),
        tpot_mean=float(tpot.mean()) if len(tpot) else None,
        queue_time_mean=float((together["routed_at"] - together["arrived_at"]).mean()),
        restarted_share=float((together["request_num_restarts"] > 0).mean()),
    )


def bootstrap_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The 90 % bootstrap interval (BCa) of the mean; None for fewer than two values.

    The resampling is seeded: the same values give the same interval.
    """
    if len(values) < 2:
        return None
    if min(values) == max(values):
        return values[0], values[0]  # BCa is not defined without spread
    result = stats.bootstrap(
        (np.asarray(values, dtype=np.float64),),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        rng=np.random.default_rng(0),
    )
    low, high = float(result.confidence_interval.low), float(result.confidence_interval.high)
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def compare(first: Sequence[float], second: Sequence[float]) -> Comparison:
    """Compare the means of two routers on the same seeds, in the same order."""
    ratios = np.asarray(first, dtype=np.float64) / np.asarray(second, dtype=np.float64)
    interval = bootstrap_interval(np.log(ratios).tolist())
    return Comparison(
        ratio=float(stats.gmean(ratios)),
        interval=None if interval is None else (math.exp(interval[0]), math.exp(interval[1])),
        won=int((ratios < 1).sum()),
        seeds=len(ratios),
    )
