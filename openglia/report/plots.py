"""The plots of what the record and the results hold: routers, progress, pairs of seeds."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from openglia.report import units
from openglia.report.data import Run, at, interval, number, per_seed
from openglia.report.drawing import COLOURS, Absent, Plot, legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABELS = {
    "random": "random",
    "round_robin": "round robin",
    "lor": "LOR",
    "llq": "LLQ",
    "stub": "stub (random)",
    "final": "final router",
}
RESPONSE_TIME = "mean response time (s)"
GROUPS = (("evaluation", "evaluation seeds"), ("held_out", "held-out seeds"))


def label(router: str) -> str:
    """A router's name as readers know it."""
    return LABELS.get(router, router if len(router) <= 20 else f"{router[:19]}…")


def colour(router: str) -> str:
    """The colour of a router: its own for final and LLQ, one for all others."""
    return COLOURS[router if router in ("final", "llq") else "other"]


def routers(run: Run) -> Plot | Absent:
    """Mean and interval of every router, on evaluation and on held-out seeds."""
    name, title = "routers", "Routers compared"
    measured = {
        router: {
            group: (mean, interval(value, group, "interval"))
            for group, _ in GROUPS
            if (mean := number(value, group, "mean_response_time")) is not None
        }
        for router, value in run.routers().items()
    }
    rows = [(router, groups) for router, groups in measured.items() if groups]
    if not rows:
        return Absent(name, title, "no router's mean response time is recorded")
    rows.sort(key=lambda row: -max(mean for mean, _ in row[1].values()))

    def draw(figure: "Figure", _narrow: bool) -> None:
        axes = figure.subplots()
        for row, (router, groups) in enumerate(reversed(rows)):
            for offset, (group, _), shape, face in zip(
                (0.13, -0.13), GROUPS, "oD", (colour(router), COLOURS["paper"]), strict=True
            ):
                if group not in groups:
                    continue
                mean, bounds = groups[group]
                axes.errorbar(
                    [mean],
                    [row + offset],
                    xerr=None if bounds is None else [[mean - bounds[0]], [bounds[1] - mean]],
                    fmt=shape,
                    color=colour(router),
                    markerfacecolor=face,
                    markersize=7 if shape == "o" else 6,
                    capsize=3,
                    elinewidth=1.6,
                )
        handles = [
            axes.plot([], [], shape, color=COLOURS["ink"], markerfacecolor=face)[0]
            for shape, face in (("o", COLOURS["ink"]), ("D", COLOURS["paper"]))
        ]
        legend(figure, handles, [words for _, words in GROUPS], columns=2)
        axes.set_yticks(range(len(rows)), [label(router) for router, _ in reversed(rows)])
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.set_xlim(left=0)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(RESPONSE_TIME)

    height = 1.3 + 0.42 * len(rows)
    return Plot(
        name,
        title,
        "Mean response time over seeds with its 90 % bootstrap interval; lower is better.",
        "Mean response time. " + "; ".join(_spoken(router, groups) for router, groups in rows),
        draw,
        (height, height + 0.1),
    )


def progress(run: Run) -> Plot | Absent:
    """Score over evaluations, the best so far as a step line, the baselines as lines."""
    name, title = "progress", "Score over evaluations"
    scored = [(score, score.mean) for score in run.scores if score.mean is not None]
    full = [(score, mean) for score, mean in scored if score.full]
    part = [(score, mean) for score, mean in scored if not score.full]
    failed = [score.number for score in run.scores if score.failed]
    best = run.best_so_far()
    if not scored:
        why = "every evaluation failed" if failed else "nothing was evaluated"
        return Absent(name, title, why)
    lines = {
        router: mean
        for router, value in run.routers().items()
        if router != "final" and router != "stub"
        if (mean := number(value, "evaluation", "mean_response_time")) is not None
    }
    # Hopeless candidates would squeeze the rest: what lies above is marked at the edge.
    top = 1.15 * max([*lines.values(), *(mean for _, mean in best)] or [m for _, m in scored])
    above = [score.number for score, mean in scored if mean > top]
    last = max(score.number for score in run.scores)

    def draw(figure: "Figure", narrow: bool) -> None:
        from matplotlib.ticker import MaxNLocator

        axes = figure.subplots()
        size = 5 if len(run.scores) <= 80 else 3.5
        ink, muted, blue = COLOURS["ink"], COLOURS["muted"], COLOURS["final"]
        handles, words = [], []

        def mark(xs: Sequence[float], ys: Sequence[float], text: str, **style: Any) -> None:
            if xs:
                handles.append(axes.plot(xs, ys, linestyle="none", **style)[0])
                words.append(text)

        if best:
            xs = [position for position, _ in best]
            ys = [mean for _, mean in best]
            handles += axes.step([*xs, last], [*ys, ys[-1]], where="post", color=blue, zorder=3)
            words.append("best so far")
            bounds = {score.number: score.interval for score, _ in full}
            for x, y in best:
                if (pair := bounds[x]) is not None and y <= top:
                    axes.plot([x, x], pair, color=blue, linewidth=1.2, zorder=3)
        low = [(score.number, mean) for score, mean in full if mean <= top]
        mark([x for x, _ in low], [y for _, y in low], "full evaluation", marker="o", color=blue,
             markersize=size, alpha=0.75)  # fmt: skip
        low = [(score.number, mean) for score, mean in part if mean <= top]
        mark([x for x, _ in low], [y for _, y in low], "narrowed evaluation", marker="o",
             color=muted, markerfacecolor=COLOURS["paper"], markersize=size)  # fmt: skip
        mark(above, [0.985 * top] * len(above), "above the scale", marker="^", color=muted,
             markersize=size)  # fmt: skip
        mark(failed, [0.02 * top] * len(failed), "failed", marker="x", color=ink, markersize=size)
        for (router, mean), dash in zip(
            sorted(lines.items(), key=lambda line: line[1]), _dashes(), strict=False
        ):
            emphasis = 1.8 if router == "llq" else 1.2
            axes.axhline(mean, color=colour(router), linestyle=dash, linewidth=emphasis, zorder=2)
        axes.set_ylim(0, top)
        axes.set_xlim(min(0.5, 1 - 0.02 * last), last + max(0.5, 0.02 * last))
        axes.xaxis.set_major_locator(MaxNLocator(5 if narrow else 10, integer=True))
        axes.grid(visible=False, axis="x")
        _right_labels(axes, lines, narrow)
        legend(figure, handles, words, columns=2 if narrow else 5)
        axes.set_xlabel("evaluation number")
        axes.set_ylabel(RESPONSE_TIME)

    reached = f" The best full evaluation reached {best[-1][1]:.1f} s." if best else ""
    return Plot(
        name,
        title,
        "Each point is one evaluation of a candidate by the harness. Bars at the steps are 90 % "
        "intervals. Narrowed evaluations used fewer seeds or a shorter time and cannot be compared "
        "with the lines.",
        f"{len(full)} full, {len(part)} narrowed and {len(failed)} failed evaluations.{reached} "
        + "; ".join(f"{label(router)} {mean:.1f} s" for router, mean in lines.items()),
        draw,
        (4.4, 4.0),
    )


