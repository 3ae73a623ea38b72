"""Copies of length files by their SHA-256, so that a run does not depend on where the file was."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from openglia.files import sha256, sparing, write_atomically
from openglia.paths import CACHE, VIDUR

BESIDE = "lengths"  # the folder beside a benchmark's file that holds copies of its length files


def kept(digest: str) -> Path:
    """Where the copy of a length file lies, if there is one."""
    return CACHE / BESIDE / f"{digest.lower()}.csv"


def is_whole(path: Path, digest: str) -> bool:
    """Whether the file is there with this SHA-256."""
    try:
        return sha256(path.read_bytes()) == digest.lower()
    except OSError:
        return False


def copy_along(workload: Mapping[str, Any], folder: Path) -> None:
    """Copy the workload's length files into ``folder``; one that is not right is left out."""
    for name, digest in _named(workload):
        source = next((p for p in (VIDUR / name, kept(digest)) if is_whole(p, digest)), None)
        if source is not None:
            write_atomically(folder / BESIDE / kept(digest).name, source.read_bytes())


def adopt(workload: Mapping[str, Any], folder: Path) -> None:
    """Keep the copies that lie in ``folder``, for when the file itself is gone or another."""
    for name, digest in _named(workload):
        source, target = folder / BESIDE / kept(digest).name, kept(digest)
        if is_whole(VIDUR / name, digest) or target.exists() or not is_whole(source, digest):
            continue
        with sparing(target.parent):
            write_atomically(target, source.read_bytes())


def _named(workload: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    shift = workload.get("shift")
    parts = [workload.get("lengths"), shift and shift["lengths"]]
    for part in filter(None, parts):
        if part["distribution"] == "file" and re.fullmatch("[0-9a-fA-F]{64}", part["sha256"]):
            yield part["file"], part["sha256"]
