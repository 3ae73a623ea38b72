"""Two candidates on the same cases, compared in pairs.

Cases differ far more from each other than two candidates do on one of them, so that intervals of
two means overlap where one candidate is better on every case.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

import numpy as np

from openglia.measuring.bootstrap import bootstrap_interval


@dataclass(frozen=True, kw_only=True)
class Paired:
    """One candidate against another."""

    measure: Literal["ratio", "difference"]
    value: float  # geometric mean over cases of first / second, or mean of first - second
    interval: tuple[float, float] | None  # 90 %, cases resampled in pairs; None for a single case
    lower: int  # cases on which the first one's value is the lower
    higher: int
    cases: int

    @property
    def equal(self) -> float:
        """The value of two that are alike."""
        return 1.0 if self.measure == "ratio" else 0.0


def compare(first: Sequence[float], second: Sequence[float]) -> Paired:
    """Compare values on the same cases, in the same order.

    A value that is not positive leaves no ratio: then differences are compared.
    """
    lower = sum(a < b for a, b in zip(first, second, strict=True))
    higher = sum(a > b for a, b in zip(first, second, strict=True))
    counts = {"lower": lower, "higher": higher, "cases": len(first)}
    if min(*first, *second) <= 0:
        differences = [a - b for a, b in zip(first, second, strict=True)]
        interval = bootstrap_interval(differences)
        return Paired(measure="difference", value=fmean(differences), interval=interval, **counts)
    ratios = np.asarray(first, dtype=np.float64) / np.asarray(second, dtype=np.float64)
    spread = bootstrap_interval(np.log(ratios).tolist())
    return Paired(
        measure="ratio",
        value=float(np.exp(np.log(ratios).mean())),
        interval=None if spread is None else (math.exp(spread[0]), math.exp(spread[1])),
        **counts,
    )
