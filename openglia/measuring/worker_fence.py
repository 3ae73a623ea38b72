"""The fence around a worker that measures a candidate: what stands behind the static rules.

A candidate that finds a hole in the rules runs code in the worker's process. Behind a fence
(``openglia.sandbox.fence``) that process has no network, sees no process but its own, reads what
its command names, and writes its job's folder; what it started ends with it, also in another
session. Only where a problem says that its evaluator needs it does it have the machine's network.
"""

import functools
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path

from openglia import paths
from openglia.errors import OpenGliaError
from openglia.sandbox import fence
from openglia.sandbox.fence import Rung
from openglia.sandbox.layout import Mount, View, interpreter_prefixes, system_mounts

# Of the package, what every worker imports.
_GROUND = (
    "__init__.py",
    "errors.py",
    "files.py",
    "interrupts.py",
    "measuring/__init__.py",
    "measuring/allowance.py",
    "paths.py",
    "problems/__init__.py",
)


@functools.cache
def rung() -> Rung | None:
    """The fence that workers run behind; None: they run without one."""
    return None if _interpreter_problem() else fence.find().rung


def problem() -> str | None:
    """Why workers run without a fence here, in one line; None: they are fenced."""
    if rung() is not None:
        return None
    return _interpreter_problem() or fence.find().why


def _interpreter_problem() -> str | None:
    try:
        _prefixes()
    except OpenGliaError:
        return f"the interpreter {sys.executable} lies in the home folder itself"
    return None


def command(
    argv: list[str],
    *,
    folder: Path,
    writable: bool = True,
    sources: Iterable[Path],
    readable: Iterable[Path],
    memory_mb: int,
    network: bool = False,
) -> list[str]:
    """The command that runs a worker's ``argv`` behind the fence; ``argv`` itself without one.

    Args:
        folder: of the job; all that can be written, and only if it is ``writable``.
        sources: modules and packages that it imports beside the ground.
        readable: files and folders: the candidate and what it is measured with.
        memory_mb: address space.
        network: it can reach what this machine reaches.
    """
    used = rung()
    if used is None:
        return argv
    package = paths.ROOT / "openglia"
    imported = [*(package / name for name in _GROUND), *sources]
    for path in imported:
        _compile(path)
    mounts = [*_system(), *map(_shown, (*imported, *readable))]
    mounts.append(Mount("writable" if writable else "read-only", folder, str(folder)))
    # A PATH of ours may lead to folders that are not shown.
    variables = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "TMPDIR": str(folder)}
    view = View(
        mounts=mounts,
        root=paths.ROOT,
        folder=folder,
        variables=variables,
        first=True,
        memory_kib=memory_mb * 1024,
        network=network,
    )
    return used.command(view, argv)


@functools.cache
def _prefixes() -> tuple[Path, ...]:
    found = interpreter_prefixes(paths.ROOT, Path(sys.executable))
    environment = Path(sys.prefix)
    return (*found, *(() if environment.is_relative_to("/usr") else (environment,)))


def _system() -> Iterator[Mount]:
    yield from system_mounts()
    yield Mount("tmpfs", paths.ROOT)  # hides what a system folder above would show of it
    for prefix in _prefixes():
        yield _shown(prefix)


def _compile(source: Path) -> None:
    """A worker cannot keep what it compiled, so it is compiled here, where it has changed."""
    for path in source.glob("*.py") if source.is_dir() else ():
        compiled = Path(cache_from_source(str(path)))
        if not compiled.exists() or compiled.stat().st_mtime < path.stat().st_mtime:
            import py_compile  # late: seldom needed

            with suppress(OSError, py_compile.PyCompileError):
                py_compile.compile(str(path), quiet=1)


def _shown(path: Path) -> Mount:
    return Mount("read-only", path, str(path.resolve()))
