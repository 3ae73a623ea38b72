"""What a recorded trace is like, and which of its windows to evaluate on."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openglia.errors import UsageError
from openglia.problems.routing.benchmark.replay.reading import Recording

QUANTILES = {"p10": 0.1, "p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
PEAK_SECONDS = 10.0  # over which the highest rate is taken

_WINDOWS = 20  # that a trace is cut into where it is short
_MOST_SEEDS = 10  # of either kind
_LONGEST = 1000.0  # seconds of a window, which is the paper's duration
_SHORTEST = 30.0  # seconds, where the trace is long enough
_MOST_REQUESTS = 10_000  # of a window, on average


@dataclass(frozen=True)
class Suggestion:
    """Windows of a trace: a benchmark's duration in seconds as replayed, and its seeds."""

    duration: float
    seeds: tuple[int, ...]
    held_out_seeds: tuple[int, ...]
    counts: tuple[int, ...]  # requests of every window of the trace


def describe(found: Recording, scale: float = 1.0) -> dict[str, Any]:
    """Rate, burstiness and lengths; times in seconds as they are replayed.

    ``gap_cv`` is the coefficient of variation of the gaps between arrivals (1: Poisson), and
    ``peak_to_mean`` the highest rate over ten seconds to the mean one.
    """
    seconds = found.seconds / scale
    gaps = np.diff(found.at)
    mean_gap = float(gaps.mean()) if len(gaps) else 0.0
    peak = int(_counts(found.at, PEAK_SECONDS * 1e6 * scale).max())
    rate = len(found.at) / seconds if seconds else 0.0
    return {
        "requests": len(found.at),
        "seconds": seconds,
        "rate": rate,
        "gap_cv": float(gaps.std()) / mean_gap if mean_gap else None,
        "peak_to_mean": peak / min(PEAK_SECONDS, seconds) / rate if rate else None,
        "prompt": _lengths(found.prompts),
        "output": _lengths(found.outputs),
    }


def _lengths(tokens: NDArray[np.int32]) -> dict[str, float]:
    values = np.quantile(tokens, list(QUANTILES.values()))
    return {"mean": float(tokens.mean()), **dict(zip(QUANTILES, values.tolist(), strict=True))}


def _counts(at: NDArray[np.int64], width: float) -> NDArray[np.int64]:
    """Requests in each window of ``width`` microseconds, the last and partial one included."""
    edges = np.arange(0, int(at[-1] // width) + 2) * width
    return np.diff(np.searchsorted(at, edges, side="left"))


def suggest(found: Recording, scale: float = 1.0, duration: float | None = None) -> Suggestion:
    """Windows over the first half of the trace to evaluate on, over the second to hold out.

    Raises:
        UsageError: the trace is too short to hold something out.
    """
    seconds = found.seconds / scale
    rate = len(found.at) / seconds if seconds else 0.0
    if duration is None:
        most = min(_LONGEST, _MOST_REQUESTS / rate if rate else _LONGEST)
        least = min(_SHORTEST, seconds / 2)
        duration = _rounded_down(max(least, min(most, seconds / _WINDOWS)))
    counts = _counts(found.at, duration * 1e6 * scale) if duration else np.zeros(0, dtype=np.int64)
    whole = max(int(seconds // duration), 1) if duration else 0
    windows = counts[:whole] if whole > 1 else counts  # two, of which the second is a partial one
    enough = windows >= max(1.0, 0.1 * float(np.median(windows))) if len(windows) else windows > 0
    half = len(windows) // 2
    first, later = (np.flatnonzero(part) for part in (enough[:half], enough[half:]))
    if not len(first) or not len(later):
        raise UsageError(
            f"{len(found.at):,} requests in {seconds:g} s are too few for windows to evaluate on "
            f"and later ones to hold out; give a longer trace or a shorter --window"
        )
    return Suggestion(
        duration=duration,
        seeds=_spread(first),
        held_out_seeds=_spread(later + half),
        counts=tuple(windows.tolist()),
    )


def _spread(windows: NDArray[Any]) -> tuple[int, ...]:
    """At most ten of them, evenly."""
    picked = np.unique(np.linspace(0, len(windows) - 1, min(_MOST_SEEDS, len(windows))).round())
    return tuple(int(windows[int(index)]) for index in picked)


def _rounded_down(seconds: float) -> float:
    """To two digits, so that it is easily said and no window is lost for it."""
    if seconds <= 0:
        return 0.0
    step = 10.0 ** (floor(log10(seconds)) - 1)
    return float(f"{floor(seconds / step + 1e-9) * step:.6g}")


def table(told: dict[str, Any]) -> Sequence[Sequence[str]]:
    """The lengths as cells."""
    heads = ["tokens", "mean", *QUANTILES]
    rows = [
        [name, *(f"{told[name][key]:,.0f}" for key in heads[1:])] for name in ("prompt", "output")
    ]
    return [heads, *rows]
