"""Files that are whole or absent: atomic writes, appended records, hashes, locks."""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from openglia.errors import OpenGliaError, UsageError, shown


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write ``content`` so that ``path`` holds either its old or its new content, never a part."""
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_handed_over(path: Path) -> str:
    """The text of a file that a user hands over.

    Raises:
        UsageError: it cannot be read, or see ``decoded``.
    """
    try:
        return decoded(path.read_bytes(), path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None


def folder_for_output(path: Path) -> Path:
    """The folder that a user names for what a command writes; made if it is not there.

    Raises:
        UsageError: there cannot be a folder of that name.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UsageError(f"{path}: is not a folder; name one for the output") from None
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise UsageError(f"{shown(str(path))}: {error.strerror}") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise UsageError(f"{path}: cannot be written; make it writable, or name another folder")
    return path


def decoded(content: bytes, path: Path) -> str:
    """The text of a user's file: UTF-8 whatever the locale, without a byte order mark.

    Raises:
        UsageError: it is not UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UsageError(
            f"{path}: is not UTF-8 text (byte {content[error.start]:#04x} in line {line}); "
            f"save it as UTF-8"
        ) from None


@contextmanager
def sparing(folder: Path) -> Iterator[None]:
    """Around a write to the cache: where it is not possible, that is said once and all goes on.

    What lies in the cache can be made again; a result that was measured must not be lost for it.
    """
    try:
        yield
    except OSError as error:
        _warn_of_cache(folder, error.strerror or str(error))


@cache
def _warn_of_cache(folder: Path, reason: str) -> None:
    line = f"openglia: nothing can be kept in {folder} ({reason}); it is made anew each time"
    print(line, file=sys.stderr)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically. NaN and infinity are refused."""
    write_atomically(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def append_json_line(path: Path, value: Any, *, durable: bool = True) -> None:
    """Append one record to a JSON Lines file and, if ``durable``, see it on disk first."""
    line = json.dumps(value, allow_nan=False) + "\n"
    with path.open("ab") as stream:
        if stream.tell() and not _ends_with_newline(path):
            line = "\n" + line  # a killed process left half a line: keep it apart from ours
        stream.write(line.encode())
        stream.flush()
        if durable:
            os.fsync(stream.fileno())


def read_json_lines(path: Path) -> list[Any]:
    """Read the whole records of a JSON Lines file; a line cut by a crash is passed over."""
    if not path.exists():
        return []
    records = []
    for line in path.read_bytes().split(b"\n"):
        with suppress(ValueError, RecursionError):
            records.append(json.loads(line))
    return records


def write_sealed(path: Path, content: str | bytes) -> None:
    """Write ``content`` with its SHA-256 beside it, so that ``is_sealed`` can tell damage."""
    write_atomically(path, content)
    write_atomically(_seal(path), sha256(content) + "\n")


def is_sealed(path: Path) -> bool:
    """Whether ``path`` holds what ``write_sealed`` wrote."""
    try:
        return _seal(path).read_text().strip() == sha256(path.read_bytes())
    except (OSError, ValueError):
        return False


def _seal(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def canonical_json(value: Any) -> str:
    """The one spelling of ``value`` that hashes are taken of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def sha256(content: str | bytes) -> str:
    """Hexadecimal SHA-256 of ``content``."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


@contextmanager
def exclusive_lock(path: Path, what: str) -> Iterator[None]:
    """Hold ``path`` as a lock. The kernel frees it when its holder dies, so none goes stale.

    Raises:
        OpenGliaError: another process holds the lock; ``what`` says what it is doing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            holder = stream.read().strip() or "unknown"
            raise OpenGliaError(
                f"{what} is already under way in process {holder}; "
                f"wait for it to end, or stop it, then run this again"
            ) from None
        stream.seek(0)
        stream.truncate()
        stream.write(f"{os.getpid()}\n")
        stream.flush()
        yield


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) == b"\n"


def files_below(folder: Path) -> Iterator[Path]:
    """Everything below ``folder`` that is no folder; links to folders count, compiled files don't.

    A link is named, never followed.
    """
    for path in sorted(folder.rglob("*")):
        if "__pycache__" not in path.parts and (path.is_symlink() or not path.is_dir()):
            yield path


def listing(names: Sequence[str], most: int = 5) -> str:
    """The first few names, and how many there are besides."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def replace_contents(target: Path, source: Path | None) -> None:
    """Move what is in the folder ``source`` into ``target``, in the place of what is there.

    An agent without a sandbox could have put a link in the place of ``target``. It is never
    followed: the folder is opened once, as a folder, and all is done relative to that.
    """
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        target.unlink()
    target.mkdir(parents=True, exist_ok=True)
    handle = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for entry in list(os.scandir(handle)):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.name, dir_fd=handle)
            else:
                os.unlink(entry.name, dir_fd=handle)
        for path in sorted(source.iterdir()) if source is not None and source.is_dir() else ():
            shutil.move(path, f"/proc/self/fd/{handle}/{path.name}")
    finally:
        os.close(handle)
