"""What runs are compared by: settings that they share, their ratio on held-out cases, two plots.

Imports inside functions are late: matplotlib takes a second to load.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from openglia.presenting import researcher, units
from openglia.presenting.drawing import COLOURS, Absent, Plot, legend
from openglia.presenting.tolerant import interval, number, text
from openglia.report import verdict
from openglia.report.data import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_ROWS = 30  # of the plot of ratios, for each setting
_ABOVE = 1.5  # of the yardstick: where curves of a lowered objective are cut off


@dataclass(frozen=True)
class Ratio:
    """The final candidate to the yardstick, on held-out cases."""

    value: float
    interval: tuple[float, float] | None  # 90 %; None where only the means are known


@dataclass(frozen=True)
class Setting:
    """Runs that were scored on the same, so that their figures compare; never empty."""

    name: str
    runs: tuple[Run, ...]  # the newest first


def held_out(run: Run) -> Ratio | None:
    """The ratio in pairs where the run has it, else of the means; None if it was not verified."""
    checked = run.results.get("verification")
    paired = number(checked, "ratio_held_out")
    if paired is not None:
        return Ratio(paired, interval(checked, "ratio_interval"))
    means = verdict.ratio_to_yardstick(run, "held_out")
    return None if means is None else Ratio(means, None)


def settings(runs: Sequence[Run]) -> list[Setting]:
    """The runs by what they were scored on, in the order of the names."""
    ordered = sorted(sorted(runs, key=lambda run: run.name, reverse=True), key=_scored_on)
    groups = [(key, tuple(found)) for key, found in groupby(ordered, key=_scored_on)]
    names = [name for (name, _), _ in groups]
    return [
        Setting(name if names.count(name) == 1 else f"{name} ({digest[:8] or 'no hash'})", found)
        for (name, digest), found in groups
    ]


def best(setting: Setting) -> tuple[Run, float] | None:
    """The best held-out ratio among the setting's runs without flags."""
    found = [
        (run, ratio.value)
        for run in setting.runs
        if (ratio := held_out(run)) is not None and not verdict.flags(run)
    ]
    cost = setting.runs[0].objective.cost
    return min(found, key=lambda pair: cost(pair[1]), default=None)


def yardstick(runs: Sequence[Run]) -> str:
    """The yardstick that all runs share, by its label."""
    labels = {run.presentation.yardstick_label for run in runs}
    return labels.pop() if len(labels) == 1 else "the yardstick"


def ratios(found: Sequence[Setting]) -> Plot | Absent:
    """The held-out ratio of every run with its interval, a panel for each setting."""
    name, title = "ratios", "Ratios on held-out cases"
    panels = [
        (setting.name, rows[:MOST_ROWS])
        for setting in found
        if (rows := [(run, r) for run in setting.runs if (r := held_out(run)) is not None])
    ]
    if not panels:
        return Absent(name, title, "no run was verified on held-out cases")
    runs = [run for _, rows in panels for run, _ in rows]
    label = yardstick(runs)
    bounds = [
        bound for _, rows in panels for _, r in rows for bound in (r.value, *(r.interval or ()))
    ]
    low, high = min([*bounds, 1.0]), max([*bounds, 1.0])
    room = 0.06 * ((high - low) or 1.0)

    def draw(figure: "Figure", narrow: bool) -> None:
        drawn = figure.subplots(
            len(panels),
            1,
            sharex=True,
            squeeze=False,
            gridspec_kw={"height_ratios": [len(rows) + 1.2 for _, rows in panels]},
        ).flatten()
        for axes, (setting, rows) in zip(drawn, panels, strict=True):
            _forest(axes, rows, narrow)
            axes.set_xlim(low - room, high + room)
            axes.set_title(setting)
        drawn[-1].set_xlabel(f"final to {label}, held-out")
        shapes = [
            drawn[0].plot([], [], "o", color=COLOURS["final"])[0],
            drawn[0].plot([], [], "o", color=COLOURS["other"], markerfacecolor=COLOURS["paper"])[0],
            drawn[0].plot([], [], "--", color=COLOURS["yardstick"])[0],
        ]
        legend(figure, shapes, ["run", "run with a flag", label], columns=3)

    height = 1.4 + sum(0.55 + 0.26 * len(rows) for _, rows in panels)
    left_out = any(len(rows) == MOST_ROWS for _, rows in panels)
    return Plot(
        name,
        title,
        f"The final candidate's objective over that of {label}, with the 90 % interval over "
        f"held-out cases where a run recorded it; {_direction(runs)}."
        + (f" Of each setting at most the {MOST_ROWS} newest runs." if left_out else ""),
        "; ".join(_spoken(setting, rows) for setting, rows in panels),
        draw,
        (height, height + 0.1),
    )


