"""The Researcher's account: the best candidate, what was tried, and what mattered.

Every figure in it was measured in this run; nothing is known beforehand.
"""

from dataclasses import dataclass, field
from statistics import mean, median
from typing import Any

from openglia.discovery.offline.search import Search, Trial
from openglia.presenting.score import Case, Line
from openglia.problems.space import OfflineTask, Settings, described, spelled

_SHOWN = 8  # candidates in a table


@dataclass
class Notebook:
    """What was measured, in order."""

    start: Line | None = None  # the starting point, on the full benchmark
    pages: list[tuple[Trial, Line]] = field(default_factory=list)
    rounds: int = 1

    def note(self, trial: Trial, result: Line) -> None:
        """Keep one measurement."""
        self.pages.append((trial, result))

    def full(self, point: Any) -> Line | None:
        """The clean measurement of a candidate on the full benchmark."""
        for trial, result in self.pages:
            clean = result["status"] == "ok" and "stopped" not in result
            if trial.full and trial.point == point and clean:
                return result
        return None

    def by_case(self, task: OfflineTask, point: Any) -> dict[Case, float]:
        """The objective of a candidate on each case; empty if it was not measured on all."""
        line = self.full(point)
        return {} if line is None else task.presentation.score(line).by_case

    def stopped(self) -> list[tuple[Any, Line]]:
        """The candidates whose measurement on all cases was given up, with what was measured."""
        return [(trial.point, line) for trial, line in self.pages if "stopped" in line]


def account(notebook: Notebook, task: OfflineTask, search: Search, over: str | None) -> str:
    """The account as Markdown. ``over``: why evaluations ended early, if they did."""
    return Account(notebook, task, search, over).text()


