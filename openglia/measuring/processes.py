"""Worker processes that cannot outstay their welcome.

Each worker starts in a session of its own. When it ends, fails, or oversteps its time, and when
this process is interrupted, its whole process group is killed, so a candidate's endless loop or a
process that it started is gone with it.
"""

import json
import os
import resource
import select
import selectors
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from openglia import interrupts
from openglia.errors import OpenGliaError
from openglia.measuring.allowance import Allowance

# Address space that an interpreter with its libraries reserves before a simulation starts.
BASE_MEMORY_MB = 4096

# A worker's end is seen this soon even if a process that it left keeps its output open.
_LOOK_EVERY = 0.1  # seconds
_DYING_SECONDS = 2.0  # that a killed process may take, at most

# What a worker needs of our environment. Keys of model providers and the like stay behind.
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "OPENGLIA_VIDUR_COMMIT")


class CancelledError(Exception):
    """The workers were stopped because nobody waits for them any more."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A worker to start. Its standard output is JSON lines, one per finished step."""

    argv: Sequence[str]
    folder: Path  # working directory, and where its standard error goes (``stderr.log``)
    environment: dict[str, str]
    steps: int  # number of lines expected; more are not listened to
    # Longest time between two lines, and from the last to the end; waits for a core not counted.
    step_seconds: float
    start_seconds: float = 60.0  # allowed for starting up, on top of the first step
    memory_mb: int = 2048  # address space above BASE_MEMORY_MB
    link: socket.socket | None = None  # its standard input, instead of none; ours is closed then
    quiet: bool = False  # nobody listens to its standard output


@dataclass
class Worker:
    """A started worker, and how it ended."""

    command: Command
    process: subprocess.Popen[bytes]
    allowance: Allowance  # of the step under way
    ended: bool = False
    timed_out: bool = False
    status: int | None = None  # exit status; None while it runs and when it was killed for time
    closed: bool = False  # its standard output
    _pending: bytes = field(default=b"", repr=False)
    _steps_left: int = field(init=False)

    def __post_init__(self) -> None:
        self._steps_left = self.command.steps

    def stderr(self) -> str:
        """The end of what it wrote to standard error."""
        path = self.command.folder / "stderr.log"
        return path.read_text(errors="replace")[-4096:] if path.exists() else ""

    def read(self) -> Iterator[dict[str, Any]]:
        """Yield the records written since the last call; each allows the time of one more step."""
        stream = self.process.stdout
        while stream is not None and not self.closed:
            data = stream.read(65536)
            if data is None:
                return
            self.closed = not data
            *lines, rest = (self._pending + data).split(b"\n")
            self._pending = rest[-65536:]
            for line in lines:
                with suppress(ValueError):
                    record = json.loads(line)
                    if isinstance(record, dict) and self._steps_left > 0:
                        self._steps_left -= 1
                        self.allowance = Allowance(self.process.pid, self.command.step_seconds)
                        yield record


