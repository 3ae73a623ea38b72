"""Figures of an evaluation, from the requests that the simulator wrote down.

A seed is the unit of repetition: an objective (``benchmark.objectives``) is a figure of each seed's
requests, a score the mean over seeds, and its interval comes from resampling seeds. So
``p99_response_time`` is the mean of the seeds' p99. What else is told, ``p50``, ``p90``, ``p99``,
TTFT, TPOT, queue time and the restarted share, is over the requests of all seeds together.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import numpy as np

from openglia.errors import OpenGliaError
from openglia.measuring.bootstrap import bootstrap_interval
from openglia.problems.routing.benchmark.definition import DEFAULT, OF_SLO, Benchmark, Slo
from openglia.problems.routing.evaluation.requests import Column, Requests

Metric = Callable[[Requests], float | None]

# What a router must not make worse unnoticed.
HEADLINES = (
    DEFAULT,
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
    interval: tuple[float, float] | None  # of the objective, 90 %; None for a single seed
    per_seed: tuple[float, ...]  # the objective on each seed
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
    # Likewise what the benchmark scores by and constrains.
    metrics_by_seed: Mapping[str, tuple[float | None, ...]]

    @property
    def metrics(self) -> dict[str, float | None]:
        """The mean over seeds of each; None where no seed defines it."""
        return {name: _mean(values) for name, values in self.metrics_by_seed.items()}

    def to_json(self) -> dict[str, Any]:
        """The figures by name; pairs and sequences as lists."""
        figures = {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
            if key not in ("by_seed", "metrics_by_seed")
        }
        return figures | self.metrics


def summarise(requests: Sequence[Requests], benchmark: Benchmark | None = None) -> Statistics:
    """The figures of an evaluation from the requests of each seed, in the order of the seeds.

    Args:
        benchmark: what they are scored by; None: the mean response time.

    Raises:
        OpenGliaError: the objective is not defined for these requests.
    """
    names = (DEFAULT,) if benchmark is None else benchmark.metrics
    measured = {name: tuple(metric(name, seed, benchmark) for seed in requests) for name in names}
    per_seed = [value for value in measured[names[0]] if value is not None]
    if len(per_seed) < len(requests):
        raise OpenGliaError(
            f"the objective {names[0]} is not defined on a seed where no request has two output "
            f"tokens; choose another one"
        )
    single = [_figures(seed) | {"makespan": _makespan(seed)} for seed in requests]
    by_seed = {name: tuple(figures[name] for figures in single) for name in HEADLINES[1:]}
    means = [metric(DEFAULT, seed) or 0.0 for seed in requests]
    together = {name: np.concatenate([np.asarray(s[name]) for s in requests]) for name in _COLUMNS}
    return Statistics(
        mean_response_time=fmean(means),
        interval=bootstrap_interval(per_seed),
        per_seed=tuple(per_seed),
        by_seed={DEFAULT: tuple(means), **by_seed},
        metrics_by_seed=measured,
        **_figures(together),
    )


def metric(name: str, requests: Requests, benchmark: Benchmark | None = None) -> float | None:
    """One of ``benchmark.objectives.OBJECTIVES`` for the requests of a seed.

    None: TPOT, where no request has two output tokens.

    Args:
        benchmark: with the SLO, for what needs it.
    """
    if name in OF_SLO:
        assert benchmark is not None and benchmark.slo is not None
        good = _served_well(requests, benchmark.slo)
        return float(good.mean() if name == "slo_attainment" else good.sum() / benchmark.duration)
    return _METRICS[name](requests)


def _figures(requests: Requests) -> dict[str, Any]:
    """The figures over requests, by the names that ``Statistics`` has for them."""
    p50, p90, p99 = np.quantile(requests["request_e2e_time"], [0.5, 0.9, 0.99])
    ttft = _ttft(requests)
    tpot = _tpot(requests)[requests["request_num_decode_tokens"] > 1]
    return {
        "p50": float(p50),
        "p90": float(p90),
        "p99": float(p99),
        "ttft_mean": float(ttft.mean()),
        "ttft_p99": float(np.quantile(ttft, 0.99)),
        "tpot_mean": float(tpot.mean()) if len(tpot) else None,
        "queue_time_mean": float((requests["routed_at"] - requests["arrived_at"]).mean()),
        "restarted_share": float((requests["request_num_restarts"] > 0).mean()),
    }


def _makespan(requests: Requests) -> float:
    """Seconds from the first arrival to the last completion of a seed."""
    return float(np.max(requests["completed_at"]) - np.min(requests["arrived_at"]))


def _ttft(requests: Requests) -> Column:
    return requests["first_token_at"] - requests["arrived_at"]


def _tpot(requests: Requests) -> Column:
    """Seconds per output token after the first; 0 where there is none."""
    after = requests["completed_at"] - requests["first_token_at"]
    tpot: Column = after / np.maximum(requests["request_num_decode_tokens"] - 1, 1)
    return tpot


def _mean_tpot(requests: Requests) -> float | None:
    several = requests["request_num_decode_tokens"] > 1
    return float(_tpot(requests)[several].mean()) if several.any() else None


def _served_well(requests: Requests, slo: Slo) -> Column:
    """Which requests keep the SLO; one output token has no TPOT to be too long."""
    ttft, tpot = (np.inf if bound is None else bound for bound in (slo.ttft, slo.tpot))
    return (_ttft(requests) <= ttft) & (_tpot(requests) <= tpot)


def _quantile(times: Callable[[Requests], Column], share: float) -> Metric:
    return lambda requests: float(np.quantile(times(requests), share))


def _response(requests: Requests) -> Column:
    return requests["request_e2e_time"]


_METRICS: Mapping[str, Metric] = {
    DEFAULT: lambda requests: float(np.mean(_response(requests))),
    "mean_ttft": lambda requests: float(np.mean(_ttft(requests))),
    **{f"p{n}_response_time": _quantile(_response, n / 100) for n in (50, 90, 99)},
    **{f"p{n}_ttft": _quantile(_ttft, n / 100) for n in (50, 90, 99)},
    "mean_tpot": _mean_tpot,
}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
