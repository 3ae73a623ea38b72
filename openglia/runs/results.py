"""``results.json``: begun with the run, saved after every step, so that a kill loses one step.

The types hold what every problem's run has. What else a problem says of itself (routing: benchmark,
simulator, execution_times, vidur), and what other versions wrote, is kept as it is.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from openglia import __version__
from openglia.discovery.experiment import AgentCommand, Limits, Usage
from openglia.errors import OpenGliaError
from openglia.files import write_json
from openglia.problems.problem import Check
from openglia.runs.folder import RunFolder
from openglia.runs.transferred import Transfer

UNFINISHED = "running"  # the status until the run is finished
FORMAT = 2  # 1: without ``format`` and ``problem``


class _Part(BaseModel):
    """Unknown fields are kept."""

    model_config = ConfigDict(extra="allow")


class Contestant(_Part):
    """What was measured of one candidate: the problem's lines."""

    evaluation: dict[str, Any] | None = None  # on the evaluation cases
    held_out: dict[str, Any] | None = None


class Final(_Part):
    """The candidate that the run stands behind."""

    candidate: str  # its file in the run's folder
    number: int  # of its evaluation
    sha256: str
    evaluation: dict[str, Any]
    held_out: dict[str, Any] | None = None


class Worse(_Part):
    """A figure that is higher than the yardstick's, which is here by the yardstick's own name.

    ``ratio`` holds the one case by case, or ``difference`` where a zero leaves none; ``words`` the
    least of it: p99 (1.31 times).
    """

    figure: str = ""
    line: str | None = None  # all of it in words; runs of early versions have none
    clear: bool = False  # whether the interval as a whole lies above equality
    final: float | None = None
    interval: tuple[float, float] | None = None


class Verification(_Part):
    """What the final verification found; the held-out cases are here by the problem's own name."""

    gain_evaluation: float | None = None  # by the means, as a share of the yardstick's
    gain_held_out: float | None = None
    overfitting: bool | None = None  # less than 80 % of the gain is left on held-out cases
    no_gain: bool | None = None  # the interval (without one: the ratio) reaches equality
    ratio_held_out: float | None = None  # to the yardstick, geometric mean over held-out cases
    ratio_interval: tuple[float, float] | None = None  # 90 %, cases resampled in pairs
    ratio_seeds: int | None = None  # how many cases
    difference_held_out: float | None = None  # instead, where a zero leaves no ratio
    difference_interval: tuple[float, float] | None = None
    worse: list[Worse] = []
    deterministic: bool | None = None
    repeat_reason: str | None = None  # why it is not
    isolation: Check | None = None  # whether it is the same apart from what measures it
    agreement: dict[str, Any] | None = None  # with a second measurer; the problem's


class Ended(_Part):
    """How the discovery ended."""

    status: str
    reason: str | None = None


class StageResult(_Part):
    """One generation of one context, of a run with several."""

    context: int
    generation: int
    rounds: int = 0
    usage: dict[str, Usage] = {}  # by agent
    outcome: Ended | None = None  # None: it is under way, or its process was killed
    account: str = ""

    @property
    def goes_on(self) -> bool:
        """Whether a run that is resumed takes it up again."""
        return self.outcome is None or self.outcome.status in ("interrupted", "failed")

    @property
    def ends_chain(self) -> bool:
        """Whether no generation follows."""
        return self.goes_on


class Leader(_Part):
    """The best candidate of one context, so that it can be seen what choosing among them gains."""

    context: int
    number: int  # of its evaluation
    candidate: str  # its file in the run's folder
    chosen_from: int  # clean full evaluations of the context
    evaluation: dict[str, Any]
    held_out: dict[str, Any] | None = None


class Integrity(_Part):
    """The harness's checks of itself."""

    ok: bool
    checks: list[Check]

    def add(self, check: Check) -> None:
        """One more."""
        self.checks.append(check)
        self.ok = self.ok and check.outcome != "failed"


class Counts(_Part):
    """Evaluations; ``full`` ones were on all evaluation cases."""

    total: int = 0
    clean: int = 0
    failed: int = 0
    full: int = 0


class Fence(_Part):
    """The sandbox around the agents' commands."""

    name: str
    why: str
    gaps: list[str] = []  # what it does not deny