class Workers:
    """Workers under way; a context manager that leaves no process behind."""

    def __init__(
        self, commands: Sequence[Command], cancelled: threading.Event | None = None
    ) -> None:
        self._commands = commands
        self._cancelled = cancelled
        self._selector = selectors.DefaultSelector()
        self.workers: list[Worker] = []

    def __enter__(self) -> Self:
        """Start them. No signal interrupts this, nor the end (``openglia.interrupts``)."""
        try:
            for command in self._commands:
                self._start(command)
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()
        self._selector.close()

    def events(self) -> Iterator[tuple[Worker, dict[str, Any] | None]]:
        """Yield (worker, record) for every line and (worker, None) when a worker has ended.

        Raises:
            CancelledError: ``cancelled`` was set.
        """
        while running := [worker for worker in self.workers if not worker.ended]:
            self._wait(max(0.0, min(worker.allowance.left() for worker in running)))
            if self._cancelled is not None and self._cancelled.is_set():
                raise CancelledError
            for worker in running:
                exited = _has_exited(worker.process)  # looked at first: then no line is missed
                for record in worker.read():
                    yield worker, record
                worker.timed_out = not exited and worker.allowance.left() <= 0
                if (exited or worker.timed_out) and not worker.ended:
                    self._end(worker)
                    yield worker, None

    def kill(self) -> None:
        """Kill every worker's process group. Safe to repeat."""
        for worker in self.workers:
            self._end(worker)

    def _wait(self, longest: float) -> None:
        """Wait for output or, once a worker's output is closed, for its end."""
        ending = False
        for worker in self.workers:
            if worker.closed and not worker.ended:
                ending = True
                self._forget(worker)
        self._selector.select(min(longest, 0.002 if ending else _LOOK_EVERY))

    def _forget(self, worker: Worker) -> None:
        stream = worker.process.stdout
        if stream is not None and not stream.closed:
            self._selector.unregister(stream)
            stream.close()

    def _start(self, command: Command) -> None:
        with (command.folder / "stderr.log").open("wb") as errors, _startable():
            process = subprocess.Popen(
                command.argv,
                cwd=command.folder,
                env=command.environment,
                bufsize=0,
                stdin=subprocess.DEVNULL if command.link is None else command.link.fileno(),
                stdout=subprocess.DEVNULL if command.quiet else subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        if command.link is not None:
            command.link.close()  # so that either side hears when the other ends
        _limit_memory(process.pid, command.memory_mb + BASE_MEMORY_MB)
        allowance = Allowance(process.pid, command.start_seconds + command.step_seconds)
        worker = Worker(command, process, allowance)
        self.workers.append(worker)
        if process.stdout is not None:
            os.set_blocking(process.stdout.fileno(), False)
            self._selector.register(process.stdout, selectors.EVENT_READ)

    def _end(self, worker: Worker) -> None:
        """Kill the group, whose leader may be gone and have left children, and only then reap."""
        if worker.ended:
            return
        worker.ended = True
        below = _stopped_below(worker.process.pid)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(worker.process.pid, signal.SIGKILL)
        _kill(below)
        status = worker.process.wait()
        _wait_for(below)
        worker.status = None if worker.timed_out else status
        self._forget(worker)


@contextmanager
def _startable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OpenGliaError(
            f"a simulation's process could not be started ({error.strerror}); "
            f"close other programs, or use fewer --jobs"
        ) from None


def oom_kills() -> int:
    """How many processes the kernel has killed since it began because memory ran out (Linux)."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def worker_environment(root: Path) -> dict[str, str]:
    """The environment of a worker: as little as possible, and the same on every call."""
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return environment | {
        "PYTHONPATH": str(root),
        "PYTHONHASHSEED": "0",  # the order of a candidate's sets of strings does not vary
        "WANDB_MODE": "disabled",
        # One measurement is one thread; the cases share the cores.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "NUMBA_NUM_THREADS": "1",
    }


def _has_exited(process: subprocess.Popen[bytes]) -> bool:
    """Whether the process is dead; it stays unreaped, so its number cannot be another's yet."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _stopped_below(pid: int) -> list[int]:
    """Stop a process and all that descends from it, in its session or not; handles on the latter.

    As far as the system has handles.
    """
    handles = []
    for process in interrupts.stopped_tree(pid)[1:]:
        with suppress(OSError, AttributeError):  # gone, or a system without them
            handles.append(os.pidfd_open(process))
    return handles


def _kill(handles: Sequence[int]) -> None:
    for handle in handles:
        with suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)


def _wait_for(handles: Sequence[int]) -> None:
    """Wait until these killed processes are gone, so that none still writes to its folder."""
    deadline = time.monotonic() + _DYING_SECONDS
    for handle in handles:
        select.select([handle], [], [], max(0.0, deadline - time.monotonic()))
        os.close(handle)


def _limit_memory(pid: int, megabytes: int) -> None:
    """Bound the address space of a process and its children to come, from outside."""
    if hasattr(resource, "prlimit"):  # Linux
        size = megabytes << 20
        with suppress(OSError):  # gone, or forbidden here: the worker bounds its simulations itself
            resource.prlimit(pid, resource.RLIMIT_AS, (size, size))


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
