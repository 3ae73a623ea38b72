"""A trace's file as pieces of three columns, with the number of every line.

Delimited text is read by pandas, JSON Lines by the line. A file that could be misread is refused
with its line and the reason: nothing is guessed at and nothing is passed over. Imports inside
functions are late ones, as in ``reading``.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from openglia.errors import UsageError, shown
from openglia.problems.routing.benchmark.replay.formats import Format, fitting

if TYPE_CHECKING:
    import pandas as pd

PIECE = 1 << 18  # rows that are in memory at a time

_DELIMITERS = ",;\t|"
_GZIP = b"\x1f\x8b"
_OTHERS = {  # what a file begins with -> what it is
    b"PK\x03\x04": "a ZIP archive",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ": "compressed with xz",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"PAR1": "a Parquet file",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}


@dataclass(frozen=True)
class Piece:
    """Some rows. The columns are called time, prompt and output; their values are as read."""

    table: "pd.DataFrame"  # its index: the numbers of the lines


def pieces(path: Path, form: Format) -> Iterator[Piece]:
    """The rows of a file in its order; blank lines are none.

    Raises:
        UsageError: it cannot be read, or has another form; with the line.
    """
    with _opened(path) as stream:
        number, line = _first(stream)
        if not line:
            raise UsageError(f"{path}: is empty; give a file with the columns {_named(form)}")
        if line.lstrip()[0] in "{[":
            yield from _json_lines(path, stream, number, line, form)
        else:
            yield from _delimited(path, stream, number, line, form)


def header(path: Path) -> list[str]:
    """The names of the columns, or the keys of the first object.

    Raises:
        UsageError: it cannot be read, or is empty.
    """
    with _opened(path) as stream:
        number, line = _first(stream)
    if not line:
        raise UsageError(f"{path}: is empty; give a trace's file")
    if line.lstrip()[0] in "{[":
        return list(_object(path, number, line))
    rows = [_cells(line, delimiter) for delimiter in _DELIMITERS]
    return next((cells for cells in rows if fitting(cells)), max(rows, key=len))


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    """The file as text: unpacked, UTF-8, without a byte order mark, any ends of lines."""
    try:
        with path.open("rb") as raw:
            start = raw.read(8)
            raw.seek(0)
            for magic, what in _OTHERS.items():
                if start.startswith(magic):
                    raise UsageError(f"{path}: is {what}; give UTF-8 text, plain or gzip")
            packed = start.startswith(_GZIP)
            content: Any = gzip.GzipFile(fileobj=raw) if packed else raw
            with io.TextIOWrapper(content, encoding="utf-8-sig") as text:
                yield text
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UsageError(f"{path}: is damaged gzip: {error}; copy it again") from None
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise UsageError(
            f"{path}: line {_undecodable(path)}: is not UTF-8 text (byte {byte:#04x}); "
            f"save it as UTF-8"
        ) from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}; give a trace's file") from None


def _undecodable(path: Path) -> int:
    """The number of the first line that is no UTF-8."""
    packed = path.open("rb").read(2) == _GZIP
    with gzip.open(path) if packed else path.open("rb") as raw:
        for number, line in enumerate(raw, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1


def _first(stream: IO[str]) -> tuple[int, str]:
    """The first line that is not blank and its number; "" if there is none."""
    number, line = 1, stream.readline()
    while line and not line.strip():
        number, line = number + 1, stream.readline()
    return number, line


def _cells(line: str, delimiter: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line.strip("\r\n")], delimiter=delimiter))]


def _named(form: Format) -> str:
    return ", ".join(form.columns)


def _delimited(
    path: Path, stream: IO[str], number: int, line: str, form: Format
) -> Iterator[Piece]:
    import pandas as pd

    found = {d: _cells(line, d) for d in _DELIMITERS}
    delimiter = next((d for d, cells in found.items() if set(form.columns) <= set(cells)), None)
    names = found[delimiter] if delimiter else max(found.values(), key=len)
    for column in form.columns:
        if names.count(column) != 1:
            raise _of_header(path, number, names, column, form)
    # One column more than the header has: what is in it, the header does not account for.
    wanted = {names.index(column): name for column, name in zip(form.columns, _ROLES, strict=True)}
    try:
        reader = pd.read_csv(
            stream,
            sep=delimiter,
            header=None,
            names=range(len(names) + 1),
            index_col=False,
            skipinitialspace=True,
            skip_blank_lines=False,
            low_memory=False,
            chunksize=PIECE,
        )
        for table in reader:
            table.index += number + 1
            rest = table[len(names)].dropna()
            if len(rest):
                raise UsageError(
                    f"{path}: line {rest.index[0]}: has more cells than the {len(names)} of the "
                    f"header; correct it or remove the line"
                )
            rows = table.dropna(how="all")
            if len(rows):
                yield Piece(rows[list(wanted)].rename(columns=wanted))
    except pd.errors.EmptyDataError:
        return  # a header alone: the reader of the pieces says so
    except pd.errors.ParserError as error:
        reason = str(error).strip().removeprefix("Error tokenizing data. C error: ")
        raise UsageError(f"{path}: {reason}; correct the line") from None


_ROLES = ("time", "prompt", "output")


def _of_header(path: Path, number: int, names: list[str], column: str, form: Format) -> UsageError:
    where = f"{path}: line {number}: "
    if column in names:
        return UsageError(f"{where}there are two columns {column}; remove or rename one")
    there = ", ".join(shown(name) for name in names[:6])
    other = fitting(names)
    remedy = f"this is the format {other}" if other else f"the columns must be {_named(form)}"
    return UsageError(f"{where}there is no column {column} but {there}; {remedy}")


def _json_lines(
    path: Path, stream: IO[str], number: int, line: str, form: Format
) -> Iterator[Piece]:
    import pandas as pd

    numbers: list[int] = []
    rows: list[list[Any]] = []
    while line:
        if line.strip():
            values = _object(path, number, line)
            numbers.append(number)
            try:
                rows.append([values[column] for column in form.columns])
            except KeyError as error:
                raise _of_header(path, number, list(values), error.args[0], form) from None
        number, line = number + 1, stream.readline()
        if rows and (len(rows) == PIECE or not line):
            yield Piece(pd.DataFrame(rows, index=numbers, columns=list(_ROLES)))
            numbers, rows = [], []


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{path}: line {number}: is not JSON: {error}; one object a line"
        ) from None
    if not isinstance(values, dict):
        raise UsageError(f"{path}: line {number}: is no JSON object; give one object a line")
    return values
