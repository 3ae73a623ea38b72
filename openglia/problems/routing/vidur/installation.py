"""What ``environment/vidur`` holds, and how it comes about.

With Vidur: the checkout, our overrides, the working scheduler and two scripts. Without: the same
paths as far as an agent uses them (the embedded layout), so that nothing else has to know.
"""

import contextlib
import os
import shutil
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from openglia import paths
from openglia.errors import OpenGliaError
from openglia.files import write_atomically
from openglia.problems.routing import repository
from openglia.problems.routing.vidur import checkout, tree
from openglia.problems.routing.vidur.checkout import Source

SCRIPTS = ("run_all.sh", "run_baseline.sh")


@dataclass(frozen=True)
class Item:
    """One thing that setup provides, and whether it is in place."""

    name: str
    ok: bool
    note: str


def is_installed() -> bool:
    """Whether Vidur can be run: the pinned commit is there, and so is what it needs."""
    return checked_out() and repository.git_is_there() and not dependencies_missing()


def checked_out() -> bool:
    """Whether ``environment/vidur`` is at the wanted commit."""
    return checkout.head(paths.VIDUR) == Source.from_environment().commit


def dependencies_missing() -> list[str]:
    """Modules that the pinned Vidur imports and this Python lacks."""
    wanted = ("sklearn", "wandb", "ddsketch", "plotly_express", "fasteners")
    return [name for name in wanted if find_spec(name) is None]


def put_right(source: Source) -> list[str]:
    """Bring ``environment/vidur`` to the commit that ``source`` names.

    Returns:
        What was done, in words for the user; empty if nothing had to be.

    Raises:
        OpenGliaError: the repository cannot be reached or is not the right one. What was there
            before is left as it was.
    """
    folder, commit = paths.VIDUR, source.commit
    found = checkout.state(folder, commit)
    if found == "installed":
        return []
    if not repository.git_is_there():
        raise OpenGliaError(repository.NO_GIT)
    if found in ("wrong commit", "changed") and checkout.has_commit(folder, commit):
        with contextlib.suppress(OpenGliaError):  # e.g. a lock left by a killed Git: clone anew
            return _restore(folder, commit)
    replaced = paths.CACHE / f"replaced-{time.strftime('%Y%m%d_%H%M%S')}-{os.getpid()}"
    checkout.clone(source, folder, replaced)
    done = [f"Vidur was cloned from {source.repository} at commit {commit[:12]}"]
    if found == "embedded":
        shutil.rmtree(replaced)  # its files were copied over
    elif replaced.exists():
        done.append(f"what was in environment/vidur ({_EXPLAINED[found]}) is now {replaced}")
    return done


def _restore(folder: Path, commit: str) -> list[str]:
    done = []
    if patch := checkout.save_foreign_changes(folder, paths.CACHE):
        done.append(f"foreign changes in environment/vidur were saved to {patch}")
    checkout.restore(folder, commit)
    return [*done, f"Vidur was put back to commit {commit[:12]}"]


def install_files() -> list[str]:
    """Copy overrides, the stub (only where there is no working scheduler), and the scripts."""
    done = []
    if (paths.VIDUR / ".git").exists():
        tree.apply_overrides(paths.VIDUR / checkout.PACKAGE)
    if not paths.WORKING_SCHEDULER.exists():
        reset_working_scheduler()
        done.append("the stub was copied to the working scheduler")
    for name in SCRIPTS:
        script, target = paths.ENVIRONMENT / name, paths.VIDUR / name
        if script.exists() and not _equal(script, target):
            write_atomically(target, script.read_bytes())
            target.chmod(0o755)
    return done


def reset_working_scheduler() -> None:
    """Put the stub in the working scheduler's place."""
    write_atomically(paths.WORKING_SCHEDULER, paths.STUB.read_bytes())


def items(*, vidur_wanted: bool) -> list[Item]:
    """What is in place in ``environment/vidur``, for ``setup.sh --check``; changes nothing."""
    commit = Source.from_environment().commit
    found = checkout.state(paths.VIDUR, commit)
    listed = []
    if found == "installed":
        listed.append(Item("Vidur", True, f"commit {commit[:12]}"))
        package = paths.VIDUR / checkout.PACKAGE
        stale = [p for p, source in tree.overrides().items() if not _equal(source, package / p)]
        listed.append(Item("overrides", not stale, f"{len(tree.overrides())} files"))
        missing = dependencies_missing()
        listed.append(Item("Vidur's packages", not missing, ", ".join(missing) or "all there"))
    elif vidur_wanted or found not in ("missing", "embedded", "no git"):
        listed.append(Item("Vidur", False, _EXPLAINED[found]))
    working = paths.WORKING_SCHEDULER
    listed.append(Item("working scheduler", working.exists(), str(paths.shown(working))))
    for name in SCRIPTS:
        target = paths.VIDUR / name
        same = _equal(paths.ENVIRONMENT / name, target)
        listed.append(Item(name, same, str(paths.shown(target))))
    return listed


_EXPLAINED = {
    "missing": "not installed",
    "embedded": "not installed",
    "no git": repository.NO_GIT,
    "broken": "the checkout is damaged",
    "wrong commit": "the checkout is at another commit",
    "changed": "files of the checkout were changed",
}


def _equal(first: Path, second: Path) -> bool:
    if not (first.is_file() and second.is_file()):
        return False
    return first.read_bytes() == second.read_bytes()
