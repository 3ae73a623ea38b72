"""Landlock: a fence without namespaces, for containers and hosted notebooks that forbid them.

The package ``sandlock`` makes it of the kernel's Landlock and a filter of system calls. It names
what may be read and written, and cannot make one file appear in the place of another; so what
bubblewrap would lay over something is hidden here, and a folder of which only some files may be
written can be written in those files alone.
"""

import atexit
import functools
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from openglia.paths import ROOT
from openglia.sandbox.bubblewrap import MAX_PROCESSES, attempt, limited
from openglia.sandbox.layout import Mount, View

# What this fence does not deny, as said to the user; each was tried.
GAPS = (
    "names, sizes and times of hidden files can be told; modes, times and attributes of the "
    "user's own can be changed",
    "the working file can be written to, not replaced by another file as sed -i does",
    "what a command leaves running ends with it only as far as its processes can be followed",
)

_DEVICES = ("null", "zero", "full", "random", "urandom")
_WRAPPER = "openglia.sandbox.confined"


@functools.cache
def problem() -> str | None:
    """Why Landlock cannot be used here, in one line; None: it works, tried once a process."""
    if find_spec("sandlock") is None:
        return "sandlock is not installed"
    policy = json.dumps({"readable": ["/"], "folder": "/"})
    found = attempt([sys.executable, str(_wrapper()), policy, "true"])
    return found and f"Landlock does not work here ({found})"


def command(view: View, argv: list[str]) -> list[str]:
    """The command that runs ``argv`` in ``view``, without a ``/tmp``, under limits."""
    readable, writable, denied = _sorted(view.shown)
    package = _package(view)
    policy = {
        "readable": [*readable, str(package), "/proc", *(f"/dev/{name}" for name in _DEVICES)],
        "writable": [*writable, "/dev/null"],
        "denied": denied,
        "folder": str(view.folder),
        "variables": {
            **view.variables,
            "PYTHONPATH": str(package),
            "OPENGLIA_PACKAGE": str(package),  # for the scripts, which set the other
            "GIT_CONFIG_NOSYSTEM": "1",  # Git ends where it may not look
        },
        "processes": MAX_PROCESSES,
        "network": view.network,
    }
    inner = limited(argv, memory_kib=view.memory_kib, data_alone=view.data_alone, processes=False)
    return [sys.executable, str(_wrapper()), json.dumps(policy), *inner]


def _package(view: View) -> Path:
    """A folder from which Python can import what is shown of the package.

    To import, Python lists the folder, and Landlock cannot allow to list without allowing to
    read. So the shown parts are linked to in a folder that holds nothing else.
    """
    package = view.root / "openglia"
    shown = {mount.target for mount in view.mounts if mount.kind == "read-only"}
    return _links(frozenset(path for path in shown if path.is_relative_to(package)), view.root)


@functools.cache
def _links(targets: frozenset[Path], root: Path) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="openglia-package-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for target in targets:
        link = folder / target.relative_to(root)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)
    return folder


def _wrapper() -> Path:
    return ROOT / "openglia" / "sandbox" / "confined.py"


def _sorted(mounts: Sequence[Mount]) -> tuple[list[str], list[str], list[str]]:
    """Paths to read, to write, and to deny although something above them may be read."""
    readable: list[str] = []
    writable: list[str] = []
    denied: list[str] = []
    for number, mount in enumerate(mounts):
        after = [later.target for later in mounts[number + 1 :]]
        target = mount.target
        match mount.kind:
            case "read-only":
                readable.append(mount.source)
                if target.resolve() != Path(mount.source):
                    denied.append(str(target))
            case "writable" if any(path.is_relative_to(target) for path in after):
                readable.append(mount.source)
                writable += _uncovered(Path(mount.source), after)
            case "writable" | "socket":
                writable.append(mount.source)
            case "tmpfs" if target.exists():
                if not any(path.is_relative_to(target) for path in after):
                    denied.append(str(target))
    return readable, writable, denied


def _uncovered(folder: Path, covered: Sequence[Path]) -> list[str]:
    """The files of a folder that nothing lies over."""
    return [str(path) for path in folder.iterdir() if path.is_file() and path not in covered]
