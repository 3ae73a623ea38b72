"""The plots of what the record and the results hold: contestants, progress, pairs of cases.

Imports inside functions are late: matplotlib takes a second to load.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from openglia.presenting import units
from openglia.presenting.drawing import COLOURS, Absent, Plot, legend
from openglia.presenting.score import Case
from openglia.report.data import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GROUPS = ("evaluation", "held_out")
DASHES = ("--", (0, (1, 1.5)), (0, (5, 2, 1, 2)), (0, (3, 1.5)), (0, (1, 3)), (0, (8, 3)))
Pair = tuple[Case, float, float]  # a case, the yardstick's value, the final candidate's


def generic(run: Run) -> tuple[Plot | Absent, Plot | Absent, Plot | Absent]:
    """The plots of every problem's run."""
    return contestants(run), pairs(run), progress(run)


def words_of(run: Run, group: str) -> str:
    """The cases of a group."""
    return f"{group.replace('_', '-')} {run.case}s"


def colour(run: Run, name: str) -> str:
    """The colour of a contestant: its own for final and yardstick, one for all others."""
    roles = {"final": "final", run.yardstick: "yardstick"}
    return COLOURS[roles.get(name, "other")]


def contestants(run: Run) -> Plot | Absent:
    """Mean and interval of every contestant, on evaluation and on held-out cases."""
    objective = run.objective
    name, title = f"{run.noun}s", f"{run.presentation.title}s compared"
    measured = {
        contestant: {
            group: (score.value, score.interval)
            for group in GROUPS
            if (score := run.score(contestant, group)).value is not None
        }
        for contestant in run.contestants()
    }
    rows = [(contestant, groups) for contestant, groups in measured.items() if groups]
    if not rows:
        return Absent(name, title, f"no {run.noun}'s {objective.words} is recorded")
    rows.sort(key=lambda row: -max(objective.cost(mean) for mean, _ in row[1].values()))

    def draw(figure: "Figure", _narrow: bool) -> None:
        axes = figure.subplots()
        for row, (contestant, groups) in enumerate(reversed(rows)):
            for offset, group, shape, face in zip(
                (0.13, -0.13),
                GROUPS,
                "oD",
                (colour(run, contestant), COLOURS["paper"]),
                strict=True,
            ):
                if group not in groups:
                    continue
                mean, bounds = groups[group]
                axes.errorbar(
                    [mean],
                    [row + offset],
                    xerr=None if bounds is None else [[mean - bounds[0]], [bounds[1] - mean]],
                    fmt=shape,
                    color=colour(run, contestant),
                    markerfacecolor=face,
                    markersize=7 if shape == "o" else 6,
                    capsize=3,
                    elinewidth=1.6,
                )
        handles = [
            axes.plot([], [], shape, color=COLOURS["ink"], markerfacecolor=face)[0]
            for shape, face in (("o", COLOURS["ink"]), ("D", COLOURS["paper"]))
        ]
        legend(figure, handles, [words_of(run, group) for group in GROUPS], columns=2)
        axes.set_yticks(
            range(len(rows)), [run.label(contestant) for contestant, _ in reversed(rows)]
        )
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(run.objective.titled)

    height = 1.3 + 0.42 * len(rows)
    return Plot(
        name,
        title,
        f"{units.first_upper(objective.words)} over {run.case}s with its 90 % bootstrap interval; "
        f"{objective.direction}.",
        f"{units.first_upper(objective.words)}. " + "; ".join(_spoken(run, *row) for row in rows),
        draw,
        (height, height + 0.1),
    )


