"""Where things lie in a run's folder, and how one comes about."""

import time
from dataclasses import dataclass
from pathlib import Path

from openglia import paths
from openglia.errors import OpenGliaError, UsageError

_ATTEMPTS = 100  # runs that may begin in one second


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run; ``path`` is absolute."""

    path: Path

    @property
    def id(self) -> str:
        """The run's identifier, OPENGLIA_RUN_ID for its agents."""
        return self.path.name

    @property
    def scratch(self) -> Path:
        """The agents' folder for temporary files: the only one that they may write in here."""
        return self.path / "scratch"

    @property
    def candidates(self) -> Path:
        """A snapshot of every candidate that was evaluated."""
        return self.path / "candidates"

    @property
    def evaluations(self) -> Path:
        """The record, one JSON line per evaluation."""
        return self.path / "evaluations.jsonl"

    @property
    def results(self) -> Path:
        """All figures of the run."""
        return self.path / "results.json"

    @property
    def solution(self) -> Path:
        """The account for people."""
        return self.path / "solution.md"

    @property
    def report(self) -> Path:
        """Everything, to look at: how the run stands while it goes on, and all of it at the end."""
        return self.path / "report.html"

    def remove_half_files(self) -> None:
        """Remove what writers that were killed left beside the files that they meant to write."""
        for folder in (self.path, self.candidates):
            for path in folder.glob(".*.????????"):  # as ``openglia.files`` names them
                path.unlink(missing_ok=True)


def create(generated: Path = paths.GENERATED, moment: float | None = None) -> RunFolder:
    """Make ``run_YYYYMMDD_HHMMSS`` with its scratch folder; a second one in a second gets ``_2``.

    Args:
        generated: the folder of all runs; made if it is missing.
        moment: seconds since the epoch; default now.

    Raises:
        OpenGliaError: the folder cannot be made.
    """
    name = time.strftime("run_%Y%m%d_%H%M%S", time.localtime(moment))
    try:
        generated.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, _ATTEMPTS + 1):
            path = generated.resolve() / (name if attempt == 1 else f"{name}_{attempt}")
            try:
                path.mkdir()
            except FileExistsError:
                continue
            folder = RunFolder(path)
            folder.scratch.mkdir()
            folder.candidates.mkdir()
            return folder
    except OSError as error:
        raise OpenGliaError(
            f"no run folder can be made in {generated}: {error.strerror}; "
            f"make the folder writable and see that the disk has room"
        ) from None
    raise OpenGliaError(f"{generated} already holds {_ATTEMPTS} runs of {name}; try again")


def existing(path: Path) -> RunFolder:
    """The folder of a run that has begun.

    Raises:
        UsageError: it is not one.
    """
    folder = RunFolder(path.resolve())
    if not folder.results.is_file():
        raise UsageError(
            f"{path} is not a run's folder (it has no results.json); "
            f"name one such as generated/run_20250108_143022"
        )
    return folder
