"""Is Vidur's checkout still what it was.

Scores never come from it but from a pristine copy. A change in it is still reported, since someone
made it, and put right, since people read it.
"""

import shutil
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from openglia import paths
from openglia.errors import OpenGliaError
from openglia.files import files_below, listing, write_atomically
from openglia.problems.problem import Check
from openglia.problems.routing import repository
from openglia.problems.routing.hooks import HOOKS
from openglia.problems.routing.vidur import checkout, tree

_NAME = "simulator tree"


def check_checkout(commit: str) -> Check:
    """Compare Vidur's checkout with ``commit`` plus overrides, and put it right.

    The working files may be anything. Compiled files are removed: they could say something
    else than their sources.
    """
    if not (paths.VIDUR / ".git").exists():
        return Check(_NAME, "skipped", "Vidur is not installed")
    if not repository.git_is_there():
        return Check(_NAME, "skipped", "git is not installed")
    package = paths.VIDUR / checkout.PACKAGE
    try:
        pristine = tree.pristine(commit)
        head = repository.git(paths.VIDUR, "rev-parse", "HEAD").strip()
        outside = [
            name
            for name in checkout.foreign_changes(paths.VIDUR)
            if not name.startswith(f"{checkout.PACKAGE}/")
        ]
    except OpenGliaError as error:
        return Check(_NAME, "failed", f"the checkout cannot be read: {error}")
    expected = {str(path.relative_to(pristine)): path for path in files_below(pristine)}
    expected |= tree.overrides()
    spared = {str(hook.file) for hook in HOOKS.values()}
    changed = _repair(package, expected, spared)
    found = [f"{checkout.PACKAGE}/{name}" for name in changed]
    if head != commit:
        found.append(f"HEAD ({head[:12]})")
    if outside:
        checkout.restore(paths.VIDUR, commit)
        tree.apply_overrides(package)
    found += outside
    if found:
        evidence = f"differed from commit {commit[:12]} plus overrides, put right: {listing(found)}"
        return Check(_NAME, "failed", evidence)
    return Check(
        _NAME, "passed", f"{len(expected)} files equal commit {commit[:12]} plus overrides"
    )


def _repair(package: Path, expected: Mapping[str, Path], spared: Collection[str]) -> list[str]:
    """Make the files below ``package`` equal to ``expected``; return those that were not."""
    for folder in sorted(package.rglob("__pycache__")):
        if folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder)
    present = {str(path.relative_to(package)): path for path in files_below(package)}
    changed = []
    for name, path in present.items():
        if name not in expected and name not in spared:
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
