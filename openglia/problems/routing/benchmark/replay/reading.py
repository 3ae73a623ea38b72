"""A recorded trace as numbers: arrivals in whole microseconds, lengths in tokens, in order of time.

Numbers of any number of rows lie in temporary files that are mapped into memory; a piece of the
text alone is in memory itself. What was dropped or put in order is counted. Imports inside
functions are late ones: pandas takes half a second to load, and traces in the cache need none.
"""

import hashlib
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from openglia.errors import UsageError, shown
from openglia.problems.routing.benchmark import artifact
from openglia.problems.routing.benchmark.replay.formats import FORMATS, MICROSECONDS, Format
from openglia.problems.routing.benchmark.replay.source import Piece, pieces

if TYPE_CHECKING:
    import pandas as pd

_MAX_TOKENS = 10**9  # beyond any model's context
_MAX_TIME = 2**62  # microseconds

_KINDS = (np.int64, np.int32, np.int32)  # of times, prompts and outputs


@dataclass(frozen=True, kw_only=True)
class Recording:
    """The requests of a file, by arrival; equally long columns."""

    at: NDArray[np.int64]  # microseconds since the first arrival, ascending
    prompts: NDArray[np.int32]  # tokens, >= 1
    outputs: NDArray[np.int32]  # tokens, >= 1
    first: str  # when the first request arrived, by the file's own clock
    rows: int  # of the file
    without_output: int  # rows that are left out: failed requests
    without_prompt: int  # likewise
    unsorted: int  # rows that came after a later one

    @property
    def seconds(self) -> float:
        """From the first arrival to the last."""
        return float(self.at[-1]) / 1e6


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file of any size.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        reason = error.strerror
        raise UsageError(f"the trace {path} cannot be read: {reason}; name its file") from None


def format_of(spec: Mapping[str, Any]) -> Format:
    """The format that a ``workload.trace`` names, or whose columns it names."""
    if spec["columns"] is None:
        return FORMATS[spec["format"]]
    return Format(**spec["columns"])


def recording(spec: Mapping[str, Any]) -> Recording:
    """The trace of a ``workload.trace``; read once by a process.

    Raises:
        UsageError: the file is missing, another than the one that is named, or of no right form.
        OpenGliaError: the repository that holds it cannot be reached.
    """
    path = Path(spec["file"])
    if spec["repository"] is not None:
        (path,) = artifact.taken(spec["file"])
    if (found := sha256_of(path)) != spec["sha256"]:
        raise UsageError(
            f"the trace {path} is not the file that the benchmark was made with: its SHA-256 is "
            f"{found[:12]}… and not {spec['sha256'][:12]}…; put that file back, or name this hash"
        )
    return _read(path, format_of(spec), found)


@lru_cache(maxsize=2)
def _read(path: Path, form: Format, _digest: str) -> Recording:
    return read(path, form)


def read(path: Path, form: Format) -> Recording:
    """Read a file.

    Raises:
        UsageError: it is not of that format; with the line.
    """
    rows = without_output = without_prompt = unsorted = 0
    latest = -_MAX_TIME
    with ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile()) for _ in _KINDS]
        for piece in pieces(path, form):
            at, prompt, output = _numbers(path, piece, form)
            rows += len(at)
            without_output += int((output == 0).sum())
            without_prompt += int(((prompt == 0) & (output > 0)).sum())
            whole = (prompt > 0) & (output > 0)
            at, prompt, output = at[whole], prompt[whole], output[whole]
            before = np.maximum.accumulate(np.concatenate([[latest], at]))
            unsorted += int((at < before[:-1]).sum())
            latest = int(before[-1])
            columns: tuple[NDArray[Any], ...] = (at, prompt, output)
            for file, column in zip(files, columns, strict=True):
                file.write(column.tobytes())
        if not files[0].tell():
            left = f" but {rows} without a prompt or an output" if rows else ""
            raise UsageError(f"{path}: holds no request{left}; give a file with some")
        for file in files:
            file.flush()
        columns = tuple(
            np.memmap(file, dtype=kind, mode="r+") for file, kind in zip(files, _KINDS, strict=True)
        )
    at, prompts, outputs = columns
    if unsorted:
        order = np.argsort(at, kind="stable")
        for column in columns:
            column[:] = column[order]
    origin = int(at[0])
    at -= origin
    return Recording(
        at=at,
        prompts=prompts,
        outputs=outputs,
        first=_clock(origin, form),
        rows=rows,
        without_output=without_output,
        without_prompt=without_prompt,
        unsorted=unsorted,
    )


def _clock(origin: int, form: Format) -> str:
    if form.unit == "timestamp":
        return str(np.datetime64(origin, "us")).replace("T", " ") + " UTC"
    return f"{origin / 1e6:.12g} s"


def _numbers(
    path: Path, piece: Piece, form: Format
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
    table = piece.table
    if form.unit == "timestamp":
        times = _timestamps(path, table["time"], form)
    else:
        micro = _finite(path, table["time"], form.time) * MICROSECONDS[form.unit]
        _demand(path, table["time"], form.time, np.abs(micro) < _MAX_TIME, "is beyond all times")
        times = np.rint(micro).astype(np.int64)
    lengths = []
    for name, column in (("prompt", form.prompt), ("output", form.output)):
        values = _finite(path, table[name], column)
        right = (values >= 0) & (values <= _MAX_TOKENS) & (values == np.rint(values))
        _demand(path, table[name], column, right, "is not a whole number of tokens")
        lengths.append(values.astype(np.int32))
    return times, lengths[0], lengths[1]


def _timestamps(path: Path, cells: "pd.Series[Any]", form: Format) -> NDArray[np.int64]:
    import pandas as pd

    if pd.api.types.is_numeric_dtype(cells):
        found = pd.Series(pd.NaT, index=cells.index, dtype="datetime64[us, UTC]")
    else:
        found = pd.to_datetime(cells, format="ISO8601", utc=True, errors="coerce")
    reason = "is not a time such as 2023-11-16 18:15:46.68"
    _demand(path, cells, form.time, found.notna().to_numpy(), reason)
    ticks: NDArray[np.int64] = found.dt.as_unit("us").astype(np.int64).to_numpy()
    return ticks


def _finite(path: Path, cells: "pd.Series[Any]", column: str) -> NDArray[np.float64]:
    import pandas as pd

    if pd.api.types.is_bool_dtype(cells):
        values = np.full(len(cells), np.nan)
    else:
        values = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    _demand(path, cells, column, np.isfinite(values), "is not a number")
    return values


def _demand(
    path: Path, cells: "pd.Series[Any]", column: str, right: NDArray[np.bool_], reason: str
) -> None:
    """Raise for the first row that is not right."""
    if right.all():
        return
    row = int(np.argmin(right))
    cell, line = cells.iloc[row : row + 1].tolist()[0], cells.index[row]
    empty = cell is None or cell != cell
    said = "the cell is empty or no number" if empty else f"{shown(cell)} {reason}"
    raise UsageError(f"{path}: line {line}, column {column}: {said}; correct it or remove the line")
