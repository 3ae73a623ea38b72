"""The Researcher's account: the best candidate, what was tried, and what mattered.

Every figure in it was measured in this run; nothing is known beforehand.
"""

from dataclasses import dataclass, field
from statistics import mean, median
from typing import Any

from openglia.discovery.offline.search import Search, Trial
from openglia.problems.space import OfflineTask, Result, Settings, described, spelled

_SHOWN = 8  # candidates in a table


@dataclass
class Notebook:
    """What was measured, in order."""

    start: Result | None = None  # the starting point, on the full benchmark
    pages: list[tuple[Trial, Result]] = field(default_factory=list)
    rounds: int = 1

    def note(self, trial: Trial, result: Result) -> None:
        """Keep one measurement."""
        self.pages.append((trial, result))

    def full(self, point: Any) -> Result | None:
        """The clean measurement of a candidate on the full benchmark."""
        for trial, result in self.pages:
            if trial.full and trial.point == point and result["status"] == "ok":
                return result
        return None


def account(notebook: Notebook, task: OfflineTask, search: Search, over: str | None) -> str:
    """The account as Markdown. ``over``: why evaluations ended early, if they did."""
    return _Account(notebook, task, search, over).text()


@dataclass(frozen=True)
class _Account:
    notebook: Notebook
    task: OfflineTask
    search: Search
    over: str | None

    def text(self) -> str:
        best = self.search.best
        if best is None:
            parts = ["No candidate was measured on the full benchmark, so there is no result."]
        else:
            parts = [self.task.space.explain(best[1]), self._evidence()]
            parts += [self._ablations(*best), self._choices()]
        parts += [self._failures(), self._method()]
        return "\n\n".join(part for part in parts if part)

    def _named(self, point: Any) -> str:
        return described(self.task.space.settings(point))

    def _evidence(self) -> str:
        task, start = self.task, self.notebook.start
        titles = ["candidate", "mean", "interval", f"ratio to {task.yardstick}", *task.columns]
        rows = []
        if start is not None and start["status"] == "ok":
            rows.append(self._row("the starting point (stub)", start))
        for rank, (_, point) in enumerate(self.search.ranking(full=True)[:_SHOWN]):
            result = self.notebook.full(point)
            if result is not None:
                name = self._named(point)
                rows.append(self._row(f"**{name}**" if rank == 0 else name, result))
        return _section(
            "Evidence",
            f"On all evaluation seeds, {task.measure} with its 90 % interval:",
            titles,
            rows,
        )

    def _row(self, name: str, result: Result) -> list[str]:
        interval, ratio = result.get("interval"), result.get(self.task.ratio)
        return [
            name,
            f"{result[self.task.objective]:.2f}",
            f"{interval[0]:.2f} to {interval[1]:.2f}" if interval else "n/a",
            "n/a" if ratio is None else f"{ratio:.3f}",
            *(spell(result) for spell in self.task.columns.values()),
        ]

    def _ablations(self, score: float, best: Any) -> str:
        """What each part contributes: candidates that differ from the best in one setting."""
        unit, settings = self.task.unit, self.task.space.settings
        changes = [
            (other_score, change)
            for other_score, point in self.search.ranking(full=True)
            if (change := _single_change(settings(best), settings(point)))
        ]
        rows = [
            [change, f"{other:.2f}", f"{100 * (other / score - 1):+.1f} %"]
            for other, change in sorted(changes, reverse=True)
        ]
        return _section(
            "What each part contributes",
            f"One part of the best candidate ({score:.2f} {unit}) changed, on all evaluation "
            "seeds. A change that brings numbers of its own into use got these at random, so it "
            "is not shown at its best:",
            ["change", f"mean, {unit}", "difference"],
            rows,
        )

    def _choices(self) -> str:
        """The screening's scores by value of each choice, over candidates drawn at random."""
        drawn = [
            (self.task.space.settings(m.trial.point), m.score)
            for m in self.search.measurements
            if m.trial.phase == "explore" and m.score is not None
        ]
        rows = []
        for choice, options in self.task.space.choices.items():
            for option in options:
                scores = [score for settings, score in drawn if settings.get(choice) == option]
                if scores:
                    numbers = [f"{len(scores)}", f"{min(scores):.2f}", f"{median(scores):.2f}"]
                    rows.append([f"{choice}: {option}", *numbers])
        return _section(
            "What mattered over the whole family",
            f"{len(drawn)} candidates drawn at random, on few seeds; {self.task.measure}:",
            ["choice", "candidates", "best", "median"],
            rows,
        )

    def _failures(self) -> str:
        start, pages = self.notebook.start, self.notebook.pages
        lines = []
        if start is not None and start["status"] == "ok":
            scores = [r[self.task.objective] for t, r in pages if r["status"] == "ok" and t.full]
            worse = [score for score in scores if score > start[self.task.objective]]
            if worse:
                lines.append(
                    f"- {len(worse)} candidates measured on all seeds were worse than the starting "
                    f"point, {mean(worse):.2f} {self.task.unit} on average."
                )
        failed = [(t, r) for t, r in pages if r["status"] != "ok"]
        for trial, result in failed[:_SHOWN]:
            lines.append(f"- Failed ({result.get('reason')}): {self._named(trial.point)}.")
        if len(failed) > _SHOWN:
            lines.append(f"- {len(failed) - _SHOWN} further evaluations failed.")
        return "\n".join(["## What did not work", "", *lines]) if lines else ""

    def _method(self) -> str:
        pages = self.notebook.pages
        full = sum(trial.full for trial, _ in pages)
        distinct = len({trial.point for trial, _ in pages})
        ended = f" The search ended early: {self.over}." if self.over else ""
        return (
            "## How it was found, and what remains uncertain\n\n"
            f"By search, without a language model: {distinct} candidates of a parametric family in "
            f"{len(pages)} evaluations, {full} of them on all evaluation seeds, in "
            f"{self.notebook.rounds} round(s), with seed {self.search.seed}. Random draws and "
            "local moves were screened on few seeds; the best went on to all of them, and only "
            f"these decide.{ended}\n\n"
            "The best of many is a little lucky: its figure is biased downwards on the seeds it "
            "was chosen with, so the held-out seeds are what to believe. The search knows only its "
            f"family; a policy outside it may be better. {self.task.space.caveat}"
        )


def _section(title: str, opening: str, titles: list[str], rows: list[list[str]]) -> str:
    if not rows:
        return ""
    table = [titles, ["---"] * len(titles), *rows]
    lines = [f"| {' | '.join(row)} |" for row in table]
    return "\n".join([f"## {title}", "", opening, "", *lines])


def _single_change(best: Settings, other: Settings) -> str | None:
    """What differs, if one thing does among the settings that both have."""
    changed = [name for name in best if name in other and best[name] != other[name]]
    if len(changed) != 1:
        return None
    name = changed[0]
    return f"{name}: {spelled(other[name])} instead of {spelled(best[name])}"