class Results(_Part):
    """All figures of a run."""

    format: int = 1
    openglia: str = __version__
    run_id: str
    status: str = UNFINISHED
    reason: str | None = None
    started: str | None = None
    ended: str | None = None
    elapsed_seconds: float = 0.0
    baselines: dict[str, Contestant] = {}
    stub: Contestant | None = None  # the candidate that the run started from
    final: Final | None = None
    verification: Verification | None = None
    transfer_to: list[str] | None = None  # other settings as the user named them; None: by default
    transfer: Transfer | None = None
    integrity: Integrity | None = None
    contexts: int = 1
    generations: int = 1
    stagnation: int | None = None  # evaluations in a row without gain that end a generation
    share_digest: bool = False
    review_every: int | None = None
    cluster: str | None = None  # that measured during the discovery; the verification never
    stages: list[StageResult] = []  # of runs with several contexts or generations
    leaders: list[Leader] = []  # likewise
    evaluations: Counts = Counts()
    usage: dict[str, Usage] = {}  # by agent: tokens, and US$ of the calls whose price is known
    prices: str | None = None  # the table of prices with its version
    rounds: int = 0
    timings: dict[str, float] = {}  # wall seconds by part
    warnings: list[str] = []
    account: str = ""
    outcome: Ended | None
    model: str = ""  # that fast-agent asked; empty if none
    model_why: str = ""
    agent: AgentCommand | None = None  # worked in the Researcher's place
    supervised: bool = True
    seed: int = 0
    limits: Limits = Limits()
    versions: dict[str, Any] = {}
    sandbox: Fence | str | None = None  # early versions: its name
    harness_sha256: str | None = None
    resumed: list[str] = []

    def to_json(self) -> dict[str, Any]:
        """As the file holds it, and as presentations read it."""
        return self.model_dump()

    def say_too(self, fields: Mapping[str, Any]) -> None:
        """Take over what the problem says of itself."""
        for name, value in fields.items():
            setattr(self, name, value)

    def warn(self, line: str) -> None:
        """Add a warning, once."""
        if line not in self.warnings:
            self.warnings.append(line)

    def stage(self, context: int, generation: int) -> StageResult | None:
        """What is kept of a generation that has begun."""
        found = (
            one for one in self.stages if (one.context, one.generation) == (context, generation)
        )
        return next(found, None)

    @property
    def on_evaluation_cases(self) -> dict[str, dict[str, Any]]:
        """Lines on the evaluation cases by name: the baselines, ``stub`` and ``final``."""
        return {n: c.evaluation for n, c in self._contestants().items() if c.evaluation}

    @property
    def on_held_out_cases(self) -> dict[str, dict[str, Any]]:
        """Likewise on the held-out cases."""
        return {n: c.held_out for n, c in self._contestants().items() if c.held_out}

    def _contestants(self) -> dict[str, Contestant | Final]:
        named: dict[str, Contestant | Final] = {**self.baselines}
        named |= {"stub": self.stub} if self.stub else {}
        return named | ({"final": self.final} if self.final else {})


def load(folder: RunFolder) -> Results:
    """Read a run's results, of this version or an earlier one.

    Raises:
        OpenGliaError: the file is damaged, or a later version's.
    """
    try:
        results = Results.model_validate_json(folder.results.read_bytes())
    except OSError as error:
        raise OpenGliaError(f"{folder.results} cannot be read: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        words = ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"])))
        raise OpenGliaError(f"{folder.results} is not a run's results: {words}") from None
    if results.format > FORMAT:
        raise OpenGliaError(
            f"{folder.results} was written by OpenGLIA {results.openglia}, and this is "
            f"{__version__}: use that version"
        )
    return results


def save(folder: RunFolder, results: Results) -> None:
    """Write the results, atomically.

    Raises:
        OpenGliaError: the folder is gone or the disk is full.
    """
    if not folder.path.is_dir():
        raise OpenGliaError(f"the run's folder {folder.path} was deleted; start a new run")
    try:
        write_json(folder.results, results.to_json())
    except OSError as error:
        raise OpenGliaError(
            f"{folder.results} cannot be written: {error.strerror}; make room, then run: "
            f"openglia finish {folder.path}"
        ) from None


def now() -> str:
    """This moment, ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
