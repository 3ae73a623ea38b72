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

UPSTREAM = "https://github.com/microsoft/vidur"
PINNED_COMMIT = "8383d2935bc62723a212090baa9f98ada206fc14"
PACKAGE = "vidur"  # the one directory that is checked out

TIMEOUT = 600  # seconds that one Git command may take

# Ours in the checkout: not foreign changes.
WORKING_SCHEDULER = "vidur/scheduler/global_scheduler/ai_global_scheduler.py"
OWN_FILES = (
    WORKING_SCHEDULER,
    "vidur/types/global_scheduler_type.py",
    "vidur/scheduler/global_scheduler/global_scheduler_registry.py",
    "vidur/openglia",
    "run_all.sh",
    "run_baseline.sh",
    "simulator_results",
)

# No hook and no monitor that someone put into the checkout's configuration is ever run.
_CONFIGURATION = (
    *("-c", "advice.detachedHead=false", "-c", "gc.auto=0"),
    *("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"),
)

NO_GIT = "git is not installed: install it to use Vidur"

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


def git_is_there() -> bool:
    """Whether there is a command ``git``, without which a checkout is of no use."""
    return shutil.which("git") is not None


def git(folder: Path, *words: str) -> str:
    """Run Git in ``folder`` and return what it prints. See ``git_bytes``."""
    return git_bytes(folder, *words).decode(errors="replace")


def git_bytes(folder: Path, *words: str) -> bytes:
    """Run Git in ``folder`` and return what it prints, never asking for credentials.

    Raises:
        OpenGliaError: Git failed, is not installed, or took too long; with what it says.
    """
    if not git_is_there():
        raise OpenGliaError(NO_GIT)
    from git import Git  # late: it is slow to load, and fails where there is no command
    from git.exc import GitError

    environment = {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",  # looking at a checkout changes nothing in it
        "GIT_ASKPASS": "true",
        "GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ConnectTimeout=20",
        "GIT_HTTP_LOW_SPEED_LIMIT": "1000",
        "GIT_HTTP_LOW_SPEED_TIME": "30",
        "LC_ALL": "C",
    }
    try:
        output = Git(folder).execute(
            ["git", *_CONFIGURATION, *words],
            env=environment,
            kill_after_timeout=TIMEOUT,
            strip_newline_in_stdout=False,
            stdout_as_string=False,
        )
    except GitError as error:
        words_said = str(getattr(error, "stderr", "") or error)
        lines = [said for line in words_said.splitlines() if (said := line.strip(" '\""))]
        cause = next((line for line in lines if line.startswith("fatal:")), "")
        said = cause or (lines[-1] if lines else "no message")
        raise OpenGliaError(f"git {words[0]} failed: {said}") from None
    return bytes(output)


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
        if str(name) == WORKING_SCHEDULER or not (new / name).exists():
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
    git(work.parent, "init", "--quiet", str(work))
    git(work, "remote", "add", "origin", source.repository)
    git(work, "config", "remote.origin.promisor", "true")
    git(work, "config", "remote.origin.partialclonefilter", "blob:none")
    lean = ("fetch", "--quiet", "--no-tags", "--filter=blob:none")
    try:
        git(work, *lean, "--depth=1", "origin", source.commit)
    except OpenGliaError:
        git(work, *lean, "origin")  # a server that does not serve a single commit
