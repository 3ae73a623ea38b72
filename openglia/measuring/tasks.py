"""One case of one candidate as a task of its own: what a machine of a cluster is sent, and does.

It holds all that its measuring reads, or a hash of it. Scheduler and workers of the cluster load
this module; the candidate itself runs in a fenced process that the worker starts.
"""

import functools
import importlib
import io
import pickle
import platform
import tarfile
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from openglia import paths
from openglia.errors import OpenGliaError
from openglia.files import files_below, sha256
from openglia.measuring import worker_fence
from openglia.measuring.processes import CancelledError

LARGEST = 256 << 20  # bytes of one file that is sent, and of what a task leaves
_TRUSTED = 10.0  # seconds for which a worker need not look at its own facts again

# Measures in the second argument, a folder of its own with the task's files, what the first one
# says; leaves files in the third, and returns what can be sent back. The fourth stops it.
Measure = Callable[[Any, Path, Path, threading.Event], Any]


@dataclass(frozen=True, kw_only=True)
class Required:
    """What must be here as it is where the task comes from."""

    function: str  # "module:function", which returns it by name; None: it does not matter
    arguments: tuple[Any, ...] = ()
    facts: Mapping[str, str | None]


@dataclass(frozen=True, kw_only=True)
class Task:
    """One case of one candidate."""

    function: str  # "module:function" of a ``Measure``
    told: Any  # its first argument, small
    # By their names in the task's folder, or their contents; sent with their hashes.
    files: Mapping[str, Path | bytes]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What became of a task."""

    value: Any = None  # what its function returned
    left: bytes = b""  # what it left, see ``unpack``
    trouble: str | None = None  # instead: what is wrong with the machine, or the case


def machine() -> dict[str, str | None]:
    """What decides a score, or what a candidate may do, wherever it is measured."""
    package = paths.ROOT / "openglia"
    files = [path for path in files_below(package) if path.is_file()]
    listed = [f"{path.relative_to(package)}\0{sha256(path.read_bytes())}" for path in files]
    return {
        "openglia": sha256("\n".join(sorted(listed)))[:12],
        "Python": platform.python_version(),
        "NumPy": version("numpy"),
        "processor": platform.machine(),
        "fence around simulations": None if worker_fence.problem() else "there",
    }


def facts(function: str, arguments: tuple[Any, ...] = ()) -> dict[str, str | None]:
    """What a function of ``Required`` finds on this machine."""
    found: dict[str, str | None] = _named(function)(*arguments)
    _looked[function, arguments] = time.monotonic(), found
    return found


_looked: dict[tuple[str, tuple[Any, ...]], tuple[float, dict[str, str | None]]] = {}


def difference(wanted: Mapping[str, str | None], found: Mapping[str, str | None]) -> str | None:
    """What is not as wanted, in words; None: all is."""
    for name, value in wanted.items():
        if value not in (None, found.get(name)):
            return f"its {name} is {found.get(name) or 'not there'}, and here it is {value}"
    return None


def perform(asked: bytes, *contents: bytes) -> Answer:
    """On a worker: refuse, or measure.

    Args:
        asked: pickled: of a ``Task`` its function, what that is told, and the SHA-256 of its files
            by name; and what is ``Required``.
        contents: of its files, in their order, as ``packed`` made them.
    """
    from distributed import get_worker  # late: only a cluster's machines need it

    worker = get_worker()
    try:
        function, told, digests, required = pickle.loads(asked)
        _check(required)
        return _measured(function, told, dict(zip(digests.items(), contents, strict=True)), worker)
    except CancelledError:
        return Answer(trouble="nobody waits for it any more")
    except OpenGliaError as error:
        return Answer(trouble=f"{error} (worker {worker.address})")


def _check(required: Sequence[Required]) -> None:
    for each in required:
        at, found = _looked.get((each.function, each.arguments), (-_TRUSTED, {}))
        if time.monotonic() - at >= _TRUSTED:
            found = facts(each.function, each.arguments)
        if wrong := difference(each.facts, found):
            raise OpenGliaError(refusal(wrong))


def _measured(
    function: str, told: Any, files: Mapping[tuple[str, str], bytes], worker: Any
) -> Answer:
    with tempfile.TemporaryDirectory(prefix="openglia-", dir=worker.local_directory) as temporary:
        folder = Path(temporary).resolve()
        for (name, digest), content in files.items():
            data = zlib.decompress(content)
            if sha256(data) != digest:
                raise OpenGliaError(f"{name} arrived damaged; try again")
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        output = folder / "output"
        output.mkdir()
        value = _named(function)(told, folder, output, _Unwanted(worker))
        return Answer(value=value, left=_gathered(output))


def refusal(wrong: str) -> str:
    """Why a worker is sent nothing."""
    return (
        f"a worker of the cluster would not measure as this machine does: {wrong}; start it from "
        f"the same version of the checkout, set up in the same way"
    )


class _Unwanted(threading.Event):
    """Set once Dask has cancelled the task that this thread works on: it stops none by itself."""

    def __init__(self, worker: Any) -> None:
        super().__init__()
        self._tasks, self._key = worker.state.tasks, worker.get_current_task()

    def is_set(self) -> bool:
        state = self._tasks.get(self._key)
        return state is None or state.state == "cancelled"


def packed(data: bytes) -> bytes:
    """The content of a file as it is sent."""
    return zlib.compress(data, 1)


def _gathered(folder: Path) -> bytes:
    """The regular files below a folder, and nothing that a candidate may have put there besides."""
    files = [path for path in files_below(folder) if path.is_file() and not path.is_symlink()]
    if sum(path.stat().st_size for path in files) > LARGEST:
        raise OpenGliaError(
            f"the results of one case have more than {LARGEST >> 20} MB, which is not sent back "
            f"from a cluster; leave out --cluster"
        )
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=1) as archive:
        for path in files:
            archive.add(path, str(path.relative_to(folder)), recursive=False)
    return stream.getvalue()


def unpack(left: bytes, folder: Path) -> None:
    """Put what a task left into a folder, which is made."""
    with tarfile.open(fileobj=io.BytesIO(left), mode="r:gz") as archive:
        archive.extractall(folder, filter="data")


@functools.cache
def _named(function: str) -> Callable[..., Any]:
    module, _, name = function.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found
