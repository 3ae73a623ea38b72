"""The Researcher's account: what was tried, what mattered, and the router in words.

Every figure in it was measured in this run; nothing is known beforehand.
"""

from dataclasses import dataclass, field
from statistics import mean, median
from typing import Any

from openglia.discovery.offline import policy
from openglia.discovery.offline.policy import MEANING, Choice, Parameters, describe, in_use
from openglia.discovery.offline.search import Search, Trial

Result = dict[str, Any]  # a JSON line of the benchmark

_SHOWN = 8  # routers in a table


@dataclass
class Notebook:
    """What was measured, in order."""

    start: Result | None = None  # the starting point, on the full benchmark
    pages: list[tuple[Trial, Result]] = field(default_factory=list)
    rounds: int = 1

    def note(self, trial: Trial, result: Result) -> None:
        """Keep one measurement."""
        self.pages.append((trial, result))

    def full(self, parameters: Parameters) -> Result | None:
        """The clean measurement of a router on the full benchmark."""
        for trial, result in self.pages:
            if trial.full and trial.parameters == parameters and result["status"] == "ok":
                return result
        return None


def account(notebook: Notebook, search: Search, over: str | None) -> str:
    """The account as Markdown. ``over``: why evaluations ended early, if they did."""
    best = search.best
    parts = []
    if best is None:
        parts.append("No router was measured on the full benchmark, so there is no result.")
    else:
        parts += [_idea(best[1]), _policy(best[1]), _evidence(notebook, search)]
        parts += [_ablations(notebook, search, best), _choices(search)]
    parts += [_failures(notebook), _method(notebook, search, over)]
    return "\n\n".join(part for part in parts if part)


def _idea(best: Parameters) -> str:
    held = (
        "Nobody is held back: every request is placed when it arrives."
        if best.admission == "none"
        else "What no replica admits is held back in the global queue and offered again at the "
        "next arrival or completion, when more is known and memory has been freed."
    )
    return (
        f"## The router\n\nOrder: {MEANING['order', best.order]}. "
        f"Admission: {MEANING['admission', best.admission]}. "
        f"Among the replicas that admit a request: {MEANING['load', best.load]}. {held}"
    )


def _policy(best: Parameters) -> str:
    lines = ["Step by step, at every arrival and completion:", ""]
    steps = [f"Sort the queue: {MEANING['order', best.order]}."]
    if best.learns:
        steps.insert(0, "Learn output lengths from what has completed on each replica.")
    if best.projects:
        steps.insert(
            1,
            "Project each replica's memory: a request that has produced *a* tokens still runs *h* "
            "tokens later with the probability that the completed and running requests seen so "
            "far suggest (Kaplan-Meier); if so it holds its tokens so far plus *h*. Their sum has "
            f"a mean and a variance, for *h* up to {best.horizon}.",
        )
    if best.admission == "projected":
        steps.append(
            f"Admit while the highest projected mean plus {best.caution:g} standard deviations "
            f"leaves {best.margin:g} of the blocks free."
        )
    elif best.admission != "none":
        steps.append(f"Admit while {MEANING['admission', best.admission]}.")
    steps.append(f"Place on the replica with the {_lowest(best.load)}.")
    lines += [f"{number}. {step}" for number, step in enumerate(steps, start=1)]
    return "\n".join(lines) + f"\n\nConstants, found by the search: {describe(best)}."


def _lowest(load: str) -> str:
    return MEANING["load", load].replace("fewest", "least:").replace("lowest", "least:")


def _evidence(notebook: Notebook, search: Search) -> str:
    lines = [
        "## Evidence",
        "",
        "On all evaluation seeds, mean response time in seconds with its 90 % interval:",
        "",
        "| router | mean | interval | ratio to LLQ | restarted | time in queue |",
        "|---|---|---|---|---|---|",
    ]
    if notebook.start is not None and notebook.start["status"] == "ok":
        lines.append(_row("the starting point (stub)", notebook.start))
    for rank, (_, parameters) in enumerate(search.ranking(full=True)[:_SHOWN]):
        result = notebook.full(parameters)
        if result is not None:
            name = describe(parameters)
            lines.append(_row(f"**{name}**" if rank == 0 else name, result))
    return "\n".join(lines)


def _row(name: str, result: Result) -> str:
    interval = result.get("interval")
    span = f"{interval[0]:.2f} to {interval[1]:.2f}" if interval else "n/a"
    ratio = result.get("ratio_to_llq")
    return (
        f"| {name} | {result['mean_response_time']:.2f} | {span} | "
        f"{'n/a' if ratio is None else f'{ratio:.3f}'} | "
        f"{_share(result.get('restarted_share'))} | {_seconds(result.get('queue_time_mean'))} |"
    )


