"""The final verification: fresh processes, held-out cases, figures that no agent ever sees.

The final candidate, the stub and the baselines are measured on the held-out cases; one case of each
kind is run again; and where the problem has a second measurer a few cases are repeated on that.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from openglia.errors import OpenGliaError
from openglia.presenting.score import Line, Score, with_ratios
from openglia.problems.problem import Check, Look, Problem, Say
from openglia.runs import isolation


@dataclass(frozen=True)
class Repeated:
    """Whether the final candidate does the same thing again."""

    deterministic: bool
    reason: str | None  # what differed


def measure(
    problem: Problem,
    look: Look,
    candidates: Mapping[str, Path],
    say: Say,
    outputs: Mapping[str, Path] | None = None,
) -> dict[str, dict[str, Any]]:
    """Lines by name: the baselines, and the candidates by their files; each with its ratio.

    What else is measured of a candidate is kept where ``outputs`` says.
    """
    found: dict[str, Line] = {
        name: problem.measure_baseline(name, look) for name in problem.baselines
    }
    for name, path in candidates.items():
        say(f"verification: {name}")
        found[name] = problem.measure(path, look, output=(outputs or {}).get(name))
    shown = problem.presentation
    return with_ratios(found, shown.keys, shown.yardstick)


def measure_held_out(
    problem: Problem, final: Path, say: Say, others: Mapping[str, Path] = MappingProxyType({})
) -> tuple[dict[str, dict[str, Any]], Check | None]:
    """Lines on the held-out cases, by name: the baselines, ``stub``, ``final``, and others.

    And whether ``final`` does the same in isolation, where the problem can tell.
    """
    say(f"verification: the baselines, the stub and the final on the held-out {_cases(problem)}")
    candidates = {"stub": problem.start, "final": final, **others}
    with tempfile.TemporaryDirectory(prefix="openglia-") as temporary:
        kept = Path(temporary) / "final"
        lines = measure(problem, problem.held_out, candidates, say, {"final": kept})
        return lines, isolation.check(problem, final, lines["final"], kept, say)


def check_repeats(problem: Problem, final: Path, recorded: Line, say: Say) -> Repeated:
    """One held-out case (if there is none, an evaluation case) twice, and the first recorded one.

    Raises:
        OpenGliaError: the candidate fails now.
    """
    say(f"verification: the same {_cases(problem)} again")
    shown = problem.presentation
    case = (problem.held_out_cases or problem.cases)[0]
    known = problem.cases[0]
    reasons = []
    with tempfile.TemporaryDirectory(prefix="openglia-") as temporary:
        runs = [Path(temporary) / name for name in ("first", "second")]
        scores = [_clean(problem, final, Look((case,)), run) for run in runs]
        unequal = problem.difference(runs[0], runs[1], case)
        if unequal is None and scores[0].by_case != scores[1].by_case:
            unequal = " and then ".join(repr(score.value) for score in scores)
        again = _clean(problem, final, Look((known,)), runs[0]).by_case.get(known)
    if unequal is not None:
        reasons.append(f"{shown.case} {case} run twice: {unequal}")
    before = shown.score(recorded).by_case.get(known)
    if before != again:
        unit = f" {shown.objective.unit}".rstrip()
        reasons.append(f"{shown.case} {known}: {again!r}{unit}, and {before!r}{unit} in the record")
    return Repeated(not reasons, "; ".join(reasons) or None)


def _cases(problem: Problem) -> str:
    return f"{problem.presentation.case}s"


def _clean(problem: Problem, final: Path, look: Look, folder: Path) -> Score:
    score = problem.presentation.score(problem.measure(final, look, output=folder))
    if not score.ok:
        noun = problem.presentation.noun
        raise OpenGliaError(f"the final {noun} failed when it was repeated: {score.reason}")
    return score
