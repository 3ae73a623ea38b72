"""The candidate that a page shows: the final one, or the best so far where there is none."""

import difflib
from dataclasses import dataclass

from openglia.presenting.tolerant import read_text, text
from openglia.report.data import Run


@dataclass(frozen=True)
class Discovered:
    """A candidate's source and what it is."""

    heading: str
    file: str
    origin: str | None  # the same in ``candidates/``
    source: str
    difference: str | None  # to what the run started from; None: that is not known


def discovered(run: Run) -> Discovered | None:
    """What the run found; None if that is nothing, or its file is gone."""
    if run.final_source is not None:
        file, source = run.presentation.final_name, run.final_source
        origin = text(run.results, "final", "candidate")
        return Discovered(f"The final {run.noun}", file, origin, source, _change(run, file, source))
    if run.leader is None or (best := run.source(run.leader)) is None:
        return None
    heading = f"The best {run.noun} so far, evaluation {run.leader.number}"
    file = str(run.leader.candidate)
    return Discovered(heading, file, None, best, _change(run, file, best))


def _change(run: Run, file: str, source: str) -> str | None:
    path = run.presentation.start
    start = None if path is None else read_text(path)
    if start is None:
        return None
    old, new = start.splitlines(), source.splitlines()
    return "\n".join(difflib.unified_diff(old, new, "stub", file, lineterm=""))
