"""What a study's folder shows: rows.csv, summary.csv, summary.md and index.html."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from openglia.files import write_atomically
from openglia.measuring.pairs import Paired
from openglia.presenting import units
from openglia.presenting.drawing import Absent, Plot, png
from openglia.presenting.objective import Objective
from openglia.report import comparing
from openglia.report.rendering import render
from openglia.studies import figures
from openglia.studies.conducting import DONE, Runs
from openglia.studies.curves import curves
from openglia.studies.definition import Planned, Study
from openglia.tables import markdown

SHARE = f"{100 * figures.SHARE:.0f} %"


@dataclass(frozen=True)
class Findings:
    """On one problem."""

    problem: str
    lines: list[dict[str, Any]]  # see ``figures.summary``
    cells: list[list[str]]  # the same as people read it, header first
    sentences: list[str]
    plot: Plot | Absent


def tell(study: Study, name: str, runs: Runs) -> Path:
    """Write all that there is to tell by now, and return the page's path."""
    begun = list(runs.begun())
    table = figures.rows(begun)
    found = [
        _findings(f"curves-{place}", problem, study, table, begun)
        for place, problem in enumerate(study.problems, start=1)
        if any(planned.problem == problem for planned, _ in begun)
    ]
    folder = runs.folder
    write_rows(folder, table)
    flat = [_flat(one.problem, line) for one in found for line in one.lines]
    write_atomically(folder / "summary.csv", pd.DataFrame(flat).to_csv(index=False))
    done = sum(run.status in DONE for _, run in begun)
    progress = f"{done} of {len(runs.planned)} runs are done."
    write_atomically(folder / "summary.md", _markdown(study, name, progress, found, folder))
    page = render(
        "study.html",
        name=name,
        description=study.description,
        progress=progress,
        found=found,
        notes=_notes(study),
        runs=_cells(table, found),
    )
    path = folder / "index.html"
    write_atomically(path, page)
    return path


def write_rows(folder: Path, table: pd.DataFrame) -> None:
    """Write ``rows.csv``."""
    write_atomically(folder / "rows.csv", table.to_csv(index=False))


def row(table: pd.DataFrame, planned: Planned) -> str:
    """A run that has ended, in a line."""
    mine = (table["method"] == planned.method) & (table["problem"] == planned.problem)
    found = table[mine & (table["seed"] == planned.seed)].iloc[0]
    reached = _some(found["reached"])
    told = [
        f"{found['run']} {found['status']}",
        f"{found['evaluations']} evaluations",
        f"held-out ratio {units.ratio(_some(found['ratio_held_out']))}",
        f"{SHARE} of the best gain "
        + ("not reached" if reached is None else f"after {reached:.0f}"),
        units.duration(_some(found["seconds"])),
    ]
    return f"{planned}: {', '.join(told)}"


def _findings(
    plot: str, problem: str, study: Study, table: pd.DataFrame, begun: figures.Begun
) -> Findings:
    here = [(planned, run) for planned, run in begun if planned.problem == problem]
    runs, objective = [run for _, run in here], here[0][1].objective
    reference = study.compared_with
    own = table[table["problem"] == problem]
    lines = figures.summary(own, objective, reference)
    sentences = [
        _verdict(line, reference, objective) for line in lines if line["against"] is not None
    ]
    if len(comparing.settings(runs)) > 1:
        sentences.append("The runs were not all scored on the same: these figures do not compare.")
    by_method = {
        method: [run for planned, run in here if planned.method == method]
        for method in study.methods
    }
    done = {m: [r for r in some if r.status in DONE] for m, some in by_method.items()}
    return Findings(
        problem,
        lines,
        _summary_cells(lines, reference),
        sentences,
        curves(plot, problem, {m: some for m, some in done.items() if some}, reference),
    )


def _verdict(line: dict[str, Any], reference: str, objective: Objective) -> str:
    """Whether the method is better than the reference: yes, no, or not shown."""
    paired: Paired = line["against"]
    low, high = (objective.cost(end) for end in paired.interval or (paired.equal, paired.equal))
    equal = objective.cost(paired.equal)
    if max(low, high) < equal:
        said = "finds better ones than"
    elif min(low, high) > equal:
        said = "finds worse ones than"
    else:
        said = "is not shown to differ from"
    runs = f"{paired.cases} pair{'' if paired.cases == 1 else 's'} of runs"
    return f"{line['method']} {said} {reference}: {_compared(paired)}, {runs}."