def _share(value: float | None) -> str:
    return "n/a" if value is None else f"{100 * value:.1f} %"


def _seconds(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.2f} s"


def _ablations(notebook: Notebook, search: Search, best: tuple[float, Parameters]) -> str:
    """What each part contributes: routers that differ from the best in one dimension."""
    rows = []
    for score, parameters in search.ranking(full=True):
        change = _single_change(best[1], parameters)
        if change is not None and notebook.full(parameters) is not None:
            rows.append((score, change))
    if not rows:
        return ""
    table = [
        f"| {change} | {score:.2f} | {100 * (score / best[0] - 1):+.1f} % |"
        for score, change in sorted(rows, reverse=True)
    ]
    return "\n".join(
        [
            "## What each part contributes",
            "",
            f"One part of the best router ({best[0]:.2f} s) changed, on all evaluation seeds. A "
            "change that brings numbers of its own into use got these at random, so it is not "
            "shown at its best:",
            "",
            "| change | mean, s | difference |",
            "|---|---|---|",
            *table,
        ]
    )


def _single_change(best: Parameters, other: Parameters) -> str | None:
    shared = {d.name for d in in_use(best)} & {d.name for d in in_use(other)}
    changed = [n for n in sorted(shared) if getattr(best, n) != getattr(other, n)]
    if len(changed) != 1:
        return None
    name = changed[0]
    before, after = getattr(best, name), getattr(other, name)
    return f"{name}: {after} instead of {before}" if isinstance(after, str) else (
        f"{name}: {after:g} instead of {before:g}"
    )  # fmt: skip


def _choices(search: Search) -> str:
    """The screening's scores by value of each choice, over routers drawn without regard to it."""
    drawn = [
        (m.trial.parameters, m.score)
        for m in search.measurements
        if m.trial.phase == "explore" and m.score is not None
    ]
    if not drawn:
        return ""
    lines = [
        "## What mattered over the whole family",
        "",
        f"{len(drawn)} routers drawn at random, on few seeds; mean response time in seconds:",
        "",
        "| choice | routers | best | median |",
        "|---|---|---|---|",
    ]
    for dimension in policy.CHOICES:
        assert isinstance(dimension, Choice)
        for option in dimension.options:
            scores = [s for p, s in drawn if getattr(p, dimension.name) == option]
            if scores:
                lines.append(
                    f"| {dimension.name}: {option} | {len(scores)} | {min(scores):.2f} | "
                    f"{median(scores):.2f} |"
                )
    return "\n".join(lines)


def _failures(notebook: Notebook) -> str:
    failed = [(t, r) for t, r in notebook.pages if r["status"] != "ok"]
    worse = []
    if notebook.start is not None and notebook.start["status"] == "ok":
        start = notebook.start["mean_response_time"]
        worse = [
            r["mean_response_time"]
            for t, r in notebook.pages
            if r["status"] == "ok" and t.full and r["mean_response_time"] > start
        ]
    lines = ["## What did not work", ""]
    if worse:
        lines.append(
            f"- {len(worse)} routers measured on all seeds were worse than the starting point, "
            f"{mean(worse):.2f} s on average."
        )
    for trial, result in failed[:_SHOWN]:
        lines.append(f"- Failed ({result.get('reason')}): {describe(trial.parameters)}.")
    if len(failed) > _SHOWN:
        lines.append(f"- {len(failed) - _SHOWN} further evaluations failed.")
    return "\n".join(lines) if len(lines) > 2 else ""


def _method(notebook: Notebook, search: Search, over: str | None) -> str:
    full = sum(1 for trial, _ in notebook.pages if trial.full)
    distinct = len({trial.parameters for trial, _ in notebook.pages})
    ended = f" The search ended early: {over}." if over else ""
    return (
        "## How it was found, and what remains uncertain\n\n"
        f"By search, without a language model: {distinct} routers of a parametric family in "
        f"{len(notebook.pages)} evaluations, {full} of them on all evaluation seeds, in "
        f"{notebook.rounds} round(s), with seed {search.seed}. Random draws and local moves were "
        "screened on few seeds; the best went on to all of them, and only these decide." + ended
        + "\n\nThe best of many is a little lucky: its figure is biased downwards on the seeds it "
        "was chosen with, so the held-out seeds are what to believe. The search knows only its "
        "family; a policy outside it may be better. The router assumes that future output lengths "
        "resemble past ones where it learns from them."
    )  # fmt: skip
