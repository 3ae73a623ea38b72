"""What a run shows, in one sentence and a few flags, from its verification."""

from dataclasses import dataclass
from typing import Literal

from openglia.report import units
from openglia.report.data import Run, at, interval, number, text
from openglia.runs import judgement

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
    tone, word = STATUS.get(run.status, ("warning", run.status))
    return Flag(tone, word, text(run.results, "reason") or f"The run {word}.")


def flags(run: Run) -> list[Flag]:
    """What a reader must know before believing the figures; empty if there is nothing."""
    found = []
    if at(run.results, "verification", "no_gain") is True:
        words = judgement.no_gain_words(at(run.results, "verification"))
        found.append(
            Flag(
                "warning",
                "no gain shown",
                f"{words[0].upper()}{words[1:]}.",
            )
        )
    if at(run.results, "verification", "overfitting") is True:
        found.append(
            Flag(
                "warning",
                "overfitting",
                "The gain on the held-out seeds is less than 80 % of the gain on the evaluation "
                f"seeds ({units.percent(gain(run, 'held_out'))} against "
                f"{units.percent(gain(run, 'evaluation'))}).",
            )
        )
    if at(run.results, "verification", "deterministic") is False:
        found.append(
            Flag(
                "warning", "not deterministic", "The final router scored differently when repeated."
            )
        )
    if at(run.results, "integrity", "ok") is False:
        found.append(
            Flag("bad", "integrity", "An integrity check failed: the figures cannot be trusted.")
        )
    return found


def gain(run: Run, group: str) -> float | None:
    """1 - mean(final) / mean(LLQ) on ``evaluation`` or ``held_out`` seeds."""
    stated = number(run.results, "verification", f"gain_{group}")
    if stated is not None:
        return stated
    ratio = ratio_to_llq(run, group)
    return None if ratio is None else 1 - ratio


def ratio_to_llq(run: Run, group: str, router: str = "final") -> float | None:
    """Mean response time relative to LLQ's on the same seeds; None if either is missing."""
    routers = run.routers()
    mean = number(routers.get(router), group, "mean_response_time")
    llq = number(routers.get("llq"), group, "mean_response_time")
    return None if mean is None or not llq else mean / llq


def paired_ratio(run: Run) -> tuple[float, str] | None:
    """Final over LLQ on held-out seeds, seed by seed, and its interval; None in older runs."""
    ratio = number(run.results, "verification", "ratio_held_out")
    if ratio is None:
        return None
    bounds = interval(run.results, "verification", "ratio_interval")
    if bounds is not None:
        return ratio, f"90 % interval {units.ratio(bounds[0])} to {units.ratio(bounds[1])}"
    return ratio, judgement.no_interval_words(number(run.results, "verification", "ratio_seeds"))


def worse(run: Run) -> list[Flag]:
    """The figures that are higher than LLQ's on the held-out seeds.

    They are no flags: what is said of the mean response time holds all the same.
    """
    entries = at(run.results, "verification", "worse")
    found = []
    for entry in entries if isinstance(entries, list) else []:
        if (line := text(entry, "line")) is not None:
            clear = at(entry, "clear") is True
            name = (text(entry, "figure") or "figure").replace("_", " ")
            found.append(Flag("warning" if clear else "plain", f"{name} worse", line))
    return found


def headline(run: Run) -> str:
    """One sentence: what the run found."""
    held_out, evaluated = gain(run, "held_out"), gain(run, "evaluation")
    if held_out is None and evaluated is None:
        return "No router was verified against LLQ in this run."
    measured = held_out if held_out is not None else evaluated
    assert measured is not None
    where = "requests it had never seen" if held_out is not None else "the evaluation seeds"
    verb = "lowers" if measured >= 0 else "raises"
    if (paired := paired_ratio(run)) is not None:
        ratio, spread = paired
        evaluation = "" if evaluated is None else f"; {_change(evaluated)} on the evaluation seeds"
        return (
            f"On requests it had never seen the discovered router's mean response time is "
            f"{units.ratio(ratio)} of LLQ's seed by seed ({spread}), {_change(measured)} over all "
            f"seeds{evaluation}."
        )
    sentence = (
        f"The discovered router {verb} the mean response time by {abs(measured):.0%} against LLQ "
        f"on {where}"
    )
    if held_out is not None and evaluated is not None:
        return f"{sentence} ({_change(evaluated)} on the evaluation seeds)."
    return f"{sentence}."


def _change(gained: float) -> str:
    return f"{abs(gained):.0%} {'lower' if gained >= 0 else 'higher'}"
