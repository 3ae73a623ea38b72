"""Is what measures still what it was: the harness's own sources, and what else decides a score."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from openglia import paths
from openglia.files import canonical_json, files_below, listing, sha256
from openglia.problems.problem import Check

_NAME = "harness"
PACKAGE = "openglia"


def snapshot(sources: Sequence[str], root: Path = paths.ROOT) -> dict[str, str]:
    """SHA-256 of each file by its path below ``root``. Taken as a run starts.

    Args:
        sources: files and folders of the problem (``Problem.sources``); the package counts always.
    """
    files: list[Path] = []
    for name in (PACKAGE, *sources):
        path = root / name
        files += [path] if path.is_file() else [p for p in files_below(path) if p.is_file()]
    return {str(path.relative_to(root)): sha256(path.read_bytes()) for path in sorted(files)}


def digest(taken: Mapping[str, str]) -> str:
    """One hash over a snapshot."""
    return sha256(canonical_json(dict(taken)))


def check(
    before: Mapping[str, str] | None,
    before_digest: str | None,
    sources: Sequence[str],
    root: Path = paths.ROOT,
) -> Check:
    """Compare with the snapshot of the run's start, or with its digest if that alone is known."""
    if before is None and before_digest is None:
        return Check(_NAME, "skipped", "its state as the run began is not known")
    now = snapshot(sources, root)
    if before is None:
        if digest(now) == before_digest:
            return Check(_NAME, "passed", "its files are as they were when the run began")
        return Check(_NAME, "failed", "its files have changed since the run began")
    changed = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    if changed:
        return Check(_NAME, "failed", f"changed since the run began: {listing(changed)}")
    return Check(_NAME, "passed", f"{len(now)} files are as they were when the run began")
