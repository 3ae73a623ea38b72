"""The bootstrap interval of a mean: BCa, bias-corrected and accelerated (Efron 1987).

The same resamples and figures as ``scipy.stats.bootstrap``, which a test compares. Written out
because SciPy's statistics take longer to import than an evaluation takes to simulate a seed.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

CONFIDENCE = 0.9
RESAMPLES = 9999

_NORMAL = NormalDist()


def bootstrap_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The 90 % interval of the mean; None for fewer than two values, or where it is not defined.

    The resampling is seeded: the same values give the same interval.
    """
    count = len(values)
    if count < 2:
        return None
    if min(values) == max(values):
        return values[0], values[0]  # BCa is not defined without spread
    sample = np.asarray(values, dtype=np.float64)
    mean = sample.mean()
    drawn = np.random.default_rng(0).integers(0, count, (RESAMPLES, count))
    means = sample[drawn].mean(axis=-1)
    below = ((means < mean).sum() + (means <= mean).sum()) / (2 * RESAMPLES)
    if not 0 < below < 1:
        return None
    bias = _NORMAL.inv_cdf(float(below))
    # The acceleration, from the means with one value left out.
    left_out = (sample.sum() - sample) / (count - 1)
    spread = left_out.mean() - left_out
    acceleration = float((spread**3).sum() / (spread**2).sum() ** 1.5 / 6)

    def bound(z: float) -> float:
        shifted = bias + z
        level = _NORMAL.cdf(bias + shifted / (1 - acceleration * shifted))
        return float(np.percentile(means, 100 * level))

    z = _NORMAL.inv_cdf((1 + CONFIDENCE) / 2)
    low, high = bound(-z), bound(z)
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None
