"""What a run was made with: versions, hashes, the state of the checkouts."""

import importlib.metadata
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from openglia import __version__, paths
from openglia.errors import OpenGliaError
from openglia.files import canonical_json, sha256
from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.benchmark.simulation import available_cores

_PACKAGES = (
    "fast-agent-mcp",
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
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def vidur() -> dict[str, Any]:
    """The ``vidur`` of results.json."""
    from openglia.problems.routing.vidur import checkout, tree
    from openglia.problems.routing.vidur.installation import is_installed

    installed = is_installed()
    return {
        "installed": installed,
        "commit": checkout.head(paths.VIDUR) if installed else None,
        "overrides_sha256": tree.overrides_sha256(),
    }


def benchmark(used: Benchmark, file: Path | None) -> dict[str, Any]:
    """The ``benchmark`` of results.json, fully resolved; ``file`` if it was given as a path."""
    return {
        "name": used.name,
        "hash": used.hash,
        "seeds": list(used.seeds),
        "held_out_seeds": list(used.held_out_seeds),
        "file": None if file is None else str(file),
        "definition": asdict(used),
    }


def harness_hash(snapshot: Mapping[str, str]) -> str:
    """One hash over ``openglia.runs.tree.snapshot()``."""
    return sha256(canonical_json(dict(snapshot)))


def integrity(
    before: Mapping[str, str] | None, before_hash: str | None, damaged: list[str]
) -> dict[str, Any]:
    """The ``integrity`` of results.json.

    Args:
        before: the harness's files as the run began; None if only their hash is known.
        before_hash: ``harness_hash`` as the run began.
        damaged: candidates in the run's folder that are not what was evaluated.
    """
    from openglia.problems.routing.vidur.checkout import Source
    from openglia.runs import tree

    checks = [_harness(before, before_hash).to_json()]
    try:
        checks.append(tree.check_simulator(Source.from_environment().commit).to_json())
    except (OSError, OpenGliaError) as error:
        checks.append(tree.Check("simulator tree", "failed", str(error)).to_json())
    if damaged:
        evidence = f"not what was evaluated: {', '.join(damaged[:5])}"
        checks.append(tree.Check("record", "failed", evidence).to_json())
    else:
        evidence = "every candidate's source has the hash that its evaluation recorded"
        checks.append(tree.Check("record", "passed", evidence).to_json())
    return {"ok": all(check["outcome"] != "failed" for check in checks), "checks": checks}


def _harness(before: Mapping[str, str] | None, before_hash: str | None) -> Any:
    from openglia.runs import tree

    if before is not None:
        return tree.check_harness(before)
    if before_hash is None:
        return tree.Check("harness", "skipped", "its state as the run began is not known")
    if harness_hash(tree.snapshot()) == before_hash:
        return tree.Check("harness", "passed", "its files are as they were when the run began")
    return tree.Check("harness", "failed", "its files have changed since the run began")


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
