"""The plot of the table. Imports inside functions are late: matplotlib takes a second to load."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from openglia.presenting.drawing import COLOURS, Plot
from openglia.problems.routing.reference.references import CLAIRVOYANT, HEAD_ROOM, LLQ
from openglia.problems.routing.reference.reproduce import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = {HEAD_ROOM: COLOURS["final"], LLQ: COLOURS["yardstick"]}


def plot(tables: Sequence[Table]) -> Plot:
    """Each router's mean response time over LLQ's, with the paired interval, by benchmark.

    ``tables`` are those with rows.
    """

    def draw(figure: "Figure", narrow: bool) -> None:
        del narrow  # a file alone, never in a page
        from matplotlib.ticker import FuncFormatter

        panels = figure.subplots(1, len(tables), sharey=True, squeeze=False)[0]
        for axes, table in zip(panels, tables, strict=True):
            labels = list(table.rows)
            for place, label in enumerate(labels):
                paired = table.ratio(label, LLQ)
                if paired is None:
                    continue
                colour = _COLOURS.get(label, COLOURS["other"])
                low, high = paired.interval or (paired.value, paired.value)
                axes.plot([low, high], [place, place], color=colour)
                axes.plot(paired.value, place, "o", color=colour, markersize=5)
            axes.axvline(1, color=COLOURS["yardstick"], linewidth=1, linestyle=(0, (4, 1.5)))
            axes.set_xscale("log")
            axes.set_xticks([0.25, 0.5, 1, 2, 4])
            axes.minorticks_off()
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.set_title(table.benchmark.name)
            plain = CLAIRVOYANT.label.strip("*")
            names = [plain if label == CLAIRVOYANT.label else label for label in labels]
            axes.set_yticks(range(len(labels)), names)
            axes.set_ylim(len(labels) - 0.5, -0.5)
        panels[len(panels) // 2].set_xlabel("mean response time over LLQ's (logarithmic)")

    return Plot("routers", "Known routers", "", "Known routers compared", draw, heights=(4.6, 4.6))