def _compared(paired: Paired | None) -> str:
    if paired is None:
        return units.DASH
    value = f"{paired.value:.3f}" + (" apart" if paired.measure == "difference" else "")
    return f"{value} ({_span(paired.interval)})" if paired.interval else value


def _summary_cells(lines: Sequence[dict[str, Any]], reference: str) -> list[list[str]]:
    head = ["method", "runs", "best", "median", "mean (90 % interval)", f"to {reference}"]
    head += ["evaluations", f"to {SHARE} of the gain", "time to it", "reached by", "overfitting"]
    constrained = any(line["broken"] is not None for line in lines)
    head += [*(["breaks a constraint"] if constrained else []), "time", "cost"]
    cells = [head]
    for line in lines:
        runs = str(line["runs"])
        if line["scored"] < line["runs"]:
            runs = f"{line['scored']} scored of {runs}"
        mean = units.ratio(_some(line["mean"]))
        cells.append(
            [
                line["method"],
                runs,
                units.ratio(line["best"]),
                units.ratio(_some(line["median"])),
                f"{mean} ({_span(line['interval'])})" if line["interval"] else mean,
                _compared(line["against"]),
                units.count(_some(line["evaluations"])),
                units.count(_some(line["reached"])),
                units.duration(_some(line["reached_seconds"])),
                units.percent(_some(line["reached_share"])),
                units.percent(_some(line["overfitting"])),
                *([units.percent(_some(line["broken"]))] if constrained else []),
                units.duration(_some(line["seconds"])),
                units.dollars(_some(line["usd"])),
            ]
        )
    return cells


def _notes(study: Study) -> list[str]:
    return [
        "Best, median and mean are of the final candidate's ratio to the yardstick on held-out "
        "cases; the interval is the mean's (bootstrap over runs). "
        f"The comparison with {study.compared_with} is in pairs of the same seed (geometric mean "
        "with its 90 % interval).",
        f"The gain is on the evaluation cases, and {SHARE} is of the best gain of any run on the "
        "problem: half of a method's runs have it after so many evaluations and so much time of "
        "discovery; a dash: fewer than half ever had it. Evaluations and time are medians, cost "
        "is a mean. A score from the cache takes no time: with `no-cache: true` among the study's "
        "options the times compare too.",
    ]


def _markdown(
    study: Study, name: str, progress: str, found: Sequence[Findings], folder: Path
) -> str:
    parts = [f"# Study {name}", study.description, progress]
    for one in found:
        parts += [f"## {one.problem}", markdown(one.cells).rstrip()]
        parts += ["\n".join(f"- {sentence}" for sentence in one.sentences)]
        if isinstance(one.plot, Plot):
            image = folder / "plots" / f"{one.plot.name}.png"
            write_atomically(image, png(one.plot))
            parts += [f"![{one.plot.title}. {one.plot.alt}](plots/{image.name})", one.plot.caption]
    return "\n\n".join([*filter(None, parts), *_notes(study)]) + "\n"


def _cells(table: pd.DataFrame, found: Sequence[Findings]) -> list[dict[str, Any]]:
    """The rows as the page shows them."""
    return [
        {
            "name": row["run"],
            "report": f"../{row['run']}/report.html",
            "cells": [
                *([row["problem"]] if len(found) > 1 else []),
                row["method"],
                str(row["seed"]),
                row["status"],
                units.ratio(_some(row["ratio_held_out"])),
                units.ratio(_some(row["ratio_evaluation"])),
                units.count(row["evaluations"]),
                units.count(_some(row["reached"])),
                units.duration(_some(row["seconds"])),
            ],
        }
        for row in table.to_dict("records")
    ]


def _flat(problem: str, line: dict[str, Any]) -> dict[str, Any]:
    """A line of the summary with a column for each number."""
    against: Paired | None = line["against"]
    low, high = line["interval"] or (None, None)
    flat: dict[str, Any] = {"problem": problem, **line, "low": low, "high": high}
    flat["against"] = against and against.value
    flat["against_low"], flat["against_high"] = (against and against.interval) or (None, None)
    del flat["interval"]
    return flat


def _span(bounds: tuple[float, float]) -> str:
    return f"{units.ratio(bounds[0])} to {units.ratio(bounds[1])}"


def _some(value: Any) -> float | None:
    """The number; None if it is missing or infinite."""
    return float(value) if value is not None and math.isfinite(value) else None
