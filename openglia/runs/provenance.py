"""What a run was made with: versions, and whether that is still what it was."""

import importlib.metadata
import platform
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from openglia import __version__, paths
from openglia.errors import OpenGliaError
from openglia.measuring.processes import available_cores
from openglia.problems.problem import Check, Problem
from openglia.runs import tree
from openglia.runs.results import Integrity

PACKAGES = (
    "fast-agent-mcp",
    "pydantic",
    "numpy",
    "pandas",
    "scipy",
    "scikit-learn",
    "matplotlib",
    "GitPython",
    "PyYAML",
)


def versions() -> dict[str, Any]:
    """Versions of the interpreter, the system and the packages; null for what is not there."""
    found: dict[str, Any] = {
        "openglia": __version__,
        "openglia_commit": _own_commit(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": available_cores(),
    }
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def integrity(
    problem: Problem | None,
    before: Mapping[str, str] | None,
    before_digest: str | None,
    damaged: Sequence[str],
) -> Integrity:
    """The checks of the harness, of what the problem measures with, and of the record.

    Args:
        problem: None if it cannot be had any more.
        before: the harness's files as the run began; None if only their digest is known.
        damaged: candidates in the run's folder that are not what was evaluated.
    """
    checks = []
    if problem is None:
        checks.append(Check("harness", "skipped", "what the run was scored on is not known"))
    else:
        checks.append(tree.check(before, before_digest, problem.sources))
        checks += _examined(problem)
    if damaged:
        evidence = f"not what was evaluated: {', '.join(damaged[:5])}"
        checks.append(Check("record", "failed", evidence))
    else:
        evidence = "every candidate's source has the hash that its evaluation recorded"
        checks.append(Check("record", "passed", evidence))
    return Integrity(ok=all(check.outcome != "failed" for check in checks), checks=checks)


def _examined(problem: Problem) -> list[Check]:
    try:
        return problem.examine()
    except (OSError, OpenGliaError) as error:
        return [Check(f"{problem.kind} tree", "failed", str(error))]


def _own_commit() -> str | None:
    """The commit of this checkout, with ``+`` if files that it tracks have changed."""
    git = ["git", "-C", str(paths.ROOT)]
    try:
        head = subprocess.run(
            [*git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=20, check=True
        ).stdout.strip()
        changed = subprocess.run(
            [*git, "diff", "--quiet", "HEAD"], capture_output=True, timeout=20, check=False
        ).returncode
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{head}+" if changed else head
