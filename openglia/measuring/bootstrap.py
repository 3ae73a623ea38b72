"""The bootstrap interval of a mean: bias-corrected and accelerated (Efron, 1987).

It is the one of ``scipy.stats.bootstrap`` up to rounding, with the same resamples; tests hold it to
that. SciPy itself takes longer to load than several seeds to simulate.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist, StatisticsError

import numpy as np

CONFIDENCE = 0.9
RESAMPLES = 9999

_NORMAL = NormalDist()


def bootstrap_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The 90 % interval of the mean; None for fewer than two values, or where it is not defined.

    The resampling is seeded: the same values give the same interval.
    """
    if len(values) < 2:
        return None
    low, high = min(values), max(values)
    if math.isclose(low, high, rel_tol=1e-12, abs_tol=1e-15):
        return low, high  # BCa is not defined without spread, and rounding is none
    sample = np.asarray(values, dtype=np.float64)
    drawn = np.random.default_rng(0).integers(0, len(sample), (RESAMPLES, len(sample)))
    means = sample[drawn].mean(axis=-1)
    try:
        shares = _shares(sample, means)
    except (StatisticsError, ZeroDivisionError):  # all resamples lie on one side of the mean
        return None
    low, high = np.quantile(means, shares).tolist()
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def _shares(sample: np.ndarray, means: np.ndarray) -> list[float]:
    """Which quantiles of the resampled means are the ends of the interval."""
    mean, size = sample.mean(), len(sample)
    below = np.count_nonzero(means < mean) + np.count_nonzero(means <= mean)
    bias = _NORMAL.inv_cdf(float(below) / (2 * len(means)))
    without = np.array([np.delete(sample, index).mean() for index in range(size)])
    influence = (size - 1) * (without.mean() - without)
    skewness = (influence**3).sum() / size**3
    acceleration = skewness / 6 / float((influence**2).sum() / size**2) ** 1.5
    ends = []
    for tail in ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2):
        moved = bias + _NORMAL.inv_cdf(tail)
        ends.append(_NORMAL.cdf(bias + moved / (1 - acceleration * moved)))
    return ends
