"""Copies of length files by their SHA-256, so that a run does not depend on where the file was.

Two of the files in Vidur's checkout hold the lengths of Azure's public traces of 2023. Whoever has
one of those needs no checkout: its lengths are kept as a copy, and their own SHA-256 vouches.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from openglia.files import sha256, sparing, write_atomically
from openglia.paths import CACHE, VIDUR

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BESIDE = "lengths"  # the folder beside a benchmark's file that holds copies of its length files


class Published(NamedTuple):
    """A public trace with the same pairs of lengths as a file of Vidur's."""

    file: str  # as it is called where it is published
    sha256: str  # of its lengths alone, see ``as_text``


# SHA-256 of a file in Vidur's checkout -> the public trace it was made of.
PUBLISHED = {
    "439e4138b7e384f316de614c071f7162be05b8af0cef866f82faacd1b0472249": Published(
        "AzureLLMInferenceTrace_conv.csv",
        "51aa6c5b988b330fce88b5be2720c5b1749462f53b9ff3780be9eba7da3cc39c",
    ),
    "f266b907d109d471c61283ab69771c17ad79a18b33ff6e96aa546346f52767a6": Published(
        "AzureLLMInferenceTrace_code.csv",
        "8af5c4cf9833afbe82e97b025d7a385b5a31d5ad05a5286833ac6c1e774d5f65",
    ),
}
_MOST_ROWS = 100_000  # that a trace can have and be one of them


def kept(digest: str) -> Path:
    """Where the copy of a length file lies, if there is one."""
    return CACHE / BESIDE / f"{digest.lower()}.csv"


def is_whole(path: Path, digest: str) -> bool:
    """Whether the file is there with this SHA-256."""
    try:
        return sha256(path.read_bytes()) == digest.lower()
    except OSError:
        return False


def digests(digest: str) -> Iterator[str]:
    """The file's own, and that of the lengths alone where they are published."""
    yield digest.lower()
    if published := PUBLISHED.get(digest.lower()):
        yield published.sha256


def copy_along(workload: Mapping[str, Any], folder: Path) -> None:
    """Copy the workload's length files into ``folder``; one that is not right is left out."""
    for name, digest in _named(workload):
        places = [(VIDUR / name, digest.lower()), *((kept(one), one) for one in digests(digest))]
        for source, one in places:
            if is_whole(source, one):
                write_atomically(folder / BESIDE / kept(one).name, source.read_bytes())
                break


def adopt(workload: Mapping[str, Any], folder: Path) -> None:
    """Keep the copies that lie in ``folder``, for when the file itself is gone or another."""
    for name, digest in _named(workload):
        for one in digests(digest):
            source, target = folder / BESIDE / kept(one).name, kept(one)
            if is_whole(VIDUR / name, digest) or target.exists() or not is_whole(source, one):
                continue
            with sparing(target.parent):
                write_atomically(target, source.read_bytes())


def as_text(prompts: Sequence[int], outputs: Sequence[int]) -> str:
    """Lengths as a file of lengths, in the one spelling that a SHA-256 is taken of."""
    rows = zip(prompts, outputs, strict=True)
    return "".join(
        ["num_prefill_tokens,num_decode_tokens\n", *(f"{prompt},{out}\n" for prompt, out in rows)]
    )


def keep_published(prompts: "NDArray[np.int32]", outputs: "NDArray[np.int32]") -> str | None:
    """Keep these lengths if they are those of a file in Vidur's checkout; return its SHA-256."""
    if len(prompts) > _MOST_ROWS:
        return None
    text = as_text(prompts.tolist(), outputs.tolist())
    found = sha256(text)
    for digest, published in PUBLISHED.items():
        if published.sha256 == found:
            write_atomically(kept(found), text)
            return digest
    return None


def draws_from(workload: Mapping[str, Any], digest: str) -> bool:
    """Whether a workload draws lengths from the file with this SHA-256."""
    return any(one.lower() == digest for _, one in _named(workload))


def _named(workload: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    shift = workload.get("shift")
    parts = [workload.get("lengths"), shift and shift["lengths"]]
    for part in filter(None, parts):
        if part["distribution"] == "file" and re.fullmatch("[0-9a-fA-F]{64}", part["sha256"]):
            yield part["file"], part["sha256"]
