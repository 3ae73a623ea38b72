"""How the final candidate fared on other settings: a sentence, a table, a plot.

Imports inside functions are late: matplotlib takes a second to load.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean
from typing import TYPE_CHECKING, Any

from openglia.presenting import units
from openglia.presenting.drawing import COLOURS, Absent, Plot
from openglia.presenting.presentation import Presentation
from openglia.presenting.tolerant import at, interval, items, mapping, number, text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME, TITLE = "transfer", "On other settings"
_ORDER = ("holds", "shrinks", "is not shown", "turns")


@dataclass(frozen=True)
class Setting:
    """One row."""

    name: str
    cases: int
    held_out: int
    means: Mapping[str, float]  # of the objective, by candidate
    value: float | None  # final to yardstick, case by case
    measure: str
    interval: tuple[float, float] | None
    outcome: str | None
    reason: str | None


@dataclass(frozen=True)
class Section:
    """What a page shows of it."""

    label: str
    header: list[str]
    rows: list[list[str]]
    plot: Plot | Absent
    sentence: str
    note: str


def section(results: Any, shown: Presentation) -> Section | None:
    """None if nothing was measured elsewhere."""
    found = table(results, shown)
    if not found:
        return None
    header, *rows = found
    words = [units.first_upper(name) for name in header]
    said = f"{units.first_upper(sentence(results))}."
    return Section(TITLE, words, rows, plot(results, shown), said, note(results, shown))


def settings(results: Any) -> list[Setting]:
    """What results.json says of the other settings."""
    found = []
    for entry in items(results, "transfer", "settings"):
        values = {
            str(name): [float(v) for v in row if isinstance(v, int | float)]
            for name, row in mapping(entry, "values").items()
            if isinstance(row, list) and row
        }
        found.append(
            Setting(
                name=text(entry, "name") or "unknown",
                cases=len(items(entry, "cases")),
                held_out=int(number(entry, "held_out") or 0),
                means={name: fmean(row) for name, row in values.items() if row},
                value=number(entry, "value"),
                measure=text(entry, "measure") or "ratio",
                interval=interval(entry, "interval"),
                outcome=text(entry, "outcome"),
                reason=text(entry, "reason"),
            )
        )
    return found


def sentence(results: Any) -> str:
    """Where the gain holds, shrinks or turns; empty if nothing was measured elsewhere."""
    known = settings(results)
    judged = sorted((s for s in known if s.outcome in _ORDER), key=_rank)
    parts = []
    for outcome, group in groupby(judged, key=lambda setting: setting.outcome):
        named = ", ".join(
            s.name if s.value is None else f"{s.name} ({units.ratio(s.value)})" for s in group
        )
        parts.append(f"{outcome} on {named}")
    words = f"elsewhere the gain {', '.join(parts)}" if parts else ""
    if failed := [setting.name for setting in known if setting.outcome == "fails"]:
        words += f"{'; it' if words else 'elsewhere it'} fails on {', '.join(failed)}"
    if left := [setting.name for setting in known if setting.outcome is None]:
        words += f"{'; ' if words else ''}not measured on {', '.join(left)}"
    return words


def table(results: Any, shown: Presentation) -> list[list[str]]:
    """The settings, the run's own first; header first. Empty if nothing was measured elsewhere."""
    known = settings(results)
    if not known:
        return []
    label, unit = (
        shown.yardstick_label,
        f" ({shown.objective.unit})" if shown.objective.unit else "",
    )
    main = ("final", shown.yardstick)
    others = dict.fromkeys(name for s in known for name in s.means if name not in main)
    head = ["measured on", f"{shown.case}s", f"final{unit}", label, f"to {label}", "90 % interval"]
    rows = [[*head, "the gain", *others]]
    for setting in [_home(results, shown), *known]:
        bounds = "" if setting.interval is None else units.span(setting.interval)
        ratio = units.ratio(setting.value)
        if setting.value is not None and setting.measure == "difference":
            ratio += " (difference)"
        cells = [units.figure(setting.means.get(name)) for name in (*main, *others)]
        outcome = setting.outcome or "not measured"
        rows.append(
            [
                setting.name,
                _count(setting),
                *cells[:2],
                ratio,
                bounds,
                f"{outcome}: {setting.reason}" if setting.reason else outcome,
                *cells[2:],
            ]
        )
    return rows


