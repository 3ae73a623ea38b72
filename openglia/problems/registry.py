"""The kinds of problems that there are, by name. Each is imported only when it is asked for.

Another package brings a kind of its own by an entry point of the group ``openglia.problems``, which
names the kind's object: ``sorting = "my_package.sorting:KIND"``.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from openglia.errors import UsageError
from openglia.presenting.presentation import Presentation
from openglia.presenting.tolerant import text
from openglia.problems.findings import Examination
from openglia.problems.problem import Problem

DEFAULT = "routing"
FOLDER = "folder"  # the kind that a path names

GROUP = "openglia.problems"  # of entry points

# Name -> where the kind is, as in an entry point.
PROBLEMS = {
    "routing": "openglia.problems.routing.kind:KIND",
    "scheduling": "openglia.problems.scheduling.kind:KIND",
    FOLDER: "openglia.problems.folder.kind:KIND",
}


class Kind(ABC):
    """What a user chooses with ``--problem``."""

    name: str
    summary: str  # a line for ``openglia problems``
    presentation: Presentation

    @abstractmethod
    def open(self, benchmark: str | None, simulator: str, place: Path | None = None) -> Problem:
        """The problem that the options of ``run`` name; ``place``: in this folder.

        Raises:
            OpenGliaError: it cannot be had.
        """

    @abstractmethod
    def restore(self, folder: Path, results: Mapping[str, Any], simulator: str = "auto") -> Problem:
        """The problem that a run was scored on, from its folder alone.

        Args:
            simulator: another one than the run's, where a kind has several.

        Raises:
            OpenGliaError: neither the folder nor this checkout has it.
        """

    def shown(self, _results: Any, _folder: Path) -> Presentation:
        """How a run of this kind is told of; ``folder`` is the run's."""
        return self.presentation

    def examinations(self) -> list[Examination]:
        """What ``openglia doctor`` looks at besides, by name."""
        return []


def kind(name: str) -> Kind:
    """The kind of problem of that name.

    Raises:
        UsageError: there is none.
    """
    if name in PROBLEMS:
        found: Kind = EntryPoint(name, PROBLEMS[name], GROUP).load()
        return found
    brought = {point.name: point for point in entry_points(group=GROUP)}
    if name not in brought:
        raise UsageError(f"no problem {name!r}; there are {', '.join([*PROBLEMS, *brought])}")
    try:
        found = brought[name].load()
    except Exception as error:  # not ours: whatever it raises
        raise UsageError(
            f"the problem {name!r} of {brought[name].value} cannot be loaded: "
            f"{type(error).__name__}: {error}"
        ) from error
    return found


def opened(name: str, benchmark: str | None, simulator: str) -> Problem:
    """The problem of that name, or the one in the folder of that path.

    Raises:
        OpenGliaError: it cannot be had.
    """
    if "/" in name or (Path(name).is_dir() and name not in names()):
        return kind(FOLDER).open(benchmark, simulator, Path(name).expanduser())
    return kind(name).open(benchmark, simulator)


def names() -> list[str]:
    """Of all kinds, ours first."""
    return [*PROBLEMS, *sorted(point.name for point in entry_points(group=GROUP))]


def kind_of(results: Any) -> Kind:
    """The kind that a run is of; runs of earlier versions are about routing.

    Raises:
        UsageError: this version does not know it.
    """
    return kind(text(results, "problem", "kind") or DEFAULT)
