"""What of a machine and of this experiment an agent's command can see, and what it can write.

A list of mounts that knows nothing of the program that makes them. Everything not listed is
hidden: the home folder, ``.git``, the tests, other runs, the cache with its traces, and of
``openglia/`` all but what the agent's own commands import and the simulator's sources.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from openglia.errors import OpenGliaError
from openglia.files import write_atomically
from openglia.paths import ROOT

# Of the package: what an agent's own command imports, which asks the evaluator for a score.
VISIBLE_SOURCES = (
    "__init__.py",
    "__main__.py",
    "cli.py",
    "client.py",
    "errors.py",
    "files.py",
    "interrupts.py",
    "paths.py",
    "quantities.py",
    "tables.py",
    "commands/__init__.py",
    "commands/progress.py",
    "commands/restore.py",
    "commands/score.py",
    "problems/__init__.py",
    "runs/__init__.py",
    "runs/client.py",
    "runs/messages.py",
)
PATH = ("/usr/local/bin", "/usr/bin", "/bin")  # after the experiment's own
_ETC = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "nsswitch.conf", "alternatives")
# What finds hosts and trusts their certificates; never a machine's own keys, which lie beside them.
_NETWORK = (
    *("resolv.conf", "hosts", "host.conf", "gai.conf", "services", "protocols"),
    *("ca-certificates", "ssl/certs", "ssl/openssl.cnf", "pki/tls/certs", "pki/tls/cert.pem"),
    *("pki/tls/openssl.cnf", "pki/ca-trust"),
)
_SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """What of the experiment the agents on one problem need; paths are below its folder."""

    working_file: Path  # its folder can be written, the other files in it cannot
    readable: Sequence[Path] = ()  # files and folders, as they are
    results: Path | None = None  # folder that each evaluation fills anew, to read
    replaced: Mapping[Path, str] = field(default_factory=dict)  # files with another text
    hidden: Sequence[Path] = ()  # folders shown empty


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The folders of one run that the agent works with; all absolute."""

    scratch: Path  # writable, kept with the run
    socket_dir: Path  # private to this run: holds the evaluator's socket, and the replaced files
    workplace: Workplace
    root: Path = ROOT  # the experiment
    view: Path | None = None  # instead of ``root`` for the working file and the results, if any
    readable: Sequence[Path] = ()  # besides, as they are
    own: "Program | None" = None  # the user's, in the place of an agent of ours

    @property
    def path(self) -> str:
        """The variable PATH inside."""
        own = self.own.folders if self.own is not None else ()
        return ":".join(map(str, (self.root / ".venv" / "bin", *PATH, *own)))


@dataclass(frozen=True, kw_only=True)
class Program:
    """What a program of the user's needs inside, besides the experiment."""

    readable: Sequence[Path] = ()  # files and folders; absolute
    folders: Sequence[Path] = ()  # that hold programs, for PATH
    network: bool = False


@dataclass(frozen=True, kw_only=True)
class View:
    """What one fenced command sees of the machine, and how it begins."""

    mounts: Sequence["Mount"]
    root: Path  # the experiment: read-only but for what is mounted writable
    folder: Path  # where the command starts
    variables: Mapping[str, str] = field(default_factory=dict)  # set inside, over the caller's
    first: bool = False  # it is the first process of its namespace: with it all others end
    memory_kib: int  # address space of one process
    data_alone: bool = False  # only what it fills counts: runtimes such as Node.js reserve more
    network: bool = False  # the machine's own, with its loopback and abstract sockets; else none

    @property
    def shown(self) -> Sequence["Mount"]:
        """All mounts; with a network also what finds hosts and trusts their certificates."""
        return (*self.mounts, *_etc(_NETWORK)) if self.network else self.mounts


@dataclass(frozen=True)
class Mount:
    """``source`` appears at ``target``; later ones lie over earlier ones.

    tmpfs: an empty folder; link: a symbolic link; socket: one in a shown folder to connect to.
    """

    kind: Literal["read-only", "writable", "tmpfs", "link", "socket"]
    target: Path
    source: str = ""


def system_mounts() -> Iterator[Mount]:
    """The operating system's programs and libraries, without its configuration and data."""
    yield Mount("read-only", Path("/usr"), "/usr")
    for name in _SYSTEM:
        path = Path(name)
        if path.is_symlink():
            yield Mount("link", path, str(path.readlink()))
        elif path.is_dir():
            yield Mount("read-only", path, name)
    yield from _etc(_ETC)


