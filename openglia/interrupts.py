"""SIGINT, SIGTERM and SIGHUP, wherever they come: one KeyboardInterrupt, raised where it is safe.

Python raises it between any two steps. In an import libraries swallow or disguise it, and in a
clean-up, or between the start of a process and its being known, something would stay behind. So
it is put off while such a call is under way, and what comes after the first signal interrupts
nothing: then all is being tidied up.
"""

import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path
    from subprocess import CompletedProcess

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# Calls that are not broken off, by their qualified name, and all of a kind by their last name.
_WHOLE = {
    "Popen.__init__",
    "TemporaryDirectory.__init__",
    "TemporaryDirectory.cleanup",
    "rmtree",
    "write_atomically",
    "append_json_line",
    "Workers.__enter__",
    "Workers._end",
    "gather_seeds",
}
_WHOLE_KINDS = {"__exit__", "__del__"}
_IMPORTING = "<frozen importlib"
_AGAIN = 0.01  # seconds until a signal that was put off comes again

_armed = False  # whether a signal raises
_waiting: int | None = None  # the first signal that came while none did
_put_off: int | None = None
_came = False


def install() -> None:
    """Handle the signals from now on; those that are ignored (under nohup, say) stay so."""
    global _armed, _waiting
    _armed, _waiting = True, None
    for number in (*SIGNALS, signal.SIGALRM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _deliver_again if number == signal.SIGALRM else _handle)
    sys.unraisablehook = _unraisable


@contextmanager
def handled() -> Iterator[None]:
    """``install`` for a part of a process that may be somebody else's."""
    global _armed
    armed, hook = _armed, sys.unraisablehook
    handlers = {number: signal.getsignal(number) for number in (*SIGNALS, signal.SIGALRM)}
    install()
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        _armed, sys.unraisablehook = armed, hook


def hold() -> None:
    """Remember a signal from now on, and raise nothing."""
    global _armed
    _armed = False


def release() -> None:
    """Let a signal raise again.

    Raises:
        KeyboardInterrupt: one came since ``hold``, or since the last that raised.
    """
    global _armed, _waiting
    came, _waiting = _waiting, None
    if came is not None:
        raise KeyboardInterrupt
    _armed = True


def close() -> bool:
    """Let no signal disturb the end of the process. Whether one came at any time."""
    hold()
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    return _came


def seen() -> None:
    """One came that somebody else handled."""
    global _came
    _came = True


def run(
    argv: "Sequence[str | Path]",
    *,
    environment: Mapping[str, str] | None = None,
    folder: "Path | None" = None,
    seconds: float | None = None,
) -> "CompletedProcess[str]":
    """``subprocess.run`` without input that, when it is broken off, leaves no process behind.

    Raises:
        OSError: there is no such command.
        subprocess.TimeoutExpired: it took longer than ``seconds``.
    """
    import subprocess  # late: this module is the first that every command loads

    with subprocess.Popen(
        argv,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        try:
            output, errors = process.communicate(timeout=seconds)
        except BaseException:
            if process.poll() is None:
                kill_tree(process.pid)
            raise
    return subprocess.CompletedProcess(argv, process.returncode, output, errors)


def kill_tree(pid: int) -> None:
    """Kill a process and all that descend from it, whatever their session."""
    for process in stopped_tree(pid):
        _send(process, signal.SIGKILL)


def stopped_tree(pid: int) -> list[int]:
    """A process and all that descend from it, the first first, each stopped.

    Stopped before it is asked for its children: one that runs on could start another, and one
    that dies (with its parent, say) would leave its children to a stranger, found by nobody.
    """
    tree: list[int] = []
    found = [pid]
    while found:  # another look: a thread may have been starting a process as it was stopped
        for process in found:
            _send(process, signal.SIGSTOP)
        tree += found
        found = [child for process in tree for child in children(process) if child not in tree]
    return tree


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def children(pid: int) -> list[int]:
    """The living children of a process, as far as the system tells (Linux)."""
    from pathlib import Path  # late, likewise

    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):  # this thread is gone, its children have passed to another
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def _handle(number: int, frame: FrameType | None) -> None:
    global _armed, _waiting, _put_off
    seen()
    if not _armed:
        _waiting = _waiting or number
    elif _is_whole(frame):
        _put_off = _put_off or number
        signal.setitimer(signal.ITIMER_REAL, _AGAIN)
    else:
        _armed, _put_off = False, None
        raise KeyboardInterrupt


def _deliver_again(*_: object) -> None:
    """To whoever handles it by now, as an event loop may."""
    global _put_off
    number, _put_off = _put_off, None
    if number is not None:
        signal.raise_signal(number)


def _is_whole(frame: FrameType | None) -> bool:
    while frame is not None:
        code = frame.f_code
        if (
            code.co_qualname in _WHOLE
            or code.co_name in _WHOLE_KINDS
            or code.co_filename.startswith(_IMPORTING)
        ):
            return True
        frame = frame.f_back
    return False


def _unraisable(report: Any) -> None:
    """Where Python swallows exceptions, as in callbacks of its collector, the signal is kept."""
    global _armed, _put_off
    if isinstance(report.exc_value, KeyboardInterrupt):
        _armed, _put_off = True, signal.SIGINT
        signal.setitimer(signal.ITIMER_REAL, _AGAIN)
    else:
        sys.__unraisablehook__(report)