def progress(run: Run) -> Plot | Absent:
    """Score over evaluations, the best so far as a step line, the baselines as lines."""
    name, title = "progress", "Score over evaluations"
    unit = run.objective.unit
    scored = [(entry, v) for entry in run.entries if (v := entry.score.value) is not None]
    full = [(entry, mean) for entry, mean in scored if entry.full]
    part = [(entry, mean) for entry, mean in scored if not entry.full]
    failed = [entry.number for entry in run.entries if not entry.score.ok]
    best = run.best_so_far()
    if not scored:
        why = "every evaluation failed" if failed else "nothing was evaluated"
        return Absent(name, title, why)
    lines = {
        contestant: mean
        for contestant in run.contestants()
        if contestant == run.yardstick or contestant not in ("final", "stub")
        if (mean := run.mean(contestant, "evaluation")) is not None
    }
    # Hopeless candidates would squeeze the rest: what lies above is marked at the edge.
    reached = [*lines.values(), *(mean for _, mean in best)]
    if not run.objective.lower_is_better or not reached:
        reached += [mean for _, mean in scored]
    low_end = min(0.0, min(reached))
    top = low_end + 1.15 * ((max(reached) - low_end) or 1.0)
    above = [entry.number for entry, mean in scored if mean > top]
    last = max(entry.number for entry in run.entries)

    def draw(figure: "Figure", narrow: bool) -> None:
        from matplotlib.ticker import MaxNLocator

        axes = figure.subplots()
        size = 5 if len(run.entries) <= 80 else 3.5
        ink, muted, blue = COLOURS["ink"], COLOURS["muted"], COLOURS["final"]
        handles, words = [], []

        def mark(
            points: Sequence[tuple[int, float]], text: str, marker: str, colour: str, **style: Any
        ) -> None:
            if shown := [(x, y) for x, y in points if y <= top]:
                xs, ys = zip(*shown, strict=True)
                handles.extend(axes.plot(xs, ys, marker, color=colour, markersize=size, **style))
                words.append(text)

        if best:
            xs, ys = zip(*best, strict=True)
            handles += axes.step([*xs, last], [*ys, ys[-1]], where="post", color=blue, zorder=3)
            words.append("best so far")
            bounds = {entry.number: entry.score.interval for entry, _ in full}
            for x, y in best:
                if (pair := bounds[x]) is not None and y <= top:
                    axes.plot([x, x], pair, color=blue, linewidth=1.2, zorder=3)
        kept, broken = (
            [(entry.number, mean) for entry, mean in full if bool(entry.score.broken) == breaks]
            for breaks in (False, True)
        )
        narrowed, paper = [(entry.number, mean) for entry, mean in part], COLOURS["paper"]
        mark(kept, "full evaluation", "o", blue, alpha=0.75)
        mark(broken, "full, breaks a constraint", "s", blue, markerfacecolor=paper)
        mark(narrowed, "narrowed evaluation", "o", muted, markerfacecolor=paper)
        bottom, edge = (low_end + share * (top - low_end) for share in (0.02, 0.985))
        mark([(x, edge) for x in above], "above the scale", "^", muted)
        mark([(x, bottom) for x in failed], "failed", "x", ink)
        for (contestant, mean), dash in zip(
            sorted(lines.items(), key=lambda line: line[1]), DASHES, strict=False
        ):
            emphasis = 1.8 if contestant == run.yardstick else 1.2
            axes.axhline(
                mean, color=colour(run, contestant), linestyle=dash, linewidth=emphasis, zorder=2
            )
        axes.set_ylim(low_end, top)
        axes.set_xlim(min(0.5, 1 - 0.02 * last), last + max(0.5, 0.02 * last))
        axes.xaxis.set_major_locator(MaxNLocator(5 if narrow else 10, integer=True))
        axes.grid(visible=False, axis="x")
        _right_labels(axes, run, lines, narrow)
        legend(figure, handles, words, columns=2 if narrow else 5)
        axes.set_xlabel("evaluation number")
        axes.set_ylabel(run.objective.titled)

    said = f" The best full evaluation reached {units.measure(best[-1][1], unit)}." if best else ""
    return Plot(
        name,
        title,
        "Each point is one evaluation of a candidate by the harness. Bars at the steps are 90 % "
        f"intervals. Narrowed evaluations used fewer {run.case}s, or less of each, and cannot be "
        "compared with the lines.",
        f"{len(full)} full, {len(part)} narrowed and {len(failed)} failed evaluations.{said} "
        + "; ".join(
            f"{run.label(contestant)} {units.measure(mean, unit)}"
            for contestant, mean in lines.items()
        ),
        draw,
        (4.4, 4.0),
    )


