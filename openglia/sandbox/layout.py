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

# Of the package: the client of the evaluator, and the simulator to read. Not the agents' prompts,
# the reference routers, the rules' tables, the workload generator or the loader of benchmarks: so
# the engine can be read here but not run, and every score goes through the evaluator.
VISIBLE_SOURCES = (
    "__init__.py",
    "__main__.py",
    "cli.py",
    "errors.py",
    "files.py",
    "interrupts.py",
    "paths.py",
    "quantities.py",
    "seeds.py",
    "commands/__init__.py",
    "commands/evaluate.py",
    "commands/progress.py",
    "problems/__init__.py",
    "problems/routing/__init__.py",
    "problems/routing/benchmark/__init__.py",
    "problems/routing/benchmark/definition.py",
    "problems/routing/benchmark/tables.py",
    "problems/routing/hardware",
    "problems/routing/simulator",
    "runs/__init__.py",
    "runs/client.py",
)
VISIBLE_ENVIRONMENT = ("benchmarks", "stubs", "vidur_overrides", "run_all.sh", "run_baseline.sh")
SCHEDULERS = Path("environment/vidur/vidur/scheduler/global_scheduler")
WORKING_SCHEDULER = "ai_global_scheduler.py"
_ETC = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "nsswitch.conf", "alternatives")
_SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_HELD_OUT = "held_out_seeds"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The folders of one run that the agent works with; all absolute."""

    scratch: Path  # writable, kept with the run
    socket_dir: Path  # private to this run: holds the evaluator's socket, and the redacted copies
    root: Path = ROOT  # the experiment


@dataclass(frozen=True, kw_only=True)
class View:
    """What one fenced command sees of the machine, and how it begins."""

    mounts: Sequence["Mount"]
    root: Path  # the experiment: read-only but for what is mounted writable
    folder: Path  # where the command starts
    variables: Mapping[str, str] = field(default_factory=dict)  # set inside, over the caller's
    first: bool = False  # it is the first process of its namespace: with it all others end
    memory_kib: int  # address space of one process


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
    for name in _ETC:
        path = Path("/etc") / name
        if path.exists():
            yield Mount("read-only", path, str(path))


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
    visible = [root / "problem.md"]
    visible += [root / "openglia" / name for name in VISIBLE_SOURCES]
    visible += [root / "environment" / name for name in VISIBLE_ENVIRONMENT]
    visible += [root / "environment" / "vidur"]
    for path in visible:
        if path.exists():
            yield _shown(path)
    for redacted in redacted_benchmarks(layout):
        target = root / "environment" / "benchmarks" / redacted.name
        yield Mount("read-only", target, str(redacted))
    if (root / "environment" / "vidur" / ".git").is_dir():
        yield Mount("tmpfs", root / "environment" / "vidur" / ".git")
    yield from _schedulers(root)
    yield Mount("writable", layout.scratch, str(layout.scratch))
    yield Mount("read-only", layout.socket_dir, str(layout.socket_dir))
    for path in layout.socket_dir.iterdir():
        if path.is_socket():
            yield Mount("socket", path, str(path))


def _schedulers(root: Path) -> Iterator[Mount]:
    """The folder of the working scheduler: writable, for editors that write and rename.

    Its other files stay as they are, and no compiled file can be planted beside them.
    """
    folder = root / SCHEDULERS
    if not folder.is_dir():
        return
    yield Mount("writable", folder, str(folder))
    for path in sorted(folder.iterdir()):
        if path.name == "__pycache__":
            yield Mount("tmpfs", path)
        elif path.is_file() and not path.is_symlink() and _is_simulators(path.name):
            yield _shown(path)


def _is_simulators(name: str) -> bool:
    return name != WORKING_SCHEDULER and not name.startswith(".")  # "." is an editor's own file


def redacted_benchmarks(layout: Layout) -> list[Path]:
    """Copies of the benchmarks that do not name the held-out seeds; written once per run."""
    folder = layout.socket_dir / "benchmarks"
    copies = []
    for path in sorted((layout.root / "environment" / "benchmarks").glob("*.y*ml")):
        copy = folder / path.name
        if not copy.exists():
            write_atomically(copy, redact(path.read_text("utf-8-sig", "replace")))
        copies.append(copy)
    return copies


def redact(text: str) -> str:
    """A benchmark's YAML without its held-out seeds; all else stays, comments where possible.

    A file that is not a mapping shows nothing: it is no benchmark.
    """
    kept, dropping = [], False
    for line in text.splitlines(keepends=True):
        bare = line.strip()
        if line.startswith(_HELD_OUT):
            dropping = True
            kept.append("# The held-out seeds are known to the verification alone.\n")
            continue
        # The value may go on: indented lines, or items and brackets of a list at the margin.
        dropping = dropping and (not bare or line[0] in " \t-]}")
        if not dropping:
            kept.append(line)
    return "".join(kept) if _HELD_OUT not in "".join(kept) else _without_comments(text)


def _without_comments(text: str) -> str:
    import yaml

    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        return "# not a benchmark\n"
    return yaml.safe_dump({k: v for k, v in value.items() if k != _HELD_OUT}, sort_keys=False)


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


def _shown(path: Path) -> Mount:
    return Mount("read-only", path, str(path.resolve()))
