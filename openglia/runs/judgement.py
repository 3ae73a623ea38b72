"""What the figures on held-out seeds show, LLQ and the final router compared seed by seed.

Seeds differ far more from each other than two routers do on one of them, so that intervals of two
means overlap where one router is faster on every seed. Everything here is therefore paired.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from openglia.report.verdict import no_interval_words

OVERFITTING_SHARE = 0.8  # of the gain on the evaluation seeds

# Lower is better in all of them. The time in the global queue is not among them: it is a part of
# the TTFT, and LLQ's is zero. The mean response time is the headline itself.
FIGURES = {
    "p50": "p50",
    "p90": "p90",
    "p99": "p99",
    "ttft_mean": "TTFT",
    "ttft_p99": "TTFT p99",
    "tpot_mean": "TPOT",
    "restarted_share": "restarted share",
    "makespan": "makespan",
}

Group = Mapping[str, Mapping[str, Any]]


def judge(evaluation: Group, held_out: Group) -> dict[str, Any]:
    """Gains against LLQ and what they show; None where a figure is missing.

    Args:
        evaluation: JSON lines on the evaluation seeds: of ``llq`` and ``final``.
        held_out: likewise on the held-out seeds, with ``by_seed`` where that is known.

    Returns:
        ``gain_evaluation`` and ``gain_held_out``: 1 - mean(final) / mean(LLQ). ``overfitting``:
        the gain on held-out seeds is less than 80 % of the one on the evaluation seeds.
        ``ratio_held_out``: the geometric mean over held-out seeds of final / LLQ;
        ``ratio_interval``: its 90 % interval, seeds resampled in pairs, None for one seed;
        ``ratio_seeds``: how many. ``no_gain``: the interval (without one: the ratio) reaches 1.
        ``worse``: the figures that are higher than LLQ's, each with its ``ratio`` (where a zero
        leaves none: ``difference``), ``interval``, ``clear``: whether the interval lies above
        equality as a whole, and ``line``: that in words.
    """
    seen, unseen = gain(evaluation), gain(held_out)
    overfitting = None
    if seen is not None and unseen is not None:
        overfitting = seen > 0 and unseen < OVERFITTING_SHARE * seen
    judged: dict[str, Any] = {
        "gain_evaluation": seen,
        "gain_held_out": unseen,
        "overfitting": overfitting,
        "no_gain": None,
        "ratio_held_out": None,
        "ratio_interval": None,
        "ratio_seeds": 0,
        "worse": [],
    }
    if unseen is None:
        return judged
    from openglia.problems.routing.benchmark.statistics import compare

    final, llq = held_out["final"], held_out["llq"]
    paired = compare(final["per_seed"], llq["per_seed"])
    interval = None if paired.interval is None else list(paired.interval)
    judged |= {
        "ratio_held_out": paired.ratio,
        "ratio_interval": interval,
        "ratio_seeds": paired.seeds,
        "no_gain": (paired.ratio if interval is None else interval[1]) >= 1,
        "worse": _raised(final, llq),
    }
    return judged


def gain(results: Group) -> float | None:
    """1 - mean(final) / mean(LLQ), or None if either has no score."""
    final, llq = results.get("final") or {}, results.get("llq") or {}
    if final.get("status") != "ok" or llq.get("status") != "ok":
        return None
    return float(1 - final["mean_response_time"] / llq["mean_response_time"])


def ratio_words(checked: Mapping[str, Any]) -> str:
    """The paired ratio with its interval, or why it has none."""
    ratio, interval = checked["ratio_held_out"], checked.get("ratio_interval")
    seeds = checked.get("ratio_seeds")
    if interval is not None:
        over = "" if seeds is None else f", {seeds} seeds"
        return f"{ratio:.3f} (90 % interval {interval[0]:.3f} to {interval[1]:.3f}{over})"
    return f"{ratio:.3f} ({no_interval_words(seeds)})"


def lines(checked: Mapping[str, Any]) -> list[str]:
    """One line for each figure that is higher than LLQ's; none for runs of earlier versions."""
    return [entry["line"] for entry in checked.get("worse") or [] if "line" in entry]


def _raised(final: Mapping[str, Any], llq: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The figures that are higher than LLQ's, over all requests or seed by seed."""
    found = []
    for figure, name in FIGURES.items():
        first, second = (result.get("by_seed", {}).get(figure) or [None] for result in (final, llq))
        if None in first or None in second:
            continue
        measure, value, interval = _paired(first, second)
        equal = 1.0 if measure == "ratio" else 0.0
        figures = [
            result[figure] if figure in result else fmean(values)
            for result, values in ((final, first), (llq, second))
        ]
        clear = interval is not None and interval[0] > equal
        if not clear and figures[0] <= figures[1]:
            continue  # neither sure nor to be seen in the tables
        if clear:
            words = "got worse"
            if figures[0] <= figures[1]:
                words += " seed by seed, though not over all requests"
        elif interval is None:
            words = "is higher (no interval)"
        elif interval[1] < equal:
            words = "is higher over all requests, though lower seed by seed"
        else:
            words = "is higher, within noise"
        show = _ratio if measure == "ratio" else _SHOW.get(figure, _seconds)
        told = f"{measure} {show(value)}"
        if interval is not None:
            told += f", {show(interval[0])} to {show(interval[1])}"
        shown = [_SHOW.get(figure, _seconds)(number) for number in figures]
        found.append(
            {
                "figure": figure,
                "final": figures[0],
                "llq": figures[1],
                measure: value,
                "interval": interval,
                "clear": clear,
                "line": f"{name} {words}: {shown[0]} against LLQ's {shown[1]} ({told})",
            }
        )
    return found


def _paired(
    first: Sequence[float], second: Sequence[float]
) -> tuple[str, float, list[float] | None]:
    """The ratio seed by seed; the difference where a zero leaves no ratio."""
    from openglia.measuring.bootstrap import bootstrap_interval
    from openglia.problems.routing.benchmark.statistics import compare

    if min(*first, *second) > 0:
        paired = compare(first, second)
        return "ratio", paired.ratio, None if paired.interval is None else list(paired.interval)
    differences = [a - b for a, b in zip(first, second, strict=True)]
    interval = bootstrap_interval(differences)
    return "difference", fmean(differences), None if interval is None else list(interval)


def _seconds(value: float) -> str:
    return f"{value:.0f} s" if abs(value) >= 100 else f"{value:.3g} s"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _ratio(value: float) -> str:
    return f"{value:.2f}"


_SHOW = {"restarted_share": _percent}
