"""The plot of a recorded trace: its rate with the windows, its lengths, its gaps.

Imports inside functions are late: matplotlib takes a second to load.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from openglia.presenting.drawing import COLOURS, Plot, legend
from openglia.problems.routing.benchmark.replay.describing import Suggestion
from openglia.problems.routing.benchmark.replay.reading import Recording

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 200  # of the rate over time
POINTS = 400  # of a distribution
_WINDOWS = {"evaluation windows": "final", "held-out windows": "yardstick"}


def trace_plot(found: Recording, windows: Suggestion, scale: float, name: str) -> Plot:
    """Rate over time, and the distributions of lengths and gaps."""

    def draw(figure: "Figure", _narrow: bool) -> None:
        axes = figure.subplot_mosaic([["rate", "rate"], ["lengths", "gaps"]])
        _rate(axes["rate"], found, windows, scale)
        _distributions(
            axes["lengths"],
            [("prompts", "final", found.prompts), ("outputs", "yardstick", found.outputs)],
            "length (tokens)",
        )
        gaps = np.diff(found.at) / 1e6 / scale
        mean = float(gaps.mean()) if len(gaps) else 0.0
        shares = (np.arange(POINTS) + 0.5) / POINTS
        poisson = -mean * np.log(1 - shares)
        _distributions(
            axes["gaps"],
            [("gaps", "final", gaps), ("Poisson of this rate", "other", poisson)],
            "gap between arrivals (s)",
        )
        legend(figure, *axes["rate"].get_legend_handles_labels(), columns=3)

    return Plot("trace", name, "", f"The rate, lengths and gaps of {name}", draw, (6.4, 6.4))


def _rate(axes: "Axes", found: Recording, windows: Suggestion, scale: float) -> None:
    edges = np.linspace(0, float(found.at[-1]) + 1, BINS + 1)
    counts = np.diff(np.searchsorted(found.at, edges, side="left"))
    times = edges / 1e6 / scale
    axes.stairs(counts / np.diff(times), times, color=COLOURS["ink"], linewidth=1.2, label="rate")
    parts = zip(_WINDOWS.items(), (windows.seeds, windows.held_out_seeds), strict=True)
    for (label, role), seeds in parts:
        for seed in seeds:
            axes.axvspan(
                seed * windows.duration,
                (seed + 1) * windows.duration,
                color=COLOURS[role],
                alpha=0.18,
                linewidth=0,
                label=label if seed == seeds[0] else None,
            )
    axes.set_xlim(0, float(times[-1]))
    axes.set_ylim(0)
    axes.set_xlabel("time as replayed (s)")
    axes.set_ylabel("requests per second")


def _distributions(
    axes: "Axes", curves: Sequence[tuple[str, str, NDArray[Any]]], label: str
) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator

    shares = np.linspace(0, 1, POINTS)
    positive = [values[values > 0] for _, _, values in curves]
    least = min((float(np.quantile(values, 0.01)) for values in positive if len(values)), default=1)
    for name, role, values in curves:
        if len(values):
            line = "-" if role == "final" else (0, (4, 1.5))
            axes.plot(
                np.quantile(values, shares), shares, color=COLOURS[role], linestyle=line, label=name
            )
    axes.set_xscale("log")
    axes.set_xlim(left=least)
    axes.xaxis.set_major_locator(LogLocator(numticks=7))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_ylim(0, 1.02)
    axes.set_xlabel(label)
    axes.set_ylabel("share of the requests")
    axes.legend(loc="upper left")
