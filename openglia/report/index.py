"""What the page that compares runs shows; ``templates/index.html`` lays it out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from openglia.presenting import researcher, spent, units
from openglia.presenting.tolerant import number
from openglia.report import comparing, verdict
from openglia.report.data import Run
from openglia.report.rendering import render as render_template

_SETTLED = ("completed", "limit")  # statuses that need no explanation


@dataclass(frozen=True)
class Cell:
    """A figure, what stands below it in small, and what it is sorted by; "" sorts last."""

    text: str
    key: float | str = ""
    below: str = ""


@dataclass(frozen=True)
class Row:
    """One run."""

    name: str
    report: str | None  # the link, where there is a report
    status: verdict.Flag
    why: str | None  # a line on what went wrong
    model: str
    setting: str
    ratio: Cell  # on held-out cases
    figures: tuple[Cell, ...]  # the rest, which narrow screens leave out
    aside: str  # what narrow screens show instead
    flags: list[verdict.Flag]


def render(runs: Sequence[Run], folder: Path) -> str:
    """The whole page as HTML text; links are relative to ``folder``."""
    settings = comparing.settings(runs)
    named = [(run, setting.name) for setting in settings for run in setting.runs]
    named.sort(key=lambda pair: pair[0].name, reverse=True)
    units_of = {run.objective.unit for run in runs}
    found = [(best, setting.name) for setting in settings if (best := comparing.best(setting))]
    return render_template(
        "index.html",
        rows=[_row(run, setting, folder) for run, setting in named],
        best=[
            f"{units.ratio(ratio)}{f' on {setting}' if len(settings) > 1 else ''}, by {run.name}"
            for (run, ratio), setting in found
        ],
        unit=f" ({unit})" if len(units_of) == 1 and (unit := units_of.pop()) else "",
        label=comparing.yardstick(runs),
        objectives=[_objective(setting) for setting in settings],
        plots=(comparing.ratios(settings), comparing.curves(settings)),
    )


def _objective(setting: comparing.Setting) -> str:
    run = setting.runs[0]
    unit = f" in {run.objective.unit}" if run.objective.unit else ""
    return f"{setting.name}: {run.objective.words}{unit}, {run.objective.direction}"


def _row(run: Run, setting: str, folder: Path) -> Row:
    report, results = run.folder / "report.html", run.results
    evaluations = number(results, "evaluations", "total") or len(run.entries)
    elapsed = number(results, "elapsed_seconds")
    score = run.score("final", "held_out")
    ratio = comparing.held_out(run)
    on_evaluation = verdict.ratio_to_yardstick(run, "evaluation")
    status = verdict.status(run)
    used = spent.total(results)
    tokens = f"{units.count(used.tokens)} tokens" if used.tokens else ""
    return Row(
        run.name,
        report.relative_to(folder).as_posix() if report.exists() else None,
        status,
        None if run.status in _SETTLED else status.meaning,
        researcher.told(results) or units.DASH,
        setting,
        Cell(units.DASH)
        if ratio is None
        else Cell(units.ratio(ratio.value), ratio.value, _span(ratio.interval)),
        (
            _cell(units.ratio(on_evaluation), on_evaluation),
            Cell(
                units.figure(score.value),
                "" if score.value is None else score.value,
                "" if score.interval is None else units.span(score.interval),
            ),
            _cell(units.count(evaluations), evaluations),
            _cell(units.duration(elapsed), elapsed),
            Cell(used.money, used.usd if used.priced_calls else "", tokens),
        ),
        ", ".join((setting, f"{units.count(evaluations)} evaluations", units.duration(elapsed))),
        [*verdict.flags(run), *(flag for flag in verdict.worse(run) if flag.tone == "warning")],
    )


def _cell(shown: str, value: float | None) -> Cell:
    return Cell(shown, "" if value is None else value)


def _span(bounds: tuple[float, float] | None) -> str:
    return "" if bounds is None else f"{units.ratio(bounds[0])} to {units.ratio(bounds[1])}"
