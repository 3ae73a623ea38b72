"""What the figures on held-out cases show, the final candidate and the yardstick in pairs."""

from collections.abc import Sequence
from statistics import fmean

from openglia.measuring.pairs import Paired, compare
from openglia.presenting.presentation import Figure, Group, Presentation
from openglia.presenting.score import Score
from openglia.report.verdict import no_interval_words
from openglia.runs.results import Verification, Worse

OVERFITTING_SHARE = 0.8  # of the gain on the evaluation cases


def judge(evaluation: Group, held_out: Group, shown: Presentation) -> Verification:
    """Gains against the yardstick and what they show; None where a figure is missing.

    Args:
        evaluation: lines on the evaluation cases: of the yardstick and ``final``.
        held_out: likewise on the held-out cases, with the figures by case where these are known.
    """
    seen, unseen = gain(evaluation, shown), gain(held_out, shown)
    overfitting = None
    if seen is not None and unseen is not None:
        overfitting = seen > 0 and unseen < OVERFITTING_SHARE * seen
    judged = Verification(
        gain_evaluation=seen, gain_held_out=unseen, overfitting=overfitting, ratio_seeds=0
    )
    # Without held-out cases what was seen is all there is; it can still be no gain.
    lines = held_out or evaluation
    final, yardstick = (shown.score(lines.get(name)) for name in ("final", shown.yardstick))
    pairs = [(v, yardstick.by_case[c]) for c, v in final.by_case.items() if c in yardstick.by_case]
    if not pairs:
        return judged
    paired = compare([first for first, _ in pairs], [second for _, second in pairs])
    judged.no_gain = not _is_better(paired, lower_is_better=shown.objective.lower_is_better)
    if not held_out:
        judged.no_gain = judged.no_gain or None  # a gain on what was seen shows nothing
        return judged
    judged.ratio_seeds = paired.cases
    if paired.measure == "ratio":
        judged.ratio_held_out, judged.ratio_interval = paired.value, paired.interval
    else:
        judged.difference_held_out, judged.difference_interval = paired.value, paired.interval
    judged.worse = _raised(final, yardstick, shown)
    return judged


def gain(lines: Group, shown: Presentation) -> float | None:
    """How much better than the yardstick's the final mean is, as a share; None without a score."""
    final, yardstick = (shown.score(lines.get(name)).value for name in ("final", shown.yardstick))
    if final is None or yardstick is None:
        return None
    return shown.objective.gain(final, yardstick)


def ratio_words(checked: Verification, case: str) -> str | None:
    """The paired ratio (or difference) with its interval, or why it has none; None: no pairs."""
    value, interval = checked.ratio_held_out, checked.ratio_interval
    if value is None:
        value, interval = checked.difference_held_out, checked.difference_interval
    if value is None:
        return None
    if interval is None:
        return f"{value:.3f} ({no_interval_words(checked.ratio_seeds, case)})"
    over = "" if checked.ratio_seeds is None else f", {checked.ratio_seeds} {case}s"
    return f"{value:.3f} (90 % interval {interval[0]:.3f} to {interval[1]:.3f}{over})"


def lines(checked: Verification | None) -> list[str]:
    """One line for each figure that is higher than the yardstick's."""
    return [entry.line for entry in (checked.worse if checked else []) if entry.line]


def _is_better(paired: Paired, *, lower_is_better: bool) -> bool:
    """Whether the whole interval (without one: the value) lies on the better side of equality."""
    low, high = paired.interval or (paired.value, paired.value)
    return high < paired.equal if lower_is_better else low > paired.equal


def _raised(final: Score, yardstick: Score, shown: Presentation) -> list[Worse]:
    """The figures that are higher than the yardstick's, over all or case by case."""
    found = []
    for figure in shown.figures:
        pairs = [list(score.figure_by_case(figure.name).values()) for score in (final, yardstick)]
        if not pairs[0] or any(len(values) < len(final.cases) for values in pairs):
            continue
        values = [
            over_all if (over_all := score.figure(figure.name)) is not None else fmean(by_case)
            for score, by_case in zip((final, yardstick), pairs, strict=True)
        ]
        paired = compare(*pairs)
        clear = paired.interval is not None and paired.interval[0] > paired.equal
        if not clear and values[0] <= values[1]:
            continue  # neither sure nor to be seen in the tables
        found.append(
            Worse.model_validate(
                {
                    "figure": figure.name,
                    "final": values[0],
                    shown.yardstick: values[1],
                    paired.measure: paired.value,
                    "interval": paired.interval,
                    "clear": clear,
                    "words": _words(figure, paired),
                    "line": _line(figure, values, paired, shown, clear=clear),
                }
            )
        )
    return found


def _words(figure: Figure, paired: Paired) -> str:
    times = f"{paired.value:.2f} times"
    return f"{figure.words} ({times if paired.measure == 'ratio' else _more(figure, paired)})"


def _more(figure: Figure, paired: Paired) -> str:
    return f"{figure.spell(paired.value)} more"


def _line(
    figure: Figure, values: Sequence[float], paired: Paired, shown: Presentation, *, clear: bool
) -> str:
    by_case = f"{shown.case} by {shown.case}"
    if clear:
        words = "got worse"
        if values[0] <= values[1]:
            words += f" {by_case}, though not over all"
    elif paired.interval is None:
        words = "is higher (no interval)"
    elif paired.interval[1] < paired.equal:
        words = f"is higher over all, though lower {by_case}"
    else:
        words = "is higher, within noise"
    spell = "{:.2f}".format if paired.measure == "ratio" else figure.spell
    told = f"{paired.measure} {spell(paired.value)}"
    if paired.interval is not None:
        told += f", {spell(paired.interval[0])} to {spell(paired.interval[1])}"
    mine, other = (figure.spell(value) for value in values)
    return f"{figure.words} {words}: {mine} against {shown.yardstick_label}'s {other} ({told})"
