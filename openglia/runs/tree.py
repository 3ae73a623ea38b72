"""Is what measures still what it was: Vidur's checkout, and the harness's own sources.

Scores never come from the checkout itself but from a pristine copy. A change in it is still
reported, since someone made it, and put right, since people read it.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from openglia import paths
from openglia.errors import OpenGliaError
from openglia.files import sha256, write_atomically

# What decides a score besides the router: sources, benchmarks, overrides, scripts.
_HARNESS = ("openglia", "environment/benchmarks", "environment/vidur_overrides")
_HARNESS_FILES = ("environment/stubs/ai_global_scheduler_stub.py", "problem.md")
_NAMED = 5  # changed files that the evidence names


@dataclass(frozen=True)
class Check:
    """One line of ``integrity.checks`` in results.json."""

    name: str
    outcome: Literal["passed", "failed", "skipped"]
    evidence: str

    def to_json(self) -> dict[str, str]:
        """The form of results.json."""
        return asdict(self)


def snapshot(root: Path = paths.ROOT) -> dict[str, str]:
    """SHA-256 of each of the harness's files by its path below ``root``. Taken as a run starts."""
    files = [root / name for name in _HARNESS_FILES if (root / name).is_file()]
    for folder in _HARNESS:
        files += [path for path in _files(root / folder) if path.is_file()]
    return {str(path.relative_to(root)): sha256(path.read_bytes()) for path in sorted(files)}


def check_harness(before: Mapping[str, str], root: Path = paths.ROOT) -> Check:
    """Compare the harness with ``before``, the ``snapshot`` of the run's start."""
    now = snapshot(root)
    changed = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    if changed:
        return Check("harness", "failed", f"changed since the run began: {_listing(changed)}")
    return Check("harness", "passed", f"{len(now)} files are as they were when the run began")


def check_simulator(commit: str) -> Check:
    """Compare Vidur's checkout with ``commit`` plus overrides, and put it right.

    The working scheduler may be anything. Compiled files are removed: they could say something
    else than their sources.
    """
    if not (paths.VIDUR / ".git").exists():
        return Check("simulator tree", "skipped", "Vidur is not installed")
    from openglia.problems.routing.vidur import checkout, tree

    if not checkout.git_is_there():
        return Check("simulator tree", "skipped", "git is not installed")
    package = paths.VIDUR / checkout.PACKAGE
    try:
        pristine = tree.pristine(commit)
        head = checkout.git(paths.VIDUR, "rev-parse", "HEAD").strip()
        outside = [
            name
            for name in checkout.foreign_changes(paths.VIDUR)
            if not name.startswith(f"{checkout.PACKAGE}/")
        ]
    except OpenGliaError as error:
        return Check("simulator tree", "failed", f"the checkout cannot be read: {error}")
    expected = {str(path.relative_to(pristine)): path for path in _files(pristine)}
    expected |= tree.overrides()
    expected.pop(tree.ROUTER, None)
    changed = _repair(package, expected, spared=tree.ROUTER)
    found = [f"{checkout.PACKAGE}/{name}" for name in changed]
    if head != commit:
        found.append(f"HEAD ({head[:12]})")
    if outside:
        checkout.restore(paths.VIDUR, commit)
        tree.apply_overrides(package)
    found += outside
    if found:
        evidence = (
            f"differed from commit {commit[:12]} plus overrides, put right: {_listing(found)}"
        )
        return Check("simulator tree", "failed", evidence)
    evidence = f"{len(expected)} files equal commit {commit[:12]} plus overrides"
    return Check("simulator tree", "passed", evidence)


def _repair(package: Path, expected: Mapping[str, Path], spared: str) -> list[str]:
    """Make the files below ``package`` equal to ``expected``; return those that were not."""
    for folder in sorted(package.rglob("__pycache__")):
        if folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder)
    present = {str(path.relative_to(package)): path for path in _files(package)}
    changed = []
    for name, path in present.items():
        if name not in expected and name != spared:
            path.unlink()
            with suppress(OSError):  # not empty
                path.parent.rmdir()
            changed.append(name)
    for name, source in expected.items():
        there = present.get(name)
        if there is None or there.is_symlink() or there.read_bytes() != source.read_bytes():
            if there is not None:
                there.unlink()
            write_atomically(package / name, source.read_bytes())
            changed.append(name)
    return sorted(changed)


def _files(folder: Path) -> Iterator[Path]:
    """Everything below ``folder`` that is no folder; links to folders count, compiled files don't.

    A link is named, never followed.
    """
    for path in sorted(folder.rglob("*")):
        if "__pycache__" not in path.parts and (path.is_symlink() or not path.is_dir()):
            yield path


def _listing(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
