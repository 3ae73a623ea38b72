"""What the discovery loop is given, and what it gives back."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from openglia.problems.space import OfflineTask
from openglia.sandbox.layout import Program
from openglia.sandbox.programs import program


class Record(Protocol):
    """The harness's own record of evaluations (``openglia.runs.record``)."""

    @property
    def evaluations_used(self) -> int:
        """Evaluations that count towards the budget so far."""

    def summary_for_supervisor(self) -> str:
        """What was measured, as Markdown; shown to the Supervisor next to the account."""


class Sandbox(Protocol):
    """What the shell needs of ``openglia.sandbox.choosing.Sandbox``."""

    def command(self, argv: list[str], layout: Any) -> list[str]:
        """The command that runs ``argv`` inside the sandbox."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a run may use. None stands for no limit."""

    max_refinements: int = 5  # rounds after the first, each answered by the Supervisor
    max_evaluations: int | None = 200  # counted by ``Record.evaluations_used``
    time_limit: float | None = 4 * 3600.0  # seconds of wall time of the loop
    max_tokens: int | None = 5_000_000  # input and output of both agents together
    max_cost: float | None = None  # US$ of both agents' calls, as far as their price is known


@dataclass(frozen=True, kw_only=True)
class Used:
    """What a run that goes on had used before, of its limits; evaluations are on record."""

    tokens: int = 0
    seconds: float = 0.0
    rounds: int = 0  # accounts given; all but the first are refinements
    usd: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Tokens that one agent used, as its provider counts them, and what they cost."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0  # of the input, read from the provider's cache
    usd: float = 0.0  # at list prices, of the calls whose price is known
    priced_calls: int = 0  # how many these are; 0 in runs of early versions

    @property
    def total(self) -> int:
        """Input and output tokens together."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long provider trouble is borne."""

    # Repeats of one call, made by fast-agent, after backoff x 1, x 2, ...; on top the SDKs of
    # OpenAI and Anthropic repeat each of these twice.
    call_retries: int = 4
    # Repeats of what a turn was about to do, made by the loop, after four times that wait.
    turn_retries: int = 2
    backoff: float = 10.0  # seconds
    silence: float = 300.0  # seconds without a piece of the answer until a call is given up


@dataclass(frozen=True, kw_only=True)
class AgentCommand:
    """A program of the user's in the Researcher's place."""

    command: str  # for a shell, started in the experiment's folder
    network: bool = False  # it may reach out
    variables: tuple[str, ...] = ()  # names of those of the harness's environment that it gets
    readable: tuple[str, ...] = ()  # files and folders that it sees besides; absolute

    def program(self, root: Path) -> Program:
        """What it needs inside the sandbox; it starts in ``root``.

        Raises:
            UsageError: something that it is to see is not there.
        """
        return program(self.command, list(map(Path, self.readable)), root, network=self.network)


def _on_the_terminal(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True, kw_only=True)
class Inheritance:
    """What a generation finds of those before it."""

    generation: int  # from 2 on
    generations: int
    digest: str  # Markdown, of the generation before
    archive: Path  # as seen by the agent: candidates with their scores, accounts
    leave: bool = False  # it is to leave the present family of ideas


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One discovery: where it happens, what it is about, and its means."""

    run_dir: Path  # transcripts and histories are written here
    shared_dir: Path | None = None  # the trace and the activity, of all contexts; default run_dir
    context: int | None = None  # its number, where several work side by side
    inherited: Inheritance | None = None  # from earlier generations
    hands_over: bool = False  # it ends with a digest for the next generation
    # Why it has worked enough, if it has; asked before each call of the Researcher's model.
    enough: Callable[[], str | None] = lambda: None
    elsewhere: Callable[[], Used] = Used  # spent by other contexts and generations meanwhile
    review_every: int | None = None  # evaluations after which the Supervisor reads, within a turn
    root: Path  # the experiment's folder, working directory of the shell
    problem: str  # the statement of the problem, Markdown: the research goal
    case: str = "case"  # what a measurement repeats over, as the prompts call it
    model: str  # a model name of fast-agent, or "offline"; unused by a command without Supervisor
    agent: AgentCommand | None = None  # works in place of fast-agent's Researcher
    supervised: bool = True  # there is a Supervisor
    record: Record
    sandbox: Sandbox
    layout: Any  # ``openglia.sandbox.choosing.Layout``, handed to ``Sandbox.command``
    # All variables of the shell's commands: Sandbox.environment(...) with OPENGLIA_SCRATCH_DIR,
    # OPENGLIA_RUN_ID and OPENGLIA_EVALUATOR. Nothing is inherited besides.
    environment: Mapping[str, str]
    limits: Limits = field(default_factory=Limits)
    used: Used = field(default_factory=Used)  # of the limits, by earlier processes of the run
    # Told after each call of a model what each agent has used since the start, and the rounds.
    spent: Callable[[Mapping[str, Usage], int], None] | None = None
    say: Callable[[str], None] = _on_the_terminal  # told of provider trouble, line by line
    offline: OfflineTask | None = None  # what the offline model works on
    seed: int = 0  # of the offline model
    resume: bool = False  # continue with the histories in ``run_dir``
    command_timeout: float = 1800.0  # seconds of wall time of one shell command, below an hour
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a discovery ended.

    ``completed``: the Supervisor was content, or there is none and the rounds were made.
    ``limit``: a limit was reached, in good order. ``failed``: the provider, the model or the
    agent's command gave up. ``interrupted``: Ctrl-C or a termination signal. Whatever the status,
    ``account`` holds the last one there is.
    """

    status: Literal["completed", "limit", "failed", "interrupted"]
    reason: str | None  # one line; None when completed
    account: str  # the Researcher's last account, Markdown; may be empty
    digest: str | None = None  # for the next generation, where the Researcher wrote one
    usage: Mapping[str, Usage]  # of "researcher" and "supervisor"
    rounds: int = 0  # turns of the Researcher that were finished
    warnings: Sequence[str] = ()
