"""What a run shows, in one sentence and a few flags, from its verification."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from openglia.presenting import units
from openglia.presenting.presentation import Presentation
from openglia.presenting.score import Score
from openglia.presenting.tolerant import at, interval, items, number, text
from openglia.report.data import Entry, Run

Tone = Literal["good", "warning", "bad", "plain"]

STATUS: dict[str, tuple[Tone, str]] = {
    "completed": ("good", "completed"),
    "limit": ("good", "ended at a limit"),
    "failed": ("bad", "failed"),
    "interrupted": ("warning", "interrupted"),
    "running": ("warning", "unfinished"),
}


@dataclass(frozen=True)
class Flag:
    """A short mark with its explanation."""

    tone: Tone
    word: str
    meaning: str


def status(run: Run) -> Flag:
    """How the run ended."""
    if run.under_way:
        return Flag("plain", "under way", "The run goes on.")
    tone, word = STATUS.get(run.status, ("warning", run.status))
    said = "The run did not come to its end." if word == "unfinished" else f"The run {word}."
    return Flag(tone, word, text(run.results, "reason") or said)


def flags(run: Run) -> list[Flag]:
    """What a reader must know before believing the figures; empty if there is nothing."""
    found = []
    checked = at(run.results, "verification")
    if at(checked, "no_gain") is True:
        words = units.first_upper(no_gain_words(checked, run.case))
        found.append(Flag("warning", "no gain shown", f"{words}."))
    kept, words = _constraints(run)
    if not kept:
        found.append(Flag("warning", "constraint broken", f"{units.first_upper(words)}."))
    if at(checked, "overfitting") is True:
        words = (
            f"The gain on the held-out {run.case}s is less than 80 % of the gain on the evaluation "
            f"{run.case}s ({units.percent(gain(run, 'held_out'))} against "
            f"{units.percent(gain(run, 'evaluation'))})."
        )
        found.append(Flag("warning", "overfitting", words))
    if at(checked, "deterministic") is False:
        words = f"The final {run.noun} scored differently when repeated."
        found.append(Flag("warning", "not deterministic", words))
    if at(checked, "isolation", "outcome") == "failed":
        words = units.first_upper(text(checked, "isolation", "evidence") or "it is not the same")
        found.append(Flag("bad", "not the same in isolation", f"{words}."))
    if at(run.results, "integrity", "ok") is False:
        words = "An integrity check failed: the figures cannot be trusted."
        found.append(Flag("bad", "integrity", words))
    return found


def no_gain_words(checked: Mapping[str, Any], case: str) -> str:
    """Why no gain is shown; runs of earlier versions compared unpaired intervals."""
    for measure, equal in (("ratio", 1), ("difference", 0)):
        if checked.get(f"{measure}_held_out") is not None:
            alone = checked.get(f"{measure}_interval") is None
            what = f"{measure} itself" if alone else f"{measure}'s interval"
            return f"on held-out {case}s the {what} reaches {equal}"
    return f"the intervals of both means on held-out {case}s overlap"


def worse_words(checked: Any, label: str, case: str) -> str:
    """The figures that are worse than the yardstick's beyond noise, in a clause; "": none is."""
    named = [
        text(entry, "words") or (text(entry, "figure") or "").replace("_", " ")
        for entry in items(checked, "worse")
        if at(entry, "clear") is True
    ]
    words = ", ".join(name for name in named if name)
    return f"worse than {label}'s beyond noise, {case} by {case}: {words}" if words else ""


def constraint_words(seen: Score, unseen: Score, shown: Presentation) -> tuple[bool, str]:
    """Whether the final candidate keeps the constraints, and that in a clause; "": there are none.

    Args:
        seen: on the evaluation cases.
        unseen: on the held-out cases.
    """
    words, case = [], shown.case
    if seen.broken:
        words.append(
            f"NO {shown.noun.upper()} KEEPS THE CONSTRAINTS on the evaluation {case}s; this one "
            f"breaks them least: {'; '.join(seen.broken)}"
        )
    if unseen.broken:
        words.append(f"CONSTRAINT BROKEN on held-out {case}s: {'; '.join(unseen.broken)}")
    elif unseen.constraints:
        words.append(f"on held-out {case}s {'; '.join(unseen.constraints)}")
    elif seen.constraints and not seen.broken:
        words.append(f"on the evaluation {case}s {'; '.join(seen.constraints)}")
    return not (seen.broken or unseen.broken), "; ".join(words)


def no_interval_words(cases: float | None, case: str) -> str:
    """Why there is no interval."""
    if cases == 1:
        return f"one held-out {case} only: there is no interval"
    return "no interval is defined"


