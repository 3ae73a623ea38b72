"""What a run's folder says of it at a moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openglia.discovery.activity import FILE, is_alive
from openglia.files import read_json_lines
from openglia.presenting import spent
from openglia.presenting.tolerant import at, items, mapping, number, text
from openglia.report import data, verdict
from openglia.report.data import Entry, Run

_UNFINISHED = ("running", "unfinished")
_ABSENT = (0, 0)  # the stamp of a file that is not there


@dataclass(frozen=True)
class Doing:
    """What an agent does."""

    kind: str  # thinks, runs, waits
    context: int | None  # where several work side by side
    agent: str
    what: str  # the command's first line, or why it waits
    since: datetime
    seconds: float | None  # how long it waits


@dataclass(frozen=True)
class State:
    """A run at a moment."""

    run: Run
    alive: bool  # whether a process works on it
    moment: datetime  # UTC
    doing: Sequence[Doing]  # while the discovery goes on, by context
    began: datetime | None  # the discovery, in the process that did so last
    before: float  # seconds of discovery in earlier processes

    @property
    def ended(self) -> bool:
        """Whether nothing is to come any more."""
        return not self.alive

    @property
    def killed(self) -> bool:
        """Whether it is unfinished and nobody works on it."""
        return self.ended and self.run.status in _UNFINISHED

    @property
    def phase(self) -> str:
        """What goes on, or how it ended, in a few words."""
        results = self.run.results
        if self.killed:
            return "killed"
        if self.ended:
            return verdict.status(self.run).word
        if self.run.status not in _UNFINISHED:
            return "writing the report"
        if not mapping(results, "baselines"):
            return "measuring the baselines"
        if at(results, "outcome") is None:
            return "discovery"
        verified = number(results, "timings", "verification") is not None
        return "transfer" if verified and at(results, "verification") else "verification"

    @property
    def discovery_seconds(self) -> float | None:
        """Wall time of the discovery so far; None before it."""
        recorded = number(self.run.results, "timings", "discovery")
        if self.phase != "discovery":
            return recorded
        return None if self.began is None else self.before + self.since(self.began)

    def since(self, moment: datetime) -> float:
        """Seconds from a moment to this one."""
        return max((self.moment - moment).total_seconds(), 0.0)

    @property
    def entries(self) -> Sequence[Entry]:
        """The evaluations, oldest first."""
        return self.run.entries

    @property
    def best(self) -> Entry | None:
        """The best clean full evaluation."""
        steps = self.run.best_so_far()
        if not steps:
            return None
        return next(entry for entry in self.entries if entry.number == steps[-1][0])

    @property
    def spent(self) -> spent.Spent:
        """Tokens and money so far."""
        return spent.total(self.run.results)

    def limit(self, name: str) -> float | None:
        """A limit of the run; None is no limit, or not known."""
        return number(self.run.results, "limits", name)

    @property
    def warnings(self) -> list[str]:
        """What the harness warns of."""
        return [str(line) for line in items(self.run.results, "warnings")]


class Watcher:
    """Looks at a run's folder again and again; what has not changed is not read again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._stamps: list[tuple[int, int]] = []
        self._run: Run | None = None
        self._activity: list[Any] = []

    def look(self, moment: datetime | None = None) -> State:
        """The run now.

        Raises:
            UsageError: it is about a problem that this version does not know.
        """
        alive = is_alive(self.folder)  # first: what a process that ended wrote is read then
        files = ("results.json", "evaluations.jsonl", FILE)
        stamps = [_stamp(self.folder / name) for name in files]
        if self._run is None or stamps != self._stamps:
            self._run = data.read(self.folder)
            self._activity = read_json_lines(self.folder / FILE)
            self._stamps = stamps
        return _state(self._run, self._activity, alive, moment or datetime.now(UTC))


def _state(run: Run, activity: list[Any], alive: bool, moment: datetime) -> State:
    began, before = None, 0.0
    doing: dict[int | None, Doing] = {}
    for line in activity:
        kind, since = text(line, "doing"), _moment(text(line, "time"))
        if kind is None or since is None:
            continue
        if kind == "began":
            began, before = since, number(line, "seconds") or 0.0
        context = at(line, "context")
        if kind in ("began", "ended"):
            doing = {}
        if kind in ("thinks", "runs", "waits"):
            doing[context] = Doing(
                kind,
                context,
                text(line, "agent") or "agent",
                text(line, "what") or "",
                since,
                number(line, "seconds"),
            )
    return State(run, alive, moment, [*doing.values()] if alive else [], began, before)


def _moment(value: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return _ABSENT
    return status.st_mtime_ns, status.st_size


def newest(generated: Path) -> Path | None:
    """The run that is under way, else the one that began last; None if there is none."""
    found = []
    if generated.is_dir():
        found = sorted(path for path in generated.iterdir() if data.is_run(path))
    return next((path for path in reversed(found) if is_alive(path)), found[-1] if found else None)
