"""What the agents do just now, for whoever watches the run: ``activity.jsonl`` in its folder.

One line for each thing begun, which lasts until the next line. The file tells too whether the
run's process lives: it holds a lock on it, which the kernel takes back however the process ends.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from openglia.files import append_json_line

if TYPE_CHECKING:
    from openglia.discovery.redaction import Redactor

FILE = "activity.jsonl"
_LONGEST = 200  # characters that are kept of a command or an error

# began: the discovery, in this process; thinks: a model is asked; runs: a command; waits: until a
# provider is asked again; ended: the discovery.
Doing = Literal["began", "thinks", "runs", "waits", "ended"]


class Activity:
    """Writes the file. What it says is for people: that it cannot be written ends no run."""

    def __init__(self, run_dir: Path, redactor: "Redactor", context: int | None = None) -> None:
        self._path = run_dir / FILE
        self._redactor = redactor
        self._context = {} if context is None else {"context": context}

    def began(self, before: float) -> None:
        """The discovery begins; ``before``: seconds of it in earlier processes of the run."""
        self._note("began", seconds=round(before, 3))

    def thinks(self, agent: str) -> None:
        """The agent's model is asked."""
        self._note("thinks", agent=agent)

    def runs(self, agent: str, command: str) -> None:
        """The agent runs a command, of which the first line that says something is kept."""
        lines = (line.strip() for line in self._redactor.text(command).splitlines())
        self._note("runs", agent=agent, what=next(filter(None, lines), "")[:_LONGEST])

    def waits(self, agent: str, why: str, seconds: float | None) -> None:
        """The agent's model is in trouble and is asked again, in so many seconds if known."""
        what = self._redactor.text(why)[:_LONGEST]
        self._note("waits", agent=agent, what=what, seconds=seconds)

    def ended(self) -> None:
        """The discovery ended."""
        self._note("ended")

    def _note(self, doing: Doing, **more: Any) -> None:
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        with suppress(OSError):
            line = {"time": moment, "doing": doing, **self._context, **more}
            append_json_line(self._path, line, durable=False)


@contextmanager
def alive(run_dir: Path) -> Iterator[None]:
    """While entered, ``is_alive`` holds of the run."""
    with (run_dir / FILE).open("ab") as stream:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def is_alive(run_dir: Path) -> bool:
    """Whether a process works on the run, on this machine."""
    try:
        with (run_dir / FILE).open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
