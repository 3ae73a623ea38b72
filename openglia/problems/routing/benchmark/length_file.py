"""CSV files of request lengths: read right, or refused with line, column, value and remedy."""

import io
import math
from pathlib import Path

import numpy as np

from openglia.errors import UsageError
from openglia.files import decoded
from openglia.problems.routing.benchmark.context import Lengths

COLUMNS = ("num_prefill_tokens", "num_decode_tokens")
_MAXIMUM = 10**9  # tokens; beyond any model's context


def read_lengths(path: Path, content: bytes) -> Lengths:
    """Prompt and output lengths of a CSV file with a header, each a whole number from 1 on.

    Other columns are passed over, as are blank lines and a byte order mark.

    Raises:
        UsageError: a cell, the header or the file is not of that form.
    """
    import pandas as pd  # takes half a second to load, and cached traces need none

    text = decoded(content, path).replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        raise UsageError(f"{path}: is not a text file; give a CSV with {_named()}")
    if not text.strip():
        raise UsageError(f"{path}: is empty; give a CSV with a header that names {_named()}")
    try:
        # All as text and the header as a row, so that no cell is guessed at and an index plus one
        # is a line's number.
        table = pd.read_csv(
            io.StringIO(text), header=None, dtype=str, keep_default_na=False, skip_blank_lines=False
        ).fillna("")
    except pd.errors.ParserError as error:
        reason = str(error).strip().removeprefix("Error tokenizing data. C error: ")
        raise UsageError(f"{path}: {reason}; give every line the header's columns") from None
    blank = [index for index, line in enumerate(text.split("\n")) if not line.strip()]
    table = table.drop(index=[index for index in blank if index < len(table)])
    header = [str(name).strip() for name in table.iloc[0]]
    for column in COLUMNS:
        if header.count(column) != 1:
            raise _header_error(path, int(table.index[0]) + 1, header, column)
    if len(table) == 1:
        raise UsageError(f"{path}: holds a header and no lengths; add at least one line")
    lines = [index + 1 for index in table.index.tolist()[1:]]
    prompts, outputs = (
        np.array(
            [
                _length(path, line, column, cell)
                for line, cell in zip(lines, table[header.index(column)].tolist()[1:], strict=True)
            ],
            dtype=np.int64,
        )
        for column in COLUMNS
    )
    return prompts, outputs


def _length(path: Path, line: int, column: str, cell: str) -> int:
    where = f"{path}: line {line}, column {column}: "
    remedy = "correct it or remove the line"
    if not cell.strip():
        raise UsageError(f"{where}the cell is empty; {remedy}")
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not (1 <= value <= _MAXIMUM and value == int(value)):
        raise UsageError(f"{where}{cell.strip()!r} is not a whole number of tokens >= 1; {remedy}")
    return int(value)


def _header_error(path: Path, line: int, header: list[str], column: str) -> UsageError:
    where = f"{path}: line {line}: "
    if column in header:
        return UsageError(f"{where}there are two columns {column}; remove or rename one")
    for delimiter, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars"), (" ", "spaces")):
        if len(header) == 1 and delimiter in header[0]:
            return UsageError(f"{where}the columns are separated by {name}; save it with commas")
    there = ", ".join(repr(name) for name in header[:6])
    return UsageError(
        f"{where}there is no column {column} but {there}; the first line must name {_named()}"
    )


def _named() -> str:
    return " and ".join(COLUMNS)
