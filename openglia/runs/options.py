"""What the command line settles of a run; see ``openglia run --help``."""

from dataclasses import dataclass
from pathlib import Path

from openglia import paths
from openglia.discovery.experiment import AgentCommand, Limits
from openglia.discovery.models import OFFLINE, Choice
from openglia.errors import UsageError
from openglia.problems.problem import Problem

STAGNATION = 10


@dataclass(frozen=True, kw_only=True)
class Options:
    """One experiment."""

    choice: Choice
    problem: Problem
    limits: Limits
    seed: int  # of the offline model
    sandbox: str
    agent: AgentCommand | None = None  # works in place of fast-agent's Researcher
    supervisor: bool = True  # is wanted
    contexts: int = 1  # that work side by side
    generations: int = 1  # of each, one after the other
    stagnation: int = STAGNATION  # evaluations in a row without gain that end a generation
    share_digest: bool = False  # each generation gets the digests of all contexts
    review_every: int | None = None  # evaluations after which the Supervisor reads within a turn
    cluster: str | None = None  # tcp://host:port of the Dask cluster that measures
    cache: bool = True  # a score that was measured before need not be measured again
    transfer: tuple[str, ...] | None = None  # other settings to measure on; None: the problem's own
    resume: Path | None = None
    preflight: bool = True  # try the model before anything is measured; the offline one never

    def __post_init__(self) -> None:
        """What holds held-out cases is not shown to a program of the user's.

        Raises:
            UsageError: it would be, or something that is to be shown is not there, or one of the
                settings to transfer to.
        """
        if self.transfer:
            self.problem.other_settings(self.transfer)
        shown = () if self.agent is None else self.agent.program(paths.ROOT).readable
        for path in shown:
            for file in self.problem.unseen:
                if file.resolve().is_relative_to(path.resolve()):
                    raise UsageError(
                        f"{path} cannot be shown to the agent's command: it holds {file}, whose "
                        f"held-out part no agent may see"
                    )

    @property
    def several(self) -> bool:
        """Whether there is more than one context or generation."""
        return self.contexts > 1 or self.generations > 1

    @property
    def offline(self) -> bool:
        """Whether nobody works but the offline researcher."""
        return self.agent is None and self.choice.model == OFFLINE

    @property
    def supervised(self) -> bool:
        """Whether there is a Supervisor; the offline one knows only the offline researcher."""
        return self.supervisor and (self.agent is None or self.choice.model != OFFLINE)

    @property
    def model(self) -> str:
        """Whom fast-agent asks; empty if nobody."""
        return self.choice.model if self.agent is None or self.supervised else ""

    @property
    def asks_model(self) -> bool:
        """Whether a language model is asked by fast-agent."""
        return self.model not in ("", OFFLINE)
