"""Operator times as tables: the predictions of Vidur's trained models, in a file of doubles.

A line of JSON gives each table's name and shape and a checksum; then come the tables one after the
other, in rows, as doubles of this machine. It takes no library to read and a worker reads it anew
at every start.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Self

from openglia import paths
from openglia.errors import OpenGliaError
from openglia.problems.routing.hardware.roofline import KV_GRANULARITY

DOUBLE = 8  # bytes
SUFFIX = ".tables"


def folder() -> Path:
    """Where setup leaves tables and workers find them."""
    return paths.CACHE / "tables"


def path(profile: str) -> Path:
    """The file of a profile, named by its hash (``roofline.profile_hash``)."""
    return folder() / f"{profile}{SUFFIX}"


def stored() -> list[Path]:
    """The files that there are."""
    return sorted(folder().glob(f"*{SUFFIX}"))


@dataclass(frozen=True)
class Tables:
    """Times in milliseconds of one layer's operators, as ``roofline.OperatorTimes`` has them.

    Linear operators by number of tokens; ``attn_decode[batch, kv // 64]``;
    ``attn_prefill[kv // 64, chunk]``. Views of doubles, also those of NumPy's arrays.
    """

    views: "Mapping[str, memoryview[float]]"

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what ``to_bytes`` made.

        Raises:
            OpenGliaError: the file is damaged.
        """
        try:
            return cls(_views(path.read_bytes()))
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise OpenGliaError(
                f"the execution-time tables {path} cannot be used ({error}); "
                f"delete the file and run ./setup.sh again"
            ) from error

    def to_bytes(self) -> bytes:
        """The tables as the content of a file."""
        data = b"".join(view.tobytes() for view in self.views.values())
        shapes = {name: view.shape for name, view in self.views.items()}
        header = json.dumps({"shapes": shapes, "crc32": zlib.crc32(data)})
        return header.encode() + b"\n" + data

    def linear(self, operator: str, num_tokens: int) -> float:
        return self.views[operator][num_tokens]

    def attn_prefill(self, kv_cache_size: int, prefill_chunk_size: int) -> float:
        return self.views["attn_prefill"][kv_cache_size // KV_GRANULARITY, prefill_chunk_size]

    def attn_decode(self, batch_size: int, kv_cache_size: int) -> float:
        return self.views["attn_decode"][batch_size, kv_cache_size // KV_GRANULARITY]


def _views(content: bytes) -> "dict[str, memoryview[float]]":
    end = content.index(b"\n")
    told = json.loads(content[:end])
    rest = memoryview(content)[end + 1 :]
    if told["crc32"] != zlib.crc32(rest):
        raise ValueError("its checksum does not fit")
    views = {}
    for name, shape in told["shapes"].items():
        size = prod(shape) * DOUBLE
        views[name], rest = rest[:size].cast("d", shape), rest[size:]
    return views
