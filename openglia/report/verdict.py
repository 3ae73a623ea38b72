"""What a run shows, in one sentence and a few flags, from its verification."""

from dataclasses import dataclass
from typing import Literal

from openglia.report import units
from openglia.report.data import Run, at, number, text

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
        found.append(
            Flag(
                "warning",
                "no gain shown",
                "On the held-out seeds the paired ratio to LLQ is not clearly below 1.",
            )
        )
    for figure in at(run.results, "verification", "worse") or ():
        if at(figure, "clear") is True:
            name = str(at(figure, "figure")).replace("_", " ")
            ratio = number(figure, "ratio")
            found.append(
                Flag(
                    "warning",
                    f"worse {name}",
                    f"{name} is {ratio:.3f} times LLQ's, paired by seed.",
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


def headline(run: Run) -> str:
    """One sentence: what the run found."""
    held_out, evaluated = gain(run, "held_out"), gain(run, "evaluation")
    if held_out is None and evaluated is None:
        return "No router was verified against LLQ in this run."
    measured = held_out if held_out is not None else evaluated
    assert measured is not None
    where = "requests it had never seen" if held_out is not None else "the evaluation seeds"
    verb = "lowers" if measured >= 0 else "raises"
    sentence = (
        f"The discovered router {verb} the mean response time by {abs(measured):.0%} against LLQ "
        f"on {where}"
    )
    if held_out is not None and evaluated is not None:
        direction = "lower" if evaluated >= 0 else "higher"
        return f"{sentence} ({abs(evaluated):.0%} {direction} on the evaluation seeds)."
    return f"{sentence}."
