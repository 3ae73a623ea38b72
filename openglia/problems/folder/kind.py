"""A folder as a kind of problem: ``./run.sh --problem path/to/folder``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from openglia.errors import OpenGliaError, UsageError
from openglia.presenting.objective import Objective
from openglia.presenting.presentation import Presentation
from openglia.problems.folder.presentation import FolderPresentation, presented
from openglia.problems.folder.problem import Folder
from openglia.problems.folder.source import read_source
from openglia.problems.problem import Problem
from openglia.problems.registry import Kind


class FolderKind(Kind):
    """See ``openglia.problems.registry.Kind``."""

    name = "folder"
    summary = "any folder with evaluator.py and initial_program.*, as OpenEvolve and others have it"
    presentation = FolderPresentation(
        Objective("combined_score", "combined score", "", lower_is_better=False), None, ".py"
    )

    def open(self, benchmark: str | None, simulator: str, place: Path | None = None) -> Problem:
        """The folder."""
        if benchmark is not None or simulator != "auto":
            raise UsageError("--benchmark and --simulator are routing's; a folder has neither")
        if place is None:
            raise UsageError("name the problem's folder: --problem path/to/folder")
        return Folder(read_source(place), place.resolve())

    def restore(self, folder: Path, results: Mapping[str, Any], simulator: str = "auto") -> Problem:
        """From the copy in the run's folder."""
        del simulator
        known = results["problem"]
        source = read_source(folder / "problem", known["name"])
        if source.hash != known["hash"]:
            raise OpenGliaError(
                f"{folder / 'problem'} is not what the run was scored on (its hash is "
                f"{source.hash}, the run's {known['hash']})"
            )
        return Folder(source, Path(known.get("folder") or folder / "problem"))

    def shown(self, results: Any, folder: Path) -> Presentation:
        """By the objective of the run."""
        return presented(results, folder)


KIND = FolderKind()
