"""What the page that compares runs shows; ``templates/index.html`` lays it out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from openglia.presenting import units
from openglia.presenting.presentation import Presentation
from openglia.presenting.tolerant import interval, number, text
from openglia.report import verdict
from openglia.report.data import Run
from openglia.report.rendering import render as render_template


@dataclass(frozen=True)
class Row:
    """One run."""

    name: str
    report: str | None  # the link, where there is a report
    status: verdict.Flag
    model: str
    benchmark: str
    figures: tuple[str, ...]
    flags: list[verdict.Flag]


def render(runs: Sequence[Run], folder: Path, presentation: Presentation) -> str:
    """The whole page as HTML text; links are relative to ``folder``."""
    rows = [_row(run, folder) for run in sorted(runs, key=lambda run: run.name, reverse=True)]
    credible = [
        (ratio, run)
        for run in runs
        if (ratio := verdict.ratio_to_yardstick(run, "held_out")) is not None
        and not verdict.flags(run)
    ]
    ratio, best = min(credible, key=lambda pair: pair[0], default=(None, None))
    return render_template(
        "index.html",
        rows=rows,
        best=best,
        ratio=ratio,
        objective=presentation.objective,
        label=presentation.yardstick_label,
    )


def _row(run: Run, folder: Path) -> Row:
    report, results = run.folder / "report.html", run.results
    total = number(results, "evaluations", "total")
    return Row(
        run.name,
        report.relative_to(folder).as_posix() if report.exists() else None,
        verdict.status(run),
        text(results, "model") or units.DASH,
        text(results, "benchmark", "name") or units.DASH,
        (
            units.figure(run.mean("final", "held_out")),
            units.span(interval(results, "final", "held_out", "interval")),
            units.ratio(verdict.ratio_to_yardstick(run, "held_out")),
            units.ratio(verdict.ratio_to_yardstick(run, "evaluation")),
            units.count(total if total is not None else len(run.scores)),
            units.duration(number(results, "elapsed_seconds")),
        ),
        [*verdict.flags(run), *(flag for flag in verdict.worse(run) if flag.tone == "warning")],
    )
