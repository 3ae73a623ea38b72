"""The files of the Glia authors that their own setting needs: a trace, and a profile of the A10.

They lie in the authors' fork of Vidur, are taken from there by commit and are not part of this
project. Source: the artifact of both papers, github.com/mit-nms/Engram, whose routing problem names
the fork, the commit and the trace.
"""

import os
import tempfile
from pathlib import Path

from openglia.errors import OpenGliaError
from openglia.files import is_sealed, write_sealed
from openglia.paths import CACHE
from openglia.problems.routing.repository import fetch, git_bytes

NAME = "glia"  # what a benchmark calls the repository, and the profile in it
UPSTREAM = "https://github.com/mit-nms/vidur_simulator"
COMMIT = "2666cb64a622d9b8532791c6fdbe852cf3c1ae7f"
VARIABLE = "OPENGLIA_GLIA_REPO"  # names a copy: a URL or a path
DEVICE = "a10"  # whose profile it is, as Vidur names the folders of its profiles


def repository() -> str:
    """Where the files come from."""
    return os.environ.get(VARIABLE) or UPSTREAM


def kept(name: str) -> Path:
    """Where a file of the repository lies once it was taken."""
    return CACHE / "artifact" / COMMIT / name


def taken(*names: str) -> list[Path]:
    """Files of the repository, in the cache; fetched where they are not there yet.

    Raises:
        OpenGliaError: they cannot be had.
    """
    missing = [name for name in names if not is_sealed(kept(name))]
    if missing:
        _take(missing)
    return [kept(name) for name in names]


def _take(names: list[str]) -> None:
    place = Path(repository()).expanduser()
    with tempfile.TemporaryDirectory(prefix="openglia-") as temporary:
        try:
            if not place.is_dir():
                place = Path(temporary) / "repository"
                fetch(repository(), COMMIT, place)
            content = {
                name: git_bytes(place, "cat-file", "blob", f"{COMMIT}:{name}") for name in names
            }
        except OpenGliaError as error:
            raise OpenGliaError(
                f"the Glia authors' {names[0]} cannot be had from {repository()} at commit "
                f"{COMMIT[:12]} ({error}); name a copy of the repository with {VARIABLE}"
            ) from None
    for name, data in content.items():
        write_sealed(kept(name), data)
