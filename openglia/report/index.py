"""The page that compares runs."""

from collections.abc import Sequence
from pathlib import Path

from openglia.report import units, verdict
from openglia.report.data import Run, interval, number, text
from openglia.report.markup import Html, document, element, join, table
from openglia.report.page import style
from openglia.report.parts import flag_mark

HEADER = (
    "Run", "Model", "Status", "Benchmark", "Final mean, held-out (s)", "90 % interval (s)",
    "Ratio to LLQ, held-out", "Ratio to LLQ, evaluation", "Evaluations", "Wall time", "Flags",
)  # fmt: skip


def render(runs: Sequence[Run], folder: Path) -> str:
    """The whole page as HTML text; links are relative to ``folder``."""
    rows = [_row(run, folder) for run in sorted(runs, key=lambda run: run.name, reverse=True)]
    best = min(
        (run for run in runs if _is_credible(run)),
        key=lambda run: verdict.ratio_to_llq(run, "held_out") or 0.0,
        default=None,
    )
    words = f"{len(runs)} run{'s' if len(runs) != 1 else ''}"
    headline = (
        "None of them was verified against LLQ without a flag."
        if best is None
        else "The lowest ratio to LLQ on held-out seeds, among runs without flags, is "
        f"{units.ratio(verdict.ratio_to_llq(best, 'held_out'))}, by {best.name}."
    )
    body = join(
        [
            element(
                "header",
                element("p", "OpenGLIA", class_="eyebrow"),
                element("h1", f"Comparison of {words}"),
                element("p", headline, class_="headline"),
            ),
            element(
                "main",
                table("Runs", HEADER, rows, class_="runs"),
                element(
                    "p",
                    "Mean response time in seconds of simulated time; the ratio is to LLQ on the "
                    "same seeds, lower is better. Figures of different benchmarks cannot be "
                    "compared.",
                    class_="small",
                ),
            ),
        ]
    )
    return document("Runs – OpenGLIA", style(), body)


def _is_credible(run: Run) -> bool:
    """Verified against LLQ, and nothing speaks against the figures."""
    return verdict.ratio_to_llq(run, "held_out") is not None and not verdict.flags(run)


def _row(run: Run, folder: Path) -> list[Html | str]:
    report = run.folder / "report.html"
    link = (
        element("a", run.name, href=report.relative_to(folder).as_posix())
        if report.exists()
        else element("span", run.name, element("span", " (no report)", class_="small"))
    )
    final, results = run.results.get("final"), run.results
    total = number(results, "evaluations", "total")
    marks = [flag_mark(flag) for flag in verdict.flags(run)]
    marks += [flag_mark(flag) for flag in verdict.worse(run) if flag.tone == "warning"]
    return [
        link,
        text(results, "model") or units.DASH,
        flag_mark(verdict.status(run)),
        text(results, "benchmark", "name") or units.DASH,
        units.figure(number(final, "held_out", "mean_response_time")),
        units.span(interval(final, "held_out", "interval")),
        units.ratio(verdict.ratio_to_llq(run, "held_out")),
        units.ratio(verdict.ratio_to_llq(run, "evaluation")),
        units.count(total if total is not None else float(len(run.scores))),
        units.duration(number(results, "elapsed_seconds")),
        join(marks, " ") if marks else "none",
    ]