def gain(run: Run, group: str) -> float | None:
    """How much better than the yardstick on ``evaluation`` or ``held_out`` cases, as a share."""
    stated = number(run.results, "verification", f"gain_{group}")
    if stated is not None:
        return stated
    final, yardstick = run.mean("final", group), run.mean(run.yardstick, group)
    if final is None or yardstick is None:
        return None
    return run.objective.gain(final, yardstick)


def ratio_to_yardstick(run: Run, group: str, name: str = "final") -> float | None:
    """The mean relative to the yardstick's on the same cases; None if either is missing."""
    mean, yardstick = run.mean(name, group), run.mean(run.yardstick, group)
    return None if mean is None or not yardstick else mean / yardstick


def paired_ratio(run: Run) -> tuple[float, str] | None:
    """Final over yardstick on held-out cases, in pairs, and its interval; old runs: None."""
    checked = at(run.results, "verification")
    ratio = number(checked, "ratio_held_out")
    if ratio is None:
        return None
    if (bounds := interval(checked, "ratio_interval")) is not None:
        return ratio, f"90 % interval {units.ratio(bounds[0])} to {units.ratio(bounds[1])}"
    return ratio, no_interval_words(number(checked, "ratio_seeds"), run.case)


def worse(run: Run) -> list[Flag]:
    """The figures that are higher than the yardstick's on the held-out cases.

    They are no flags: what is said of the objective holds all the same.
    """
    found = []
    for entry in items(run.results, "verification", "worse"):
        if (line := text(entry, "line")) is not None:
            name = (text(entry, "figure") or "figure").replace("_", " ")
            tone: Tone = "warning" if at(entry, "clear") is True else "plain"
            found.append(Flag(tone, f"{name} worse", line))
    return found


def headline(run: Run) -> str:
    """What the run found, in a sentence; others follow if it has a price, or constraints."""
    further = (
        worse_words(at(run.results, "verification"), run.label(run.yardstick), run.case),
        _constraints(run)[1],
    )
    return " ".join([_found(run), *(f"{units.first_upper(words)}." for words in further if words)])


def _constraints(run: Run) -> tuple[bool, str]:
    seen, unseen = run.score("final", "evaluation"), run.score("final", "held_out")
    return constraint_words(seen, unseen, run.presentation)


def _found(run: Run) -> str:
    label, case = run.label(run.yardstick), run.case
    held_out, evaluated = gain(run, "held_out"), gain(run, "evaluation")
    measured = held_out if held_out is not None else evaluated
    final = run.mean("final", "held_out")
    if final is not None and run.mean(run.yardstick, "held_out") == 0:
        return (
            f"On {case}s it had never seen the discovered {run.noun}'s {run.objective.words} is "
            f"{run.objective.shown(final)}, and {label}'s is 0."
        )
    if measured is None:
        unverified = f"No {run.noun} was verified against {label} in this run"
        if run.leader is None:
            return "Nothing is found yet." if run.under_way else f"{unverified}."
        best = _leader(run, run.leader)
        return f"So far {best}." if run.under_way else f"{unverified}; {best}."
    if (paired := paired_ratio(run)) is not None:
        ratio, spread = paired
        evaluation = ""
        if evaluated is not None:
            evaluation = f"; {_change(run, evaluated)} on the evaluation {case}s"
        return (
            f"On {case}s it had never seen the discovered {run.noun}'s {run.objective.words} is "
            f"{units.ratio(ratio)} of {label}'s {case} by {case} ({spread}), "
            f"{_change(run, measured)} over all {case}s{evaluation}."
        )
    verb = {"lower": "lowers", "higher": "raises"}[run.objective.change(measured)]
    where = f"{case}s it had never seen" if held_out is not None else f"the evaluation {case}s"
    sentence = (
        f"The discovered {run.noun} {verb} the {run.objective.words} by {abs(measured):.0%} "
        f"against {label} on {where}"
    )
    if held_out is not None and evaluated is not None:
        return f"{sentence} ({_change(run, evaluated)} on the evaluation {case}s)."
    return f"{sentence}."


def _leader(run: Run, best: Entry) -> str:
    ratio = "" if best.score.ratio is None else f", {units.ratio(best.score.ratio)} of"
    against = f"{ratio} {run.label(run.yardstick)}'s" if ratio else ""
    return (
        f"the best {run.noun}'s {run.objective.words} is "
        f"{units.measure(best.score.value, run.objective.unit)}{against} on the evaluation "
        f"{run.case}s (evaluation {best.number})"
        + "".join(f"; {words}" for words in best.score.broken)
    )


def _change(run: Run, gained: float) -> str:
    return f"{abs(gained):.0%} {run.objective.change(gained)}"
