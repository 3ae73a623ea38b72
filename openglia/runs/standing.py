"""``report.html`` while a run goes on: written from the first evaluation on, and at each new best.

In a process of its own, of the lowest priority: drawing must not take an evaluation's time, nor
its libraries the harness's memory. That the page cannot be written costs the run nothing.
"""

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from openglia import interrupts, paths
from openglia.runs.folder import RunFolder
from openglia.runs.record import Record

AT_MOST_EVERY = 30.0  # seconds between two pages
STALE = 300.0  # seconds after which a page is due with any evaluation
_LONGEST = 120.0  # seconds that writing one may take


class Standing:
    """Writes the page of one run. A context manager; afterwards no process writes any more."""

    def __init__(self, folder: RunFolder, record: Record) -> None:
        self._folder = folder
        self._record = record
        self._shown: int | None = None  # the best's number when a page was last due
        self._next = -float("inf")  # when a page may be written again
        self._due = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="standing", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the writer under way; what it leaves half written is removed."""
        self._closing.set()
        self._due.set()
        self._thread.join()
        report = self._folder.report
        for half in report.parent.glob(f".{report.name}.*"):
            half.unlink(missing_ok=True)

    def evaluated(self) -> None:
        """An evaluation is on record."""
        best = self._record.best()
        number = None if best is None else best.number
        stale = time.monotonic() > self._next + STALE - AT_MOST_EVERY
        if number != self._shown or stale:
            self._shown = number
            self._due.set()

    def _work(self) -> None:
        while True:
            self._due.wait()
            if self._closing.wait(max(0.0, self._next - time.monotonic())):
                return
            self._due.clear()
            self._next = time.monotonic() + AT_MOST_EVERY
            with suppress(OSError):  # no more processes, say: the next best is shown
                self._write()

    def _write(self) -> None:
        argv = [sys.executable, "-m", "openglia.report", str(self._folder.path), str(os.getpid())]
        with subprocess.Popen(
            argv,
            cwd=paths.ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            until = time.monotonic() + _LONGEST
            while process.poll() is None:
                if self._closing.wait(0.05) or time.monotonic() > until:
                    interrupts.kill_tree(process.pid)
                    return