def note(results: Any, shown: Presentation) -> str:
    """What the table is, and what it lacks."""
    transfer = at(results, "transfer")
    words = (
        f"Held-out {shown.case}s of other settings, measured after all else; ratios {shown.case} "
        f"by {shown.case}. The gain holds where at least 80 % of the first row's is left."
    )
    if (allowed := number(transfer, "allowed")) is not None:
        spent = number(transfer, "seconds") or 0.0
        words += f" It took {spent:.0f} s of the {allowed:.0f} s that it may take."
    if left := [str(name) for name in items(transfer, "left_out")]:
        words += f" The time did not suffice for {', '.join(left)} everywhere."
    return words


def plot(results: Any, shown: Presentation) -> Plot | Absent:
    """The ratio to the yardstick on each setting."""
    rows = [s for s in [_home(results, shown), *settings(results)] if s.value is not None]
    rows = [setting for setting in rows if setting.measure == "ratio"]
    if len(rows) < 2:
        return Absent(NAME, TITLE, "it was measured nowhere else")
    label = shown.yardstick_label

    def draw(figure: "Figure", narrow: bool) -> None:
        axes = figure.subplots()
        axes.axvline(1.0, color=COLOURS["yardstick"], linestyle="--", linewidth=1.5)
        for place, setting in enumerate(reversed(rows)):
            assert setting.value is not None
            low, high = setting.interval or (setting.value, setting.value)
            role = "final" if setting.outcome in ("holds", "shrinks", "home") else "other"
            axes.errorbar(
                [setting.value],
                [place],
                xerr=[[max(setting.value - low, 0)], [max(high - setting.value, 0)]],
                fmt="o",
                color=COLOURS[role],
                markerfacecolor=COLOURS[role if setting.outcome != "home" else "paper"],
                capsize=3,
                elinewidth=1.6,
            )
        axes.set_yticks(range(len(rows)), [setting.name for setting in reversed(rows)])
        axes.tick_params(axis="y", length=0, labelsize=9 if narrow else 10)
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(f"final to {label}, {shown.case} by {shown.case}")

    height = 1.5 + 0.36 * len(rows)
    spoken = "; ".join(f"{s.name} {units.ratio(s.value)}" for s in rows)
    return Plot(
        NAME,
        TITLE,
        f"The final {shown.noun} to {label} on held-out {shown.case}s, with 90 % intervals. The "
        f"hollow mark is the run's own setting, the dashed line {label}; grey shows no gain.",
        f"Ratio to {label}: {spoken}",
        draw,
        (height, height + 0.2),
    )


def _rank(setting: Setting) -> int:
    return _ORDER.index(setting.outcome or "")


def _count(setting: Setting) -> str:
    if setting.cases == setting.held_out:
        return str(setting.cases)
    return f"{setting.cases} of {setting.held_out}"


def _home(results: Any, shown: Presentation) -> Setting:
    """The run's own setting: what the verification found."""
    checked = at(results, "verification")
    lines = {
        name: at(results, *path, "held_out")
        for name, path in {
            **{str(name): ("baselines", name) for name in mapping(results, "baselines")},
            "final": ("final",),
        }.items()
    }
    scores = {name: shown.score(line) for name, line in lines.items()}
    cases = len(scores["final"].cases)
    return Setting(
        name=shown.subject(results) or "this run's",
        cases=cases,
        held_out=cases,
        means={name: score.value for name, score in scores.items() if score.value is not None},
        value=number(checked, "ratio_held_out"),
        measure="ratio",
        interval=interval(checked, "ratio_interval"),
        outcome="home",
        reason=None,
    )
