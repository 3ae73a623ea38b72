"""Plots as files and as inline SVG: one drawing, two widths, colours that follow the page.

Every plot is drawn with the light palette. In the SVG each colour is replaced by a CSS variable,
so that the page decides on light or dark. Text stays text. The page shows the wide drawing on wide
screens and the narrow one on phones, because scaling one drawing to both would make its text
unreadable on one of them. Imports inside functions are late: matplotlib takes a second to load.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Roles and light colours; style.css gives both schemes' under --plot-ROLE. Blue and vermilion after
# Okabe and Ito stay apart in every common colour blindness; line styles differ as well.
COLOURS = {
    "ink": "#1f2933",
    "muted": "#59636e",
    "grid": "#dde3ea",
    "paper": "#ffffff",
    "final": "#0068a5",
    "yardstick": "#b84a00",
    "other": "#6b7681",
}

WIDE = 10.0  # inches; 720 points: text of 10 points is about 14 pixels in the page's column
NARROW = 3.7  # inches; the same at a width of 370 pixels
PNG_DPI = 120


@dataclass(frozen=True)
class Plot:
    """A drawing and the words that go with it."""

    name: str  # file name without ending; also prefixes every id in its SVG
    title: str
    caption: str
    alt: str  # what a reader who cannot see it should know
    draw: Callable[["Figure", bool], None]  # figure, narrow
    heights: tuple[float, float] = (4.0, 3.4)  # inches, wide and narrow


@dataclass(frozen=True)
class Absent:
    """A plot that cannot be drawn, and why."""

    name: str
    title: str
    reason: str


def png(plot: Plot) -> bytes:
    """The wide drawing in the light palette on white."""
    with _style(plot.name):
        figure = _drawn(plot, narrow=False)
        stream = BytesIO()
        figure.savefig(stream, format="png", dpi=PNG_DPI, facecolor=COLOURS["paper"])
    return stream.getvalue()


def inline_svg(plot: Plot) -> str:
    """Both drawings as SVG elements of class ``wide`` and ``narrow``; the style sheet picks one."""
    return _svg(plot, narrow=False) + _svg(plot, narrow=True)


def legend(figure: "Figure", handles: Sequence[Any], words: Sequence[str], *, columns: int) -> None:
    """A legend above the panels, where it hides nothing."""
    figure.legend(
        handles,
        words,
        loc="outside upper left",
        ncols=columns,
        borderaxespad=0,
        borderpad=0.2,
        columnspacing=1.2,
        handletextpad=0.5,
    )


def _svg(plot: Plot, *, narrow: bool) -> str:
    variant = "narrow" if narrow else "wide"
    with _style(f"{plot.name}-{variant}"):
        figure = _drawn(plot, narrow=narrow)
        stream = StringIO()
        figure.savefig(
            stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    whole = stream.getvalue()
    box = re.search(r'viewBox="([^"]+)"', whole)
    inner = whole[whole.index(">", whole.index("<svg")) + 1 : whole.rindex("</svg>")]
    inner = re.sub(r"<metadata>.*?</metadata>", "", inner, flags=re.DOTALL)
    inner = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", inner, flags=re.DOTALL)
    for role, colour in COLOURS.items():
        inner = re.sub(colour, f"var(--plot-{role})", inner, flags=re.IGNORECASE)
    # Ids are unique within a drawing only; a page holds many.
    prefix = f"{plot.name}-{variant}-"
    inner = re.sub(r'\bid="', f'id="{prefix}', inner)
    inner = re.sub(r'href="#', f'href="#{prefix}', inner)
    inner = re.sub(r"url\(#", f"url(#{prefix}", inner)
    view = f' viewBox="{box.group(1)}"' if box else ""
    label = f' role="img" aria-label="{escape(plot.alt)}"'
    return f'<svg class="plot {variant}"{view}{label}>{inner}</svg>'


def _drawn(plot: Plot, *, narrow: bool) -> "Figure":
    from matplotlib.figure import Figure

    size = (NARROW, plot.heights[1]) if narrow else (WIDE, plot.heights[0])
    figure = Figure(figsize=size, layout="constrained")
    plot.draw(figure, narrow)
    return figure


@contextmanager
def _style(salt: str) -> Iterator[None]:
    import matplotlib

    ink, muted, grid = COLOURS["ink"], COLOURS["muted"], COLOURS["grid"]
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # not the user's own matplotlibrc
        matplotlib.rcParams.update(
            {
                "svg.fonttype": "none",
                "svg.hashsalt": salt,
                "font.family": "sans-serif",
                "font.size": 10,
                "text.parse_math": False,  # a name with a dollar sign is a name
                "axes.titlesize": 10.5,
                "axes.titlelocation": "left",
                "axes.titlecolor": ink,
                "axes.labelcolor": ink,
                "axes.edgecolor": muted,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.grid": True,
                "axes.axisbelow": True,
                "axes.facecolor": COLOURS["paper"],
                "figure.facecolor": COLOURS["paper"],
                "grid.color": grid,
                "grid.linewidth": 0.8,
                "text.color": ink,
                "xtick.color": muted,
                "ytick.color": muted,
                "xtick.labelcolor": ink,
                "ytick.labelcolor": ink,
                "legend.frameon": False,
                "legend.fontsize": 9.5,
                "lines.linewidth": 2.0,
                "axes.unicode_minus": True,
            }
        )
        yield
