"""The final candidate once more, where it cannot reach what measures it: is it the same?

A candidate that is honest scores the same there, to the bit. One that does not has used what it
must not have, whatever rules it got past.
"""

import math
import tempfile
from pathlib import Path

from openglia.presenting.score import Line
from openglia.problems.problem import Check, Problem, Say

_NAME = "isolation"
_ROUNDING = 1e-12  # a second measurer may read its figures with another one


def check(problem: Problem, final: Path, line: Line, measured: Path, say: Say) -> Check | None:
    """Compare the held-out cases with their measurement in isolation; None: there is no such.

    Args:
        line: of the final candidate on the held-out cases.
        measured: what that measurement left.

    Raises:
        OpenGliaError: the harness is in trouble.
    """
    shown = problem.presentation
    look = problem.held_out
    before = shown.score(line)
    if not look.cases or not before.ok:
        return None
    with tempfile.TemporaryDirectory(prefix="openglia-") as temporary:
        apart = Path(temporary) / "isolated"
        say("verification: final, apart from what measures it")
        found = problem.measure_isolated(final, look, apart)
        if found is None:
            return None
        if isinstance(found, str):
            return Check(_NAME, "skipped", found)
        score = shown.score(found)
        where = "run apart from all that measures it,"
        if not score.ok:
            return Check(_NAME, "failed", f"{where} the final {shown.noun} fails: {score.reason}")
        unequal = []
        for case in look.cases:
            words = problem.difference(measured, apart, case)
            one, other = before.by_case.get(case), score.by_case.get(case)
            if words is None and not _equal(one, other):
                words = f"{one!r} and then {other!r}"
            if words is not None:
                unequal.append(f"{shown.case} {case}: {words}")
    count = f"{len(look.cases)} held-out {shown.case}s"
    if not unequal:
        evidence = f"{where} the final {shown.noun} does the same on all {count}"
        return Check(_NAME, "passed", evidence)
    evidence = (
        f"{where} the final {shown.noun} does otherwise on {len(unequal)} of {count}, so that it "
        f"uses what it must not have; {unequal[0]}"
    )
    return Check(_NAME, "failed", evidence)


def _equal(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=_ROUNDING)
