"""The runs of a study, one after the other, each in a process of its own."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import IO

from openglia import interrupts
from openglia.files import exclusive_lock
from openglia.presenting.tolerant import read_text, text
from openglia.problems.problem import Say
from openglia.report.data import Run, read
from openglia.runs.conduct import LOCK, LOCKED
from openglia.studies.definition import Planned

DONE = ("completed", "limit")  # a run that failed or was interrupted is gone on with


class Runs:
    """What there is of a study: a link to the folder of each run that has begun."""

    def __init__(self, folder: Path, planned: Sequence[Planned]) -> None:
        self.folder = folder
        self.planned = tuple(planned)

    def link(self, planned: Planned) -> Path:
        """Leads to the run's folder as soon as there is one."""
        return self.folder / "runs" / planned.name

    def of(self, planned: Planned) -> Run | None:
        """The run, however far it came; None if it has not begun, or its folder was removed."""
        link = self.link(planned)
        return read(link.resolve()) if (link / "results.json").is_file() else None

    def begun(self) -> Iterator[tuple[Planned, Run]]:
        """All that have begun, in the order of the plan."""
        for planned in self.planned:
            if (run := self.of(planned)) is not None:
                yield planned, run

    def left(self) -> list[Planned]:
        """What is not done yet."""
        done = {planned for planned, run in self.begun() if run.status in DONE}
        return [planned for planned in self.planned if planned not in done]

    def conduct(self, planned: Planned, say: Say) -> Run | None:
        """Begin a run, or go on with it, and return it at its end; None if it did not begin.

        What it says is kept in ``logs/``. A signal ends it in good order.

        Raises:
            OpenGliaError: another run is under way in this checkout.
            KeyboardInterrupt: a signal came; what the run has is saved.
        """
        link = self.link(planned)
        log = self.folder / "logs" / f"{planned.name}.txt"
        words = ["--link", str(link), *planned.words]
        if self.of(planned) is not None:
            words = ["--resume", str(link.resolve()), *_again(planned.words)]
        LOCK.parent.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(LOCK, LOCKED):
            pass  # better said once here than by every run that is left
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as stream:
            _attend([sys.executable, "-P", "-m", "openglia", "run", "--quiet", *words], stream)
        run = self.of(planned)
        if run is None:
            lines = (read_text(log) or "").splitlines()
            last = next((line.strip() for line in reversed(lines) if line.strip()), "no word")
            say(f"{planned}: did not begin: {last}")
        elif run.status not in DONE:
            say(f"{planned}: {run.status}: {text(run.results, 'reason')}; all it said: {log}")
        return run


def _again(words: Sequence[str]) -> list[str]:
    """The options of a run that is gone on with: what it is about is in its folder."""
    return [word for word in words if not word.startswith(("--problem=", "--benchmark="))]


def _attend(command: Sequence[str], output: IO[bytes]) -> None:
    """Run a command to its end; signals that come meanwhile are its own, the second one too.

    Raises:
        KeyboardInterrupt: one came.
    """
    process: subprocess.Popen[bytes] | None = None
    came: list[int] = []

    def hand_on(number: int, _: FrameType | None) -> None:
        interrupts.seen()
        came.append(number)
        if process is not None:
            process.send_signal(number)

    heeded = [n for n in interrupts.SIGNALS if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, hand_on) for number in heeded}
    try:
        # In a session of its own, so that the terminal does not send it the same once more.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        for number in came:
            process.send_signal(number)
        process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        raise KeyboardInterrupt