def pairs(run: Run) -> Plot | Absent:
    """Final against LLQ seed by seed, on evaluation and on held-out seeds."""
    name, title = "seeds", "Final router against LLQ, seed by seed"
    groups: list[tuple[str, list[tuple[int, float, float]]]] = []
    for group, words in GROUPS:
        llq = per_seed(at(run.results, "baselines", "llq", group))
        final = per_seed(at(run.results, "final", group))
        paired = [(seed, llq[seed], final[seed]) for seed in sorted(llq.keys() & final.keys())]
        if paired:
            groups.append((words, paired))
    if not groups:
        return Absent(name, title, "the final router and LLQ are not both measured on any seed")
    top = 1.06 * max(max(llq, final) for _, paired in groups for _, llq, final in paired)

    def draw(figure: "Figure", narrow: bool) -> None:
        panels = figure.subplots(
            len(groups) if narrow else 1,
            1 if narrow else len(groups),
            sharey=True,
            squeeze=False,
        ).flatten()
        for axes, (words, paired) in zip(panels, groups, strict=True):
            places = range(len(paired))
            for place, (_, llq, final) in zip(places, paired, strict=True):
                axes.plot([place, place], [llq, final], color=COLOURS["grid"], linewidth=4)
            axes.plot(places, [llq for _, llq, _ in paired], "s", color=COLOURS["llq"],
                      markersize=6.5, label="LLQ")  # fmt: skip
            axes.plot(places, [final for *_, final in paired], "o", color=COLOURS["final"],
                      markersize=7, label="final router")  # fmt: skip
            labels = [str(seed) for seed, *_ in paired]
            axes.set_xticks(places, labels, rotation=90 if len("".join(labels)) > 30 else 0)
            axes.tick_params(axis="x", labelsize=9 if len(paired) <= 12 else 7)
            axes.set_ylim(0, top)
            axes.grid(visible=False, axis="x")
            axes.set_title(f"{words}: final wins {_wins(paired)} of {len(paired)}")
            axes.set_xlabel("seed")
            if narrow or axes is panels[0]:
                axes.set_ylabel("response time (s)" if narrow else RESPONSE_TIME)
        handles, names = panels[0].get_legend_handles_labels()
        legend(figure, handles, names, columns=2)

    return Plot(
        name,
        title,
        "Both routers serve the same requests on a seed. The agents never see the held-out seeds.",
        "; ".join(
            f"On {words} the final router has the lower mean response time on {_wins(paired)} of "
            f"{len(paired)}"
            for words, paired in groups
        ),
        draw,
        (3.9, 2.9 * len(groups) + 0.3),
    )


def _wins(paired: Sequence[tuple[int, float, float]]) -> int:
    return sum(final < llq for _, llq, final in paired)


def _spoken(router: str, groups: Mapping[str, tuple[float, tuple[float, float] | None]]) -> str:
    parts = [
        f"{units.seconds(groups[group][0])} on {words}"
        for group, words in GROUPS
        if group in groups
    ]
    return f"{label(router)}: {', '.join(parts)}"


def _dashes() -> list[Any]:
    return ["--", (0, (1, 1.5)), (0, (5, 2, 1, 2)), (0, (3, 1.5)), (0, (1, 3)), (0, (8, 3))]


def _right_labels(axes: "Axes", lines: Mapping[str, float], narrow: bool) -> None:
    """Name the horizontal lines at the right edge, pushed apart where they would overlap."""
    low, high = axes.get_ylim()
    gap = (0.075 if narrow else 0.06) * (high - low)
    placed = low - gap
    for router, mean in sorted(lines.items(), key=lambda line: line[1]):
        placed = max(mean, placed + gap)
        axes.annotate(
            label(router) if narrow else f"{label(router)} {mean:.1f} s",
            (1.01, placed),
            xycoords=("axes fraction", "data"),
            color=colour(router),
            va="center",
            fontsize=9 if narrow else 9.5,
            annotation_clip=False,
        )