@dataclass(frozen=True)
class Account:
    """What is told of a search, in sections of Markdown; a section without content is empty."""

    notebook: Notebook
    task: OfflineTask
    search: Search
    over: str | None

    def text(self) -> str:
        """All of it."""
        best = self.search.best
        if best is None:
            parts = ["No candidate was measured on the full benchmark, so there is no result."]
        else:
            parts = [self.task.space.explain(best[1]), self._evidence(), self._held(best[1])]
            parts += [self.ablations(), self.choices()]
        parts += [self._failures(), self._method()]
        return "\n\n".join(part for part in parts if part)

    def _named(self, point: Any) -> str:
        return described(self.task.space.settings(point))

    def _evidence(self) -> str:
        task, start = self.task, self.notebook.start
        shown = task.presentation
        titles = ["candidate", "mean", "interval", f"ratio to {shown.yardstick_label}"]
        titles += task.columns
        titles += ["constraints"] if self._constrained else []
        rows = []
        if start is not None and start["status"] == "ok":
            rows.append(self._row("the starting point", start))
        for rank, (_, point) in enumerate(self.search.ranking(full=True)[:_SHOWN]):
            result = self.notebook.full(point)
            if result is not None:
                name = self._named(point)
                rows.append(self._row(f"**{name}**" if rank == 0 else name, result))
        return _section(
            "Evidence",
            f"On all evaluation {shown.case}s, {shown.objective.titled} with its 90 % interval:",
            titles,
            rows,
        )

    @property
    def _constrained(self) -> bool:
        scores = (self.task.presentation.score(line) for _, line in self.notebook.pages)
        return any(score.constraints for score in scores)

    def _row(self, name: str, result: Line) -> list[str]:
        score, figure = self.task.presentation.score(result), self._figure
        interval = score.interval
        return [
            name,
            "n/a" if score.value is None else figure(score.value),
            f"{figure(interval[0])} to {figure(interval[1])}" if interval else "n/a",
            "n/a" if score.ratio is None else f"{score.ratio:.3f}",
            *(spell(result) for spell in self.task.columns.values()),
            *([score.held] if self._constrained else []),
        ]

    def _value(self, cost: float) -> float:
        """The objective, of what the search lowers."""
        return self.task.presentation.objective.cost(cost)

    def _figure(self, value: float) -> str:
        return self.task.presentation.objective.figure(value)

    def _held(self, best: Any) -> str:
        """The constraints, for the best candidate."""
        line = self.notebook.full(best)
        held = [] if line is None else self.task.presentation.score(line).constraints
        lines = ["## The constraints", "", *(f"- {words}" for words in held)]
        return "\n".join(lines) if held else ""

    def ablations(self) -> str:
        """What each part contributes: candidates that differ from the best in one setting."""
        if self.search.best is None:
            return ""
        rank, best = self.search.best
        shown, settings = self.task.presentation, self.task.space.settings
        value = self._value(rank.cost)
        changes = [
            (other, change)
            for other, point in self.search.ranking(full=True)
            if (change := _single_change(settings(best), settings(point)))
        ]
        rows = self._given_up(best) + [
            [
                change + (" (breaks a constraint)" if other.violation > 0 else ""),
                self._figure(self._value(other.cost)),
                f"{100 * (self._value(other.cost) / value - 1):+.1f} %" if value else "n/a",
            ]
            for other, change in sorted(changes, reverse=True)
        ]
        return _section(
            "What each part contributes",
            f"One part of the best candidate ({shown.objective.shown(value)}) changed, on all "
            f"evaluation {shown.case}s or, where that was clear, on a few of them. A change that "
            "brings numbers of its own into use got these at random, so it is not shown at its "
            "best:",
            ["change", ", ".join(filter(None, ("mean", shown.objective.unit))), "difference"],
            rows,
        )

    def _given_up(self, best: Any) -> list[list[str]]:
        """Rows of changes that were so much worse that few cases were enough, the worst first."""
        settings, shown = self.task.space.settings, self.task.presentation
        objective, before = shown.objective, self.notebook.by_case(self.task, best)
        rows = []
        for point, line in self.notebook.stopped():
            score = shown.score(line)
            mine = [before[case] for case in score.cases if case in before]
            change = _single_change(settings(best), settings(point))
            if change is None or score.value is None or not mine or not mean(mine):
                continue
            row = [
                change,
                f"{self._figure(score.value)} (on {len(score.cases)} {shown.case}s)",
                f"{100 * (score.value / mean(mine) - 1):+.1f} %",
            ]
            rows.append((objective.cost(score.value / mean(mine)), row))
        return [row for _, row in sorted(rows, reverse=True)]

    def choices(self) -> str:
        """The screening's scores by value of each choice, over candidates drawn at random."""
        case = self.task.presentation.case
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
                    costs = [score.cost for score in scores if score.violation == 0]
                    middle = median(score.cost for score in scores)
                    best = self._figure(self._value(min(costs))) if costs else "n/a"
                    numbers = [f"{len(scores)}", best, self._figure(self._value(middle))]
                    rows.append([f"{choice}: {option}", *numbers])
        kept = " that keeps the constraints" if self._constrained else ""
        return _section(
            "What mattered over the whole family",
            f"{len(drawn)} candidates drawn at random, on few {case}s; "
            f"{self.task.presentation.objective.titled}:",
            ["choice", "candidates", f"best{kept}", "median"],
            rows,
        )

    def _failures(self) -> str:
        start, pages, shown = self.notebook.start, self.notebook.pages, self.task.presentation
        lines = []
        before = None if start is None else self.task.rank(start)
        if before is not None:
            ranks = [
                self.task.rank(line)
                for trial, line in pages
                if trial.full and "stopped" not in line
            ]
            worse = [rank.cost for rank in ranks if rank is not None and rank > before]
            if worse:
                average = shown.objective.shown(self._value(mean(worse)))
                lines.append(
                    f"- {len(worse)} candidates measured on all {shown.case}s were worse than the "
                    f"starting point, {average} on average."
                )
        failed = [(t, r) for t, r in pages if r["status"] != "ok"]
        for trial, result in failed[:_SHOWN]:
            lines.append(f"- Failed ({result.get('reason')}): {self._named(trial.point)}.")
        if len(failed) > _SHOWN:
            lines.append(f"- {len(failed) - _SHOWN} further evaluations failed.")
        return "\n".join(["## What did not work", "", *lines]) if lines else ""

    def _method(self) -> str:
        pages, case = self.notebook.pages, self.task.presentation.case
        lucky = "down" if self.task.presentation.objective.lower_is_better else "up"
        full = sum(trial.full and "stopped" not in line for trial, line in pages)
        distinct = len({trial.point for trial, _ in pages})
        few = any(not trial.full for trial, _ in pages)
        measured = (
            f"were screened on few {case}s; the best went on to all of them, and only these decide"
            if few
            else f"were measured on all evaluation {case}s"
        )
        ended = f" The search ended early: {self.over}." if self.over else ""
        return (
            "## How it was found, and what remains uncertain\n\n"
            f"By search, without a language model: {distinct} candidates of a parametric family in "
            f"{len(pages)} evaluations, {full} of them on all evaluation {case}s, in "
            f"{self.notebook.rounds} round(s), with seed {self.search.seed}. {self.search.method} "
            f"{measured}.{ended}\n\n"
            f"The best of many is a little lucky: its figure is biased {lucky}wards on the {case}s "
            f"it was chosen with, so the held-out {case}s are what to believe. The search knows "
            "only its "
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