def experiment_mounts(layout: Layout) -> Iterator[Mount]:
    """The experiment as an agent needs it, at the same paths as outside.

    Raises:
        OpenGliaError: the interpreter of ``.venv`` lies where binding it would show a home folder.
    """
    root = layout.root
    yield Mount("tmpfs", root)  # hides what a system folder above would show of it
    for prefix in interpreter_prefixes(root):
        yield Mount("read-only", prefix, str(prefix.resolve()))
    yield _shown(root / ".venv")
    # A package that is installed as a copy would show what is hidden below.
    for copy in sorted((root / ".venv").glob("lib/python*/site-packages/openglia")):
        yield Mount("tmpfs", copy)
    place = layout.workplace
    visible = [root / "openglia" / name for name in VISIBLE_SOURCES]
    visible += [root / path for path in place.readable]
    for path in visible:
        if path.exists():
            yield _shown(path)
    for name, text in place.replaced.items():
        copy = layout.socket_dir / "replaced" / name
        if not copy.exists():
            write_atomically(copy, text)
        yield Mount("read-only", root / name, str(copy))
    if layout.own is not None:
        yield from _own(layout.own, root)
    for path in place.hidden:
        if (root / path).is_dir():
            yield Mount("tmpfs", root / path)
    view = layout.view or root
    yield from _around(place.working_file, root, view)
    if place.results is not None and view != root:
        yield Mount("read-only", root / place.results, str(view / place.results))
    for path in layout.readable:
        yield _shown(path)
    yield Mount("writable", layout.scratch, str(layout.scratch))
    yield Mount("read-only", layout.socket_dir, str(layout.socket_dir))
    for path in layout.socket_dir.iterdir():
        if path.is_socket():
            yield Mount("socket", path, str(path))


def _own(program: Program, root: Path) -> Iterator[Mount]:
    """What the user shows, and the interpreters of the virtual environments in it."""
    for path in program.readable:
        if (path / "pyvenv.cfg").exists():
            for prefix in interpreter_prefixes(root, path / "bin" / "python"):
                yield Mount("read-only", prefix, str(prefix.resolve()))
        yield _shown(path)


def _around(name: Path, root: Path, view: Path) -> Iterator[Mount]:
    """The folder of the working file: writable, for editors that write and rename.

    Its other files stay as they are, and no compiled file can be planted beside them.
    """
    working_file = root / name
    folder = working_file.parent
    if not folder.is_dir():
        return
    yield Mount("writable", folder, str((view / name).parent))
    for path in sorted(folder.iterdir()):
        if path.name == "__pycache__":
            yield Mount("tmpfs", path)
        elif path == working_file or path.name.startswith("."):  # "." is an editor's own file
            continue
        elif path.is_file() and not path.is_symlink():
            yield _shown(path)


def interpreter_prefixes(root: Path, python: Path | None = None) -> list[Path]:
    """Where the interpreter behind ``.venv`` lives, by every path that leads there; not /usr.

    Args:
        root: the experiment.
        python: of another virtual environment than ``.venv``.

    Raises:
        OpenGliaError: it lies where showing it would show a home folder or the experiment.
    """
    home = Path.home().resolve()
    found = []
    path = python or root / ".venv" / "bin" / "python"
    hops = [path]
    while path.is_symlink() and len(hops) < 16:
        path = path.parent / path.readlink()
        hops.append(path)
    for hop in [*hops[1:], path.resolve()]:
        # Only `..` parts are worked out: a link in the path must exist inside under its own name.
        prefix = Path(os.path.normpath(hop)).parent.parent
        if prefix.is_relative_to("/usr") or prefix.is_relative_to(root / ".venv"):
            continue
        if home.is_relative_to(prefix.resolve()) or root.is_relative_to(prefix.resolve()):
            raise OpenGliaError(
                f"the interpreter of .venv lives in {prefix}, which cannot be shown to an agent; "
                f"make .venv with another Python, or accept --sandbox none"
            )
        if prefix not in found:
            found.append(prefix)
    return found


def _etc(names: Sequence[str]) -> Iterator[Mount]:
    for name in names:
        path = Path("/etc") / name
        if path.exists():
            yield _shown(path)


def _shown(path: Path) -> Mount:
    return Mount("read-only", path, str(path.resolve()))
