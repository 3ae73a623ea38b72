"""Bubblewrap: does it work here, and the words of its command line (Debian package bubblewrap)."""

import functools
import shutil
import subprocess
from collections.abc import Iterable

from openglia.integrity.layout import Mount

MAX_PROCESSES = 1024
MAX_FILE_KIB = 1024 * 1024  # one file
TMP_BYTES = 512 * 1024 * 1024  # /tmp, fresh for every command

_LIMITS = (
    f'ulimit -c 0; ulimit -v "$1"; ulimit -f {MAX_FILE_KIB}; ulimit -n 1024; '
    f'if [ "$2" = all ]; then ulimit -u {MAX_PROCESSES}; fi; shift 2; exec "$@"'
)
_PROBE_SECONDS = 20


@functools.cache
def problem() -> str | None:
    """Why bubblewrap cannot be used here, in one line; None: it works, tried once a process."""
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed"
    found = attempt([*_NAMESPACES, "--ro-bind", "/", "/", "--proc", "/proc", "true"])
    return found and f"bubblewrap does not work here ({found})"


# Namespaces of its own for everything. A command ends with the process that started it.
_NAMESPACES = (
    *("bwrap", "--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL"),
    *("--die-with-parent", "--hostname", "sandbox"),
)


def fence(mounts: Iterable[Mount]) -> list[str]:
    """The command's beginning: namespaces, a ``/tmp`` of its own, and ``mounts`` in order."""
    words = [*_NAMESPACES, "--proc", "/proc", "--dev", "/dev"]
    words += ["--size", str(TMP_BYTES), "--tmpfs", "/tmp"]
    for mount in mounts:
        words += _words(mount)
    return words


def limited(argv: list[str], *, memory_kib: int, processes: bool) -> list[str]:
    """Run ``argv`` under resource limits.

    The limit on processes counts those of the same user. In a sandbox that is the sandbox's own;
    without one it would be everything of the user's, so it is left out. Linux does not apply it
    to the superuser.
    """
    which = "all" if processes else "some"
    return ["bash", "-c", _LIMITS, "limits", str(memory_kib), which, *argv]


def attempt(argv: list[str]) -> str | None:
    """Why ``argv`` fails, in one line; None if it succeeds."""
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return None
    lines = (done.stderr or done.stdout).strip().splitlines()
    return lines[-1] if lines else f"exit status {done.returncode}"


def _words(mount: Mount) -> list[str]:
    target = str(mount.target)
    match mount.kind:
        case "read-only":
            return ["--ro-bind", mount.source, target]
        case "writable":
            return ["--bind", mount.source, target]
        case "tmpfs":
            return ["--tmpfs", target]
        case "link":
            return ["--symlink", mount.source, target]
