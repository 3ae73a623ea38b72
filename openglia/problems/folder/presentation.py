"""How the run of a folder is told of."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from openglia import paths
from openglia.presenting import units
from openglia.presenting.objective import Objective
from openglia.presenting.presentation import Presentation
from openglia.presenting.score import Keys
from openglia.presenting.tolerant import at, mapping, number, text


class FolderPresentation(Presentation):
    """Of one folder's objective; ``start`` is the initial program's pristine copy."""

    title = "Program"
    case = "repeat"
    keys = Keys()
    yardstick = "stub"
    yardstick_label = "the initial program's"
    labels: Mapping[str, str] = {"stub": "initial program"}

    def __init__(self, objective: Objective, start: Path | None, suffix: str) -> None:
        self.objective = objective
        self.start = start
        self.final_name = f"final_program{suffix}"
        self.yardstick_label = "the initial program"
        shown: Callable[[Any], str] = lambda line: units.figure(number(line, "value"))  # noqa: E731
        self.columns = ((units.first_upper(objective.words), shown),)

    def options(self, folder: Path, results: Any) -> list[str]:
        """The folder, or the run's own copy where that is gone."""
        given = text(results, "problem", "folder")
        if given is None or not Path(given).is_dir():
            given = str(paths.shown(folder / "problem"))
        return ["--problem", given]


def presented(results: Any, folder: Path) -> FolderPresentation:
    """From a run's results; what is missing in them takes a default."""
    known = mapping(results, "problem", "objective")
    objective = Objective(
        text(known, "name") or "combined_score",
        text(known, "words") or "combined score",
        text(known, "unit") or "",
        at(known, "lower_is_better") is True,
    )
    initial = Path(text(results, "problem", "initial") or "initial_program.py")
    found = FolderPresentation(objective, folder / "problem" / initial.name, initial.suffix)
    found.case = text(results, "problem", "case") or found.case
    return found
