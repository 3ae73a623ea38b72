"""Git, run on repositories that are ours to make or a user's to name."""

import shutil
from pathlib import Path

from openglia.errors import OpenGliaError

TIMEOUT = 600  # seconds that one Git command may take

# No hook and no monitor that someone put into the checkout's configuration is ever run.
_CONFIGURATION = (
    *("-c", "advice.detachedHead=false", "-c", "gc.auto=0"),
    *("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"),
)

NO_GIT = "git is not installed: install it to use Vidur"


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


def fetch(repository: str, commit: str, work: Path) -> None:
    """Bring a commit into a new repository at ``work``, without a checkout.

    Files come when they are asked for, and history does not come where the server allows it.

    Raises:
        OpenGliaError: the repository cannot be reached, or does not have the commit.
    """
    git(work.parent, "init", "--quiet", str(work))
    git(work, "remote", "add", "origin", repository)
    git(work, "config", "remote.origin.promisor", "true")
    git(work, "config", "remote.origin.partialclonefilter", "blob:none")
    lean = ("fetch", "--quiet", "--no-tags", "--filter=blob:none")
    try:
        git(work, *lean, "--depth=1", "origin", commit)
    except OpenGliaError:
        git(work, *lean, "origin")  # a server that does not serve a single commit
