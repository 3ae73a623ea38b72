"""What the page that compares runs shows; ``templates/index.html`` lays it out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from openglia.presenting import units
from openglia.presenting.tolerant import number, text
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


def render(runs: Sequence[Run], folder: Path) -> str:
    """The whole page as HTML text; links are relative to ``folder``."""
    rows = [_row(run, folder) for run in sorted(runs, key=lambda run: run.name, reverse=True)]
    credible = [
        (ratio, run)
        for run in runs
        if (ratio := verdict.ratio_to_yardstick(run, "held_out")) is not None
        and not verdict.flags(run)
    ]
    presentation = runs[0].presentation
    ratio, best = min(
        credible, key=lambda pair: presentation.objective.cost(pair[0]), default=(None, None)
    )
    return render_template(
        "index.html",
        rows=rows,
        best=best,
        ratio=ratio,
        objective=presentation.objective,
        label=presentation.yardstick_label,
        case=presentation.case,
    )


def _row(run: Run, folder: Path) -> Row:
    report, results = run.folder / "report.html", run.results
    total = number(results, "evaluations", "total")
    return Row(
        run.name,
        report.relative_to(folder).as_posix() if report.exists() else None,
        verdict.status(run),
        text(results, "model") or units.DASH,
        run.presentation.subject(results) or units.DASH,
        (
            units.figure(run.mean("final", "held_out")),
            units.span(run.score("final", "held_out").interval),
            units.ratio(verdict.ratio_to_yardstick(run, "held_out")),
            units.ratio(verdict.ratio_to_yardstick(run, "evaluation")),
            units.count(total if total is not None else len(run.entries)),
            units.duration(number(results, "elapsed_seconds")),
        ),
        [*verdict.flags(run), *(flag for flag in verdict.worse(run) if flag.tone == "warning")],
    )
