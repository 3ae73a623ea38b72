"""The best so far over evaluations: a panel for each method, with a band over its runs.

Imports inside functions are late: matplotlib takes a second to load.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from openglia.presenting import units
from openglia.presenting.drawing import COLOURS, Absent, Plot, legend
from openglia.report.data import Run
from openglia.studies.figures import bands

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = 3  # of panels, on wide screens
_ABOVE = 1.5  # of the yardstick: where the axis of a lowered objective ends


def curves(
    name: str, problem: str, runs: Mapping[str, Sequence[Run]], reference: str
) -> Plot | Absent:
    """The curves on one problem.

    Args:
        name: of the plot's file.
        runs: by method.
        reference: the method whose median every panel repeats.
    """
    title = f"Best so far over evaluations: {problem}"
    drawn = {method: bands(own) for method, own in runs.items() if any(r.entries for r in own)}
    if not drawn:
        return Absent(name, title, "no candidate was evaluated")
    first = next(run for own in runs.values() for run in own)
    objective, mark = first.objective, first.mean(first.yardstick, "evaluation")
    label = first.presentation.yardstick_label
    last = max(len(band) for band in drawn.values()) - 1
    ends = {method: float(band["median"].iloc[-1]) for method, band in drawn.items()}
    lines = math.ceil(len(drawn) / _COLUMNS)

    def draw(figure: "Figure", narrow: bool) -> None:
        from matplotlib.ticker import MaxNLocator

        shape = (len(drawn), 1) if narrow else (lines, min(_COLUMNS, len(drawn)))
        panels = figure.subplots(*shape, squeeze=False, sharex=True, sharey=True).flatten()
        shapes: dict[str, Any] = {}
        for axes, (method, band) in zip(panels, drawn.items(), strict=False):
            if method != reference and reference in drawn:
                other = drawn[reference]["median"]
                (shapes[f"median of {reference}"],) = axes.step(
                    other.index, other, where="post", color=COLOURS["other"], linewidth=1.2
                )
            shapes["quartiles"] = axes.fill_between(
                band.index, band["low"], band["high"], step="post", color=COLOURS["final"],
                alpha=0.22, linewidth=0,
            )  # fmt: skip
            (shapes["median"],) = axes.step(
                band.index, band["median"], where="post", color=COLOURS["final"]
            )
            if mark is not None:
                shapes[label] = axes.axhline(mark, color=COLOURS["yardstick"], linestyle="--",
                                             linewidth=1.2)  # fmt: skip
            axes.set_title(method)
            axes.set_xlim(0, last)
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        if objective.lower_is_better and mark is not None and mark > 0:
            panels[0].set_ylim(0, _ABOVE * mark)
        for axes in panels[len(drawn) :]:
            axes.set_visible(False)
        legend(figure, list(shapes.values()), list(shapes), columns=2 if narrow else 4)
        figure.supxlabel("evaluations", fontsize=10, color=COLOURS["ink"])
        figure.supylabel(objective.titled, fontsize=10, color=COLOURS["ink"])

    return Plot(
        name,
        title,
        "The best clean full evaluation up to each evaluation, on the evaluation cases: median and "
        f"quartiles over a method's runs; {objective.direction}. A run that has ended keeps its "
        "best as long as others go on.",
        "; ".join(f"{m} ends at {units.measure(v, objective.unit)}" for m, v in ends.items()),
        draw,
        (0.9 + 2.5 * lines, 0.9 + 2.1 * len(drawn)),
    )
