"""The door between the harness and what it improves: all that a problem gives, and nothing else.

A ``Problem`` is one setting to be scored on (a benchmark, a folder). Whatever the harness does,
from the first baseline to the repetition of a verification, it does through these methods. What a
user chooses from is a ``Kind`` of problem (``openglia.problems.registry``). Only the abstract parts
have to be written; the rest suits a problem with one file to edit and one number per case.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from openglia.errors import UsageError
from openglia.files import sha256, write_atomically
from openglia.paths import ROOT
from openglia.presenting.presentation import Presentation
from openglia.presenting.score import Case, Line
from openglia.problems.asked import RefusedError, chosen
from openglia.problems.space import OfflineTask
from openglia.sandbox.layout import Workplace

if TYPE_CHECKING:
    from openglia.measuring.cluster import Cluster

Say = Callable[[str], None]
Progress = Callable[[int, int], None]  # cases done, cases in all
MAX_SOURCE_BYTES = 256 * 1024


@dataclass(frozen=True)
class Look:
    """What a measurement is over."""

    cases: tuple[Case, ...]
    asked: Mapping[str, Any] = field(default_factory=dict)  # by an agent, as the record keeps it
    extent: float | None = None  # how much of each case, where a problem has such a thing


@dataclass(frozen=True)
class Check:
    """One line of ``integrity.checks`` in results.json."""

    name: str
    outcome: Literal["passed", "failed", "skipped"]
    evidence: str


class Problem(ABC):
    """One setting that candidates are scored on."""

    kind: ClassVar[str]  # in the registry
    presentation: Presentation
    name: str
    hash: str  # over all that decides a score of one case
    cases: tuple[Case, ...]  # evaluation cases, which agents may use
    held_out_cases: tuple[Case, ...] = ()  # seen by the final verification alone
    baselines: tuple[str, ...]
    working_file: Path  # that agents edit; absolute
    # Files and folders below the experiment's, besides the package, that decide a score.
    sources: tuple[str, ...] = ()
    unseen: tuple[Path, ...] = ()  # files of the user's that hold held-out cases; absolute
    offline: OfflineTask | None = None  # what the offline researcher searches
    noisy: bool = False  # scores of the same candidate differ, and that is no fault
    room: int | None = None  # cases measured at a time, where it is not one for each core here

    @property
    def start(self) -> Path:
        """The candidate that every run starts from."""
        assert self.presentation.start is not None
        return self.presentation.start

    @property
    def everything(self) -> Look:
        """All evaluation cases."""
        return Look(self.cases)

    @property
    def held_out(self) -> Look:
        """All held-out cases."""
        return Look(self.held_out_cases)

    # What agents are told and may do.

    @abstractmethod
    def statement(self, measured: str) -> str:
        """The problem in words, Markdown; ``measured``: the baselines on this machine, a table."""

    def brief(self) -> str:
        """The problem for an author without shell and files, such as an optimizer's model."""
        return self.statement("")

    @property
    @abstractmethod
    def workplace(self) -> Workplace:
        """What of the experiment agents see and edit."""

    def prepare(self, source: bytes | None = None, root: Path = ROOT) -> None:
        """Put the start (or ``source``) in the working file's place.

        Args:
            root: what holds the working file: the experiment, or one context's own view of it.

        Raises:
            OpenGliaError: it cannot be written.
        """
        target = root / self.working_file.relative_to(ROOT)
        write_atomically(target, source or self.start.read_bytes())

    def look(self, asked: Mapping[str, Any]) -> Look:
        """What an agent asks for; the keys of ``asked`` are the problem's own, hostile input.

        Raises:
            RefusedError: with the reason. Held-out cases are always refused.
        """
        if not asked.keys() <= {"cases"}:
            raise RefusedError("a request has the keys source and cases")
        cases = asked.get("cases")
        if cases is None:
            return Look(self.cases, {"cases": None})
        return Look(chosen(cases, self.cases, self.presentation.case), {"cases": cases})

    # Measuring.

    @abstractmethod
    def measure(
        self,
        candidate: Path,
        look: Look,
        *,
        output: Path | None = None,
        jobs: int | None = None,
        progress: Progress | None = None,
        cancelled: threading.Event | None = None,
    ) -> Line:
        """Score a candidate's file. A candidate that fails is a line too, never an exception.

        The line's form is told in ``openglia.presenting.score``, that of constraints too.

        Args:
            output: keep what else was measured there.
            jobs: processes at a time at most; default as many as suit this machine.
            cancelled: once set, all processes are killed.

        Raises:
            CancelledError: it was cancelled.
            OpenGliaError: the harness, not the candidate, is in trouble.
        """

    @abstractmethod
    def measure_baseline(self, name: str, look: Look) -> Line:
        """Likewise a baseline."""

    def on(self, _cluster: "Cluster") -> "Problem":
        """The same, measured on a cluster's machines; an error where they cannot, or not alike."""
        raise UsageError(f"a {self.kind} problem is measured on this machine: leave out --cluster")

    def fingerprint(self) -> str | None:
        """What else than ``hash``, the harness and its packages decides a score on this machine.

        None: that cannot be told, and no score is ever taken from an earlier measurement.
        """
        return ""

    def failed(self, rule: str, reason: str, look: Look, source: str | bytes | None = None) -> Line:
        """The line of a candidate that was not measured."""
        keys = self.presentation.keys
        return {
            "status": "failed",
            keys.candidate: None if source is None else sha256(source)[:12],
            keys.cases: list(look.cases),
            "full": False,
            "rule": rule,
            "reason": reason,
            "detail": "",
        }

    def told(self, line: Line) -> str:
        """A line as agents read it in their shell."""
        score, shown = self.presentation.score(line), self.presentation
        where = f"{self.name}, {shown.listed(score.cases)}{'' if score.full else ' (partial)'}"
        if score.value is None:
            detail = [f"    {text}" for text in str(line.get("detail") or "").splitlines()]
            return "\n".join([f"{where}: FAILED, no score", f"  {score.reason}", *detail])
        ratio = "" if score.ratio is None else f", {score.ratio:.3f} of {shown.yardstick_label}"
        value = f"{shown.objective.words} {shown.objective.shown(score.value)}{ratio}"
        return "\n  ".join([where, value, *score.constraints])

    # The run's folder, and going on from it.

    def describe(self) -> dict[str, Any]:
        """What results.json says of the problem; ``problem`` is read by every kind."""
        return {
            "problem": {
                "kind": self.kind,
                "name": self.name,
                "hash": self.hash,
                "cases": list(self.cases),
                "held_out_cases": list(self.held_out_cases),
            }
        }

    def state(self) -> dict[str, Any]:
        """What results.json says of this machine, which may be another one when a run goes on."""
        return {}

    def of_line(self, _line: Line) -> dict[str, Any]:
        """What results.json says besides, once something was measured."""
        return {}

    def keep(self, folder: Path) -> None:  # noqa: B027 - a problem may need no more than results.json
        """Write into a run's folder what the run was scored on, for people and commands.

        Raises:
            OpenGliaError: the folder cannot be written.
        """

    def differs(self, results: Mapping[str, Any]) -> str | None:
        """Why a run's recorded scores do not compare with this problem's; None: they do."""
        known = results.get("problem") or {}
        if (known.get("hash"), known.get("cases")) == (self.hash, list(self.cases)):
            return None
        return (
            f"was scored on {known.get('name')} (hash {known.get('hash')}) and not on {self.name}"
        )

    def remark(self, _results: Mapping[str, Any]) -> str | None:
        """A line if what the run was started with has changed since; it is scored on as it was."""
        return None

    def comparable(self, _results: Mapping[str, Any], _line: Line) -> bool:
        """Whether this machine's figures must be the run's to the last bit."""
        return True

    def introduction(self) -> list[str]:
        """Lines that a run begins with: everything that its user may not expect."""
        return []

    # Verification.

    def difference(self, _first: Path, _second: Path, _case: Case) -> str | None:
        """What differs in two measurements of one case, by their output folders; None: nothing.

        The scores themselves are compared by the harness.
        """
        return None

    def measure_isolated(self, _candidate: Path, _look: Look, _output: Path) -> Line | str | None:
        """Score a candidate in a process that holds nothing of what it is measured on and with.

        Returns:
            The line, which for an honest candidate is that of ``measure``; why there is none here,
            in one line; or None: the problem has no such measurement.
        """
        return None

    def confirm(self, _final: Path, _say: Say) -> dict[str, Any] | None:
        """Measure the final candidate by a second measurer, where there is one.

        Returns:
            The ``agreement`` of results.json, with ``agrees`` and, if it is false,
            ``disagreement``: that in words.
        """
        return None

    def other_settings(self, names: Sequence[str] | None = None) -> "list[Problem]":
        """Other settings that a run's final candidate is measured on; None: the problem's choice.

        Raises:
            UsageError: there is no setting of that name.
        """
        if names:
            raise UsageError(f"{self.name} has no other settings: leave out --transfer")
        return []

    def examine(self) -> list[Check]:
        """Check, and put right, what measures."""
        return []


def source_of(path: Path) -> bytes:
    """A candidate's file.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
