"""Figures of an evaluation, from the requests that the simulator wrote down.

A seed is the unit of repetition: the mean response time is the mean of the seeds' means, and its
interval comes from resampling seeds. Percentiles, TTFT, TPOT, queue time and the restarted share
are over the requests of all seeds together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import numpy as np

from openglia.measuring.bootstrap import bootstrap_interval
from openglia.problems.routing.evaluation.requests import Requests

# What a router must not make worse unnoticed, besides the mean response time.
HEADLINES = (
    "p50",
    "p90",
    "p99",
    "ttft_mean",
    "ttft_p99",
    "tpot_mean",
    "restarted_share",
    "makespan",
)

_COLUMNS = (
    "arrived_at",
    "routed_at",
    "first_token_at",
    "completed_at",
    "request_e2e_time",
    "request_num_decode_tokens",
    "request_num_restarts",
)


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
    # Each of ``HEADLINES`` seed by seed, for comparisons in pairs; not in the JSON line, which
    # agents read after every evaluation.
    by_seed: Mapping[str, tuple[float | None, ...]]

    def to_json(self) -> dict[str, Any]:
        """The figures by name; pairs and sequences as lists."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
            if key != "by_seed"
        }


def summarise(requests: Sequence[Requests]) -> Statistics:
    """The figures of an evaluation from the requests of each seed, in the order of the seeds."""
    per_seed = [float(np.mean(seed["request_e2e_time"])) for seed in requests]
    single = [_figures(seed) | {"makespan": _makespan(seed)} for seed in requests]
    together = {name: np.concatenate([np.asarray(s[name]) for s in requests]) for name in _COLUMNS}
    return Statistics(
        mean_response_time=fmean(per_seed),
        interval=bootstrap_interval(per_seed),
        per_seed=tuple(per_seed),
        by_seed={name: tuple(figures[name] for figures in single) for name in HEADLINES},
        **_figures(together),
    )


def _figures(requests: Requests) -> dict[str, Any]:
    """The figures over requests, by the names that ``Statistics`` has for them."""
    arrived_at, first_token_at = requests["arrived_at"], requests["first_token_at"]
    p50, p90, p99 = np.quantile(requests["request_e2e_time"], [0.5, 0.9, 0.99])
    ttft = first_token_at - arrived_at
    outputs = requests["request_num_decode_tokens"]
    several = outputs > 1
    tpot = (requests["completed_at"] - first_token_at)[several] / (outputs[several] - 1)
    return {
        "p50": float(p50),
        "p90": float(p90),
        "p99": float(p99),
        "ttft_mean": float(ttft.mean()),
        "ttft_p99": float(np.quantile(ttft, 0.99)),
        "tpot_mean": float(tpot.mean()) if len(tpot) else None,
        "queue_time_mean": float((requests["routed_at"] - arrived_at).mean()),
        "restarted_share": float((requests["request_num_restarts"] > 0).mean()),
    }


def _makespan(requests: Requests) -> float:
    """Seconds from the first arrival to the last completion of a seed."""
    return float(np.max(requests["completed_at"]) - np.min(requests["arrived_at"]))