def curves(found: Sequence[Setting]) -> Plot | Absent:
    """The best so far over evaluations, all runs of a setting in one panel."""
    name, title = "curves", "Best so far over evaluations"
    panels = [
        (setting.name, runs)
        for setting in found
        if (runs := [run for run in setting.runs if run.best_so_far()])
    ]
    if not panels:
        return Absent(name, title, "no run evaluated a candidate cleanly on all evaluation cases")
    columns = min(2, len(panels))
    lines = -(-len(panels) // columns)

    def draw(figure: "Figure", narrow: bool) -> None:
        shape = (len(panels), 1) if narrow else (lines, columns)
        drawn = figure.subplots(*shape, squeeze=False).flatten()
        for axes, (setting, runs) in zip(drawn, panels, strict=False):
            _overlaid(axes, runs, narrow)
            axes.set_title(setting)
        for axes in drawn[len(panels) :]:
            axes.set_visible(False)
        shapes = [
            drawn[0].plot([], [], color=COLOURS["final"], linewidth=2.4)[0],
            drawn[0].plot([], [], color=COLOURS["other"], linewidth=1.2)[0],
            drawn[0].plot([], [], "--", color=COLOURS["yardstick"])[0],
        ]
        label = yardstick([run for _, runs in panels for run in runs])
        legend(figure, shapes, ["best run", "other runs", label], columns=3)

    return Plot(
        name,
        title,
        "The best clean full evaluation up to each evaluation. Panels have scales of their own, "
        "for figures of different settings do not compare.",
        "; ".join(_best_spoken(setting, runs) for setting, runs in panels),
        draw,
        (0.6 + 3.1 * lines, 0.6 + 2.7 * len(panels)),
    )


def _scored_on(run: Run) -> tuple[str, str]:
    """Name and hash of what the run was scored on; the hash may be empty."""
    results = run.results
    digest = text(results, "problem", "hash") or text(results, "benchmark", "hash") or ""
    return run.presentation.subject(results) or "unknown", digest


def _forest(axes: "Axes", rows: Sequence[tuple[Run, Ratio]], narrow: bool) -> None:
    axes.axvline(1.0, color=COLOURS["yardstick"], linestyle="--", linewidth=1.5, zorder=2)
    for place, (run, ratio) in enumerate(reversed(rows)):
        role = "other" if verdict.flags(run) else "final"
        bounds = ratio.interval
        axes.errorbar(
            [ratio.value],
            [place],
            xerr=None
            if bounds is None
            else [[max(ratio.value - bounds[0], 0)], [max(bounds[1] - ratio.value, 0)]],
            fmt="o",
            color=COLOURS[role],
            markerfacecolor=COLOURS["final" if role == "final" else "paper"],
            markersize=6,
            capsize=3,
            elinewidth=1.6,
            zorder=3,
        )
    names = [_short(run, narrow) for run, _ in reversed(rows)]
    axes.set_yticks(range(len(rows)), names)
    axes.tick_params(axis="y", length=0, labelsize=9 if narrow else 10)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.grid(visible=False, axis="y")


def _overlaid(axes: "Axes", runs: Sequence[Run], narrow: bool) -> None:
    from matplotlib.ticker import MaxNLocator

    objective = runs[0].objective
    leader = _leader(runs)
    for run in sorted(runs, key=lambda run: run is leader):  # the best on top
        steps = run.best_so_far()
        last = max(entry.number for entry in run.entries)
        axes.step(
            [*(at for at, _ in steps), last],
            [*(value for _, value in steps), steps[-1][1]],
            where="post",
            color=COLOURS["final" if run is leader else "other"],
            linewidth=2.4 if run is leader else 1.2,
            zorder=4 if run is leader else 3,
        )
    mark = next((m for run in runs if (m := run.mean(run.yardstick, "evaluation"))), None)
    if mark is not None:
        axes.axhline(mark, color=COLOURS["yardstick"], linestyle="--", linewidth=1.5, zorder=2)
        if objective.lower_is_better and mark > 0:
            reached = max(value for run in runs for _, value in run.best_so_far())
            axes.set_ylim(0, min(1.05 * max(reached, mark), _ABOVE * mark))
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(4 if narrow else 6, integer=True))
    axes.grid(visible=False, axis="x")
    axes.set_xlabel("evaluation number")
    axes.set_ylabel(objective.titled)


def _leader(runs: Sequence[Run]) -> Run:
    ranked = [
        (rank, place)
        for place, run in enumerate(runs)
        if run.leader is not None and (rank := run.objective.rank(run.leader.score)) is not None
    ]
    return runs[min(ranked)[1]]


def _short(run: Run, narrow: bool) -> str:
    name = run.name.removeprefix("run_")
    who = researcher.short(run.results)
    if narrow or who is None:
        return name if len(name) <= 18 else f"{name[:17]}…"
    return f"{name}  {who if len(who) <= 24 else f'{who[:23]}…'}"


def _direction(runs: Sequence[Run]) -> str:
    found = {run.objective.direction for run in runs}
    return found.pop() if len(found) == 1 else "the better direction is the setting's own"


def _spoken(setting: str, rows: Sequence[tuple[Run, Ratio]]) -> str:
    parts = [
        f"{run.name} {units.ratio(ratio.value)}"
        + (f" ({units.ratio(ratio.interval[0])} to {units.ratio(ratio.interval[1])})"
           if ratio.interval else "")
        for run, ratio in rows
    ]  # fmt: skip
    return f"On {setting}: {', '.join(parts)}"


def _best_spoken(setting: str, runs: Sequence[Run]) -> str:
    leader = _leader(runs)
    value = units.measure(leader.best_so_far()[-1][1], leader.objective.unit)
    return f"On {setting} the best of {len(runs)} is {value}, by {leader.name}"
