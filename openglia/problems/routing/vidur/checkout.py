"""Vidur at the pinned commit, as a sparse Git checkout in ``environment/vidur``.

A clone is made beside its place, verified, and renamed, so that an interrupted one never looks
finished. Only the package directory and the files at the top are fetched, without history where
the server allows it.
"""

import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from openglia.errors import OpenGliaError
from openglia.files import write_atomically
from openglia.problems.routing.hooks import HOOKS
from openglia.problems.routing.repository import fetch, git, git_is_there

UPSTREAM = "https://github.com/microsoft/vidur"
PINNED_COMMIT = "8383d2935bc62723a212090baa9f98ada206fc14"
PACKAGE = "vidur"  # the one directory that is checked out

# Ours in the checkout: not foreign changes.
WORKING_FILES = tuple(f"{PACKAGE}/{hook.file}" for hook in HOOKS.values())
OWN_FILES = (
    *WORKING_FILES,
    "vidur/types/global_scheduler_type.py",
    "vidur/scheduler/global_scheduler/global_scheduler_registry.py",
    "vidur/openglia",
    "run_all.sh",
    "run_baseline.sh",
    "simulator_results",
)

State = Literal["missing", "embedded", "no git", "broken", "wrong commit", "changed", "installed"]


@dataclass(frozen=True)
class Source:
    """Where Vidur comes from: a URL or a path, and the commit that is wanted."""

    repository: str
    commit: str

    @classmethod
    def from_environment(cls) -> "Source":
        """Upstream and the pinned commit, or what the environment names.

        OPENGLIA_VIDUR_REPO names a mirror (URL or path). OPENGLIA_VIDUR_COMMIT names another
        commit, at your own risk: nothing is promised of it, and its scores are another
        simulator's.
        """
        return cls(
            os.environ.get("OPENGLIA_VIDUR_REPO") or UPSTREAM,
            os.environ.get("OPENGLIA_VIDUR_COMMIT") or PINNED_COMMIT,
        )

    @property
    def path(self) -> Path | None:
        """The repository's folder, if it is named by the path of one on this machine."""
        path = Path(self.repository).expanduser()
        return path.resolve() if path.is_dir() else None


def state(folder: Path, commit: str) -> State:
    """What is in ``folder``, without changing it."""
    if not folder.exists():
        return "missing"
    if not (folder / ".git").exists():
        return "embedded"
    if not git_is_there():
        return "no git"
    try:
        if git(folder, "rev-parse", "HEAD").strip() != commit:
            return "wrong commit"
        return "changed" if foreign_changes(folder) else "installed"
    except OpenGliaError:
        return "broken"


def foreign_changes(folder: Path) -> list[str]:
    """Paths that differ from the commit and are not ours."""
    own = [f":(exclude){name}" for name in OWN_FILES]
    status = git(folder, "status", "--porcelain", "-z", "--untracked-files=all", "--", ".", *own)
    entries = [entry for entry in status.split("\0") if entry]
    return [entry[3:] for entry in entries if not entry.endswith(".pyc")]


def head(folder: Path) -> str | None:
    """The commit that is checked out, read without Git; None if there is none."""
    path = folder / ".git" / "HEAD"
    return path.read_text().strip() if path.is_file() else None


def has_commit(folder: Path, commit: str) -> bool:
    """Whether the repository in ``folder`` holds ``commit``."""
    try:
        git(folder, "cat-file", "-e", f"{commit}^{{commit}}")
    except OpenGliaError:
        return False
    return True


def save_foreign_changes(folder: Path, cache: Path) -> Path | None:
    """Save what is foreign in ``folder`` as a patch; None if there is nothing to save."""
    changed = foreign_changes(folder)
    if not changed:
        return None
    git(folder, "add", "--intent-to-add", "--sparse", "--", *changed)
    patch = git(folder, "diff", "--binary", "HEAD", "--", *changed)
    stamp = time.strftime("%Y%m%d_%H%M%S")
    path = cache / f"foreign-changes-{stamp}.patch"
    write_atomically(path, patch)
    return path


def restore(folder: Path, commit: str) -> None:
    """Make the checkout equal to ``commit`` but for our own files."""
    own = [word for name in OWN_FILES for word in ("-e", f"/{name}")]
    git(folder, "reset", "--hard", "--quiet", commit)
    git(folder, "clean", "-ffdq", *own)


def clone(source: Source, folder: Path, replaced: Path) -> None:
    """Clone ``source`` beside ``folder``, verify the commit, and move it into place.

    What was in ``folder`` is moved to ``replaced``. The working scheduler and every file that is
    not Vidur's are copied over first.

    Raises:
        OpenGliaError: the repository cannot be reached, or does not have the commit. ``folder`` is
            as it was.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left_over in folder.parent.glob(f".{folder.name}.clone-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.clone-"))
    try:
        work = temporary / folder.name
        _fetch(source, work)
        git(work, "sparse-checkout", "set", "--cone", PACKAGE)
        git(work, "checkout", "--quiet", "--detach", source.commit)
        verify(work, source.commit)
        if folder.exists():
            _copy_own_files(folder, work)
            replaced.parent.mkdir(parents=True, exist_ok=True)
            folder.rename(replaced)
        work.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _copy_own_files(old: Path, new: Path) -> None:
    for path in sorted(old.rglob("*")):
        name = path.relative_to(old)
        if path.is_dir() or name.parts[0] == ".git" or "__pycache__" in name.parts:
            continue
        if str(name) in WORKING_FILES or not (new / name).exists():
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, new / name, follow_symlinks=False)


def verify(folder: Path, commit: str) -> None:
    """Check that the checkout is whole and at ``commit``.

    Raises:
        OpenGliaError: it is not.
    """
    head = git(folder, "rev-parse", "HEAD").strip()
    if head != commit:
        raise OpenGliaError(f"the clone is at {head[:12]} instead of {commit[:12]}")
    for name in ("main.py", "simulator.py", "scheduler/global_scheduler/__init__.py"):
        if not (folder / PACKAGE / name).is_file():
            raise OpenGliaError(
                f"commit {commit[:12]} has no file {PACKAGE}/{name}: this is not the pinned Vidur; "
                "check OPENGLIA_VIDUR_REPO"
            )


def _fetch(source: Source, work: Path) -> None:
    """Bring the commit into a new repository at ``work``, without a checkout."""
    if source.path:
        # Objects are linked or copied as they are: a mirror may lack blobs that are not wanted.
        git(work.parent, "clone", "--quiet", "--no-checkout", str(source.path), str(work))
        return
    fetch(source.repository, source.commit, work)
