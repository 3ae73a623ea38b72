"""A problem's folder, read: which file is what, and a pristine copy that nobody edits.

The copy lies in the cache under its hash, without compiled files: a stale or planted one is never
used. What agents can write is none of it.
"""

import ast
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openglia import paths
from openglia.errors import OpenGliaError, UsageError
from openglia.files import read_handed_over, sha256
from openglia.presenting.tolerant import number, text
from openglia.problems.folder.settings import Settings, read_settings
from openglia.problems.yaml_file import read_mapping

EVALUATOR = "evaluator.py"
TIMEOUT = 300.0  # seconds, where nothing says another
LARGEST = 500 * 2**20  # bytes that a folder may hold

_LEFT_OUT = {"__pycache__", ".git", ".venv"}


@dataclass(frozen=True, kw_only=True)
class Source:
    """A pristine copy of a problem's folder."""

    folder: Path  # the copy
    name: str
    hash: str  # 12 hexadecimal digits over all files
    evaluator: Path  # in the copy; its own folder is where it starts
    initial: Path
    statement: str
    settings: Settings
    timeout: float  # seconds, of one evaluation
    stages: int  # how many evaluate_stageN there are

    @property
    def requirements(self) -> Path | None:
        """What the evaluator needs besides, if it says so."""
        places = (self.evaluator.parent, self.folder)
        return next((p for place in places if (p := place / "requirements.txt").exists()), None)


def read_source(folder: Path, name: str | None = None) -> Source:
    """Copy a folder into the cache, and read it there.

    Raises:
        UsageError: it is no problem's folder; says what is missing.
    """
    if not folder.is_dir():
        raise UsageError(f"no problem's folder at {folder}; `openglia new NAME` makes one")
    digest = folder_hash(folder)
    copy = paths.CACHE / "problems" / digest
    if not copy.is_dir() or folder_hash(copy) != digest:
        _copy(folder, copy, digest)
    # At the top, or in a folder of its own, as SkyDiscover's benchmarks have it.
    places = (copy / EVALUATOR, copy / "evaluator" / EVALUATOR)
    evaluator = next((path for path in places if path.is_file()), None)
    if evaluator is None:
        raise UsageError(f"{folder}: there is no {EVALUATOR} with evaluate(program_path)")
    initial = sorted(copy.glob("initial_program.*"))
    if len(initial) != 1:
        raise UsageError(f"{folder}: there must be one initial_program.*, not {len(initial)}")
    functions = _functions(evaluator, folder)
    if "evaluate" not in functions:
        raise UsageError(f"{folder / EVALUATOR}: there is no function evaluate(program_path)")
    config = _config(copy)
    settings = read_settings(copy)
    for baseline in settings.baselines.values():
        if not (copy / baseline).resolve().is_relative_to(copy) or not (copy / baseline).is_file():
            raise UsageError(f"{folder / 'openglia.yaml'}: baselines: there is no {baseline}")
    return Source(
        folder=copy,
        name=name or folder.resolve().name,
        hash=digest,
        evaluator=evaluator,
        initial=initial[0],
        statement=_statement(copy, config),
        settings=settings,
        timeout=float(settings.timeout or number(config, "evaluator", "timeout") or TIMEOUT),
        stages=len(functions & {f"evaluate_stage{n}" for n in (1, 2, 3)}),
    )


def folder_hash(folder: Path) -> str:
    """12 hexadecimal digits over the names and contents of all files but compiled ones.

    Raises:
        UsageError: it is too large, or holds a link that leads out of it.
    """
    parts, size = [], 0
    for path in files(folder):
        if not path.resolve().is_relative_to(folder.resolve()):
            raise UsageError(
                f"{path}: a link that leads out of the folder; put the file itself there"
            )
        size += path.stat().st_size
        if size > LARGEST:
            raise UsageError(f"{folder}: holds more than {LARGEST >> 20} MB; leave data out of it")
        parts.append(f"{path.relative_to(folder)}\0{sha256(path.read_bytes())}")
    return sha256("\n".join(sorted(parts)))[:12]


def files(folder: Path) -> Iterator[Path]:
    """All files that belong to a problem."""
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and path.suffix != ".pyc" and not _LEFT_OUT & set(inside.parts):
            yield path


def _copy(folder: Path, target: Path, digest: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{digest}."))
    try:
        for path in files(folder):
            place = temporary / "copy" / path.relative_to(folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
        if folder_hash(temporary / "copy") != digest:
            raise OpenGliaError(f"{folder} changed while it was copied; try again")
        if target.exists():  # somebody edited the copy
            os.rename(target, temporary / "replaced")  # noqa: PTH104
        (temporary / "copy").rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _functions(evaluator: Path, folder: Path) -> set[str]:
    try:
        tree = ast.parse(read_handed_over(evaluator))
    except (SyntaxError, ValueError) as error:
        raise UsageError(f"{folder / EVALUATOR}: is not Python: {error}") from None
    names = {
        n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    return names


def _config(folder: Path) -> Any:
    """``config.yaml``, or the first of several phases."""
    found = [folder / "config.yaml", *sorted(folder.glob("config*.yaml"))]
    return next((read_mapping(path) for path in found if path.exists()), {})


def _statement(folder: Path, config: Any) -> str:
    own = folder / "problem.md"
    if own.exists():
        return read_handed_over(own)
    said = text(config, "prompt", "system_message")
    return said or "Improve the program so that its score gets better."