def pairs(run: Run) -> Plot | Absent:
    """Final against the yardstick case by case, on evaluation and on held-out cases."""
    final_label, label = run.label("final"), run.label(run.yardstick)
    case = run.case
    name = f"{case}s"
    title = f"{units.first_upper(final_label)} against {label}, {case} by {case}"
    groups: list[tuple[str, list[Pair]]] = []
    for group in GROUPS:
        other, final = (run.score(who, group).by_case for who in (run.yardstick, "final"))
        paired = [(key, other[key], final[key]) for key in other if key in final]
        if paired:
            groups.append((words_of(run, group), sorted(paired, key=_by_case)))
    if not groups:
        why = f"the {final_label} and {label} are not both measured on any {case}"
        return Absent(name, title, why)
    values = [value for _, paired in groups for _, *pair in paired for value in pair]
    low_end = min(0.0, min(values))
    top = low_end + 1.06 * ((max(values) - low_end) or 1.0)

    def draw(figure: "Figure", narrow: bool) -> None:
        panels = figure.subplots(
            len(groups) if narrow else 1,
            1 if narrow else len(groups),
            sharey=True,
            squeeze=False,
        ).flatten()
        for axes, (words, paired) in zip(panels, groups, strict=True):
            places = range(len(paired))
            for place, (_, other, final) in zip(places, paired, strict=True):
                axes.plot([place, place], [other, final], color=COLOURS["grid"], linewidth=4)
            axes.plot(places, [other for _, other, _ in paired], "s", color=COLOURS["yardstick"],
                      markersize=6.5, label=label)  # fmt: skip
            axes.plot(places, [final for *_, final in paired], "o", color=COLOURS["final"],
                      markersize=7, label=final_label)  # fmt: skip
            labels = [str(key) for key, *_ in paired]
            axes.set_xticks(places, labels, rotation=90 if len("".join(labels)) > 30 else 0)
            axes.tick_params(axis="x", labelsize=9 if len(paired) <= 12 else 7)
            axes.set_ylim(low_end, top)
            axes.grid(visible=False, axis="x")
            axes.set_title(f"{words}: final wins {_wins(run, paired)} of {len(paired)}")
            axes.set_xlabel(case)
            if narrow or axes is panels[0]:
                axes.set_ylabel(run.objective.titled)
        handles, names = panels[0].get_legend_handles_labels()
        legend(figure, handles, names, columns=2)

    return Plot(
        name,
        title,
        f"Both get the same work on a {case}. The agents never see the held-out {case}s.",
        "; ".join(
            f"On {words} the {final_label} has the {run.objective.change(1)} "
            f"{run.objective.words} on {_wins(run, paired)} of {len(paired)}"
            for words, paired in groups
        ),
        draw,
        (3.9, 2.9 * len(groups) + 0.3),
    )


def _by_case(pair: Pair) -> tuple[bool, int, str]:
    """Numbers in their order, then names."""
    key = pair[0]
    return (isinstance(key, str), key if isinstance(key, int) else 0, str(key))


def _wins(run: Run, paired: Sequence[Pair]) -> int:
    return sum(run.objective.better(final, other) for _, other, final in paired)


def _spoken(
    run: Run, name: str, groups: Mapping[str, tuple[float, tuple[float, float] | None]]
) -> str:
    unit = run.objective.unit
    parts = [
        f"{units.measure(groups[group][0], unit)} on {words_of(run, group)}"
        for group in GROUPS
        if group in groups
    ]
    return f"{run.label(name)}: {', '.join(parts)}"


def _right_labels(axes: "Axes", run: Run, lines: Mapping[str, float], narrow: bool) -> None:
    """Name the horizontal lines at the right edge, pushed apart where they would overlap."""
    unit = run.objective.unit
    low, high = axes.get_ylim()
    gap = (0.075 if narrow else 0.06) * (high - low)
    placed = low - gap
    for contestant, mean in sorted(lines.items(), key=lambda line: line[1]):
        placed = max(mean, placed + gap)
        axes.annotate(
            run.label(contestant)
            if narrow
            else f"{run.label(contestant)} {units.measure(mean, unit)}",
            (1.01, placed),
            xycoords=("axes fraction", "data"),
            color=colour(run, contestant),
            va="center",
            fontsize=9 if narrow else 9.5,
            annotation_clip=False,
        )
