"""The bootstrap interval of a mean (``scipy.stats.bootstrap``, BCa)."""

import math
from collections.abc import Sequence

import numpy as np

CONFIDENCE = 0.9
RESAMPLES = 9999


def bootstrap_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The 90 % interval of the mean; None for fewer than two values, or where it is not defined.

    The resampling is seeded: the same values give the same interval.
    """
    if len(values) < 2:
        return None
    low, high = min(values), max(values)
    if math.isclose(low, high, rel_tol=1e-12, abs_tol=1e-15):
        return low, high  # BCa is not defined without spread, and rounding is none
    from scipy import stats  # takes as long to load as a seed to simulate

    result = stats.bootstrap(
        (np.asarray(values, dtype=np.float64),),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        rng=np.random.default_rng(0),
    )
    low, high = float(result.confidence_interval.low), float(result.confidence_interval.high)
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def load() -> None:
    """Load SciPy ahead of the first interval, while the simulations run."""
    # Late, as above: while the simulations run.
    import scipy.stats  # noqa: F401
