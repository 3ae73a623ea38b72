"""What the command line settles of a run; see ``openglia run --help``."""

from dataclasses import dataclass
from pathlib import Path

from openglia.discovery.experiment import Limits
from openglia.discovery.models import OFFLINE, Choice
from openglia.problems.problem import Problem


@dataclass(frozen=True, kw_only=True)
class Options:
    """One experiment."""

    choice: Choice
    problem: Problem
    limits: Limits
    seed: int  # of the offline model
    sandbox: str
    resume: Path | None = None
    preflight: bool = True  # try the model before anything is measured; the offline one never

    @property
    def offline(self) -> bool:
        """Whether no language model works."""
        return self.choice.model == OFFLINE
