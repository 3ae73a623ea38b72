"""An existing Dask cluster as the place where candidates are measured.

Its scheduler gives the tasks to its workers, and again to others when one dies. Files that tasks
share are small tasks themselves, named by their content: they go to a worker once, wander from
worker to worker, and are made again when the only one that had them is gone.
"""

import logging
import pickle
import queue
import re
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from openglia.errors import OpenGliaError, UsageError, shown
from openglia.files import sha256
from openglia.measuring import tasks
from openglia.measuring.processes import CancelledError
from openglia.measuring.tasks import Answer, Required, Task

if TYPE_CHECKING:
    from distributed import Client, Future

INSTALL = ".venv/bin/python -m openglia.bootstrap cluster"
_GONE = (
    "the connection to the cluster's scheduler is lost, and with it what was under way; see that "
    "it runs, and measure again"
)
START = "PYTHONPATH=. .venv/bin/dask worker"
_ADDRESS = re.compile(r"(tcp|tls)://[^/\s]+:\d{1,5}")
_ANSWER_SECONDS = 5.0  # for the scheduler's first word
_LOOK_EVERY = 0.25  # seconds
_KEPT = 512  # files that stay on the cluster when no task needs them


class Cluster:
    """A connection to a cluster whose workers measure as this machine does; a context manager."""

    def __init__(self, address: str) -> None:
        """Raises:
        OpenGliaError: no scheduler answers there.
        """
        self._client = _client(address)
        self.address = address
        self._required: dict[tuple[str, Any], Required] = {}
        self._files: OrderedDict[str, Future] = OrderedDict()  # by their hash
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._files.clear()
        self._client.close(timeout=_ANSWER_SECONDS)

    @property
    def room(self) -> int:
        """How many tasks its workers do at a time."""
        return sum(self._client.nthreads().values())

    def wait(self) -> None:
        """Until there is a worker."""
        with _understood():
            # A task, and not a look now and then: a cluster may grow when there is work.
            self._client.submit(bytes, pure=False).result()

    def require(self, function: str, *arguments: Any) -> None:
        """See to it that something is on the workers as it is here, also on those to come.

        Args:
            function: see ``Required``.

        Raises:
            OpenGliaError: on one of them it is not.
        """
        here = tasks.facts(function, arguments)
        with _understood():
            found = self._client.run(tasks.facts, function, arguments, on_error="return")
        for address, facts in found.items():
            wrong = (
                f"it cannot say what it has ({type(facts).__name__}: {facts})"
                if isinstance(facts, Exception)
                else tasks.difference(here, facts)
            )
            if wrong:
                raise OpenGliaError(f"{tasks.refusal(wrong)} (worker {address})")
        required = Required(function=function, arguments=arguments, facts=here)
        self._required[function, arguments] = required

    def started(self, work: Sequence[Task], cancelled: threading.Event | None = None) -> "Started":
        """Hand tasks to the cluster.

        Raises:
            OpenGliaError: a file is too large to be sent, or the scheduler is gone.
        """
        with self._lock:
            if self._client.status == "closed":  # the scheduler was gone; is there one again?
                self._client = _client(self.address)
                self._files.clear()
        named = {f"openglia-{uuid4().hex}": task for task in work}
        submitted = {key: (task, self._submit(key, task)) for key, task in named.items()}
        return Started(self._client, submitted, cancelled)

    def _submit(self, key: str, task: Task) -> "Future":
        shipped = [self._shipped(name, file) for name, file in task.files.items()]
        digests = dict(zip(task.files, (digest for digest, _ in shipped), strict=True))
        # Packed, so that the scheduler need not load what only the workers do.
        required = tuple(self._required.values())
        packed = pickle.dumps((task.function, task.told, digests, required))
        contents = [future for _, future in shipped]
        return self._client.submit(tasks.perform, packed, *contents, key=key)

    def _shipped(self, name: str, file: Path | bytes) -> "tuple[str, Future]":
        """A file's hash, and the task whose result is its content."""
        data = file if isinstance(file, bytes) else file.read_bytes()
        if len(data) > tasks.LARGEST:
            raise OpenGliaError(
                f"{name} has more than {tasks.LARGEST >> 20} MB, which is not sent to a cluster; "
                f"leave out --cluster"
            )
        digest = sha256(data)
        with self._lock:
            if digest not in self._files:
                # Made by a function of Python's own: nothing of ours has to be loaded for it.
                key = f"file-{digest}"
                self._files[digest] = self._client.submit(bytes, tasks.packed(data), key=key)
            self._files.move_to_end(digest)
            while len(self._files) > _KEPT:
                self._files.popitem(last=False)
            return digest, self._files[digest]


class Started:
    """Tasks under way; a context manager that leaves none of them behind."""

    def __init__(
        self,
        client: "Client",
        work: "Mapping[str, tuple[Task, Future]]",
        cancelled: threading.Event | None,
    ) -> None:
        self._client, self._work, self._cancelled = client, work, cancelled
        self._ended: queue.SimpleQueue[Future] = queue.SimpleQueue()
        for _, future in work.values():
            future.add_done_callback(self._ended.put)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Cancel those under way, which their workers notice within a second."""
        with suppress(OSError):  # the scheduler is gone, and has forgotten them
            self._client.cancel([future for _, future in self._work.values()])

    def answers(self) -> Iterator[tuple[Task, Answer]]:
        """Yield each task as it ends, with what became of it.

        Raises:
            CancelledError: ``cancelled`` was set.
            OpenGliaError: the cluster, or one of its machines, is in trouble.
        """
        for _ in self._work:
            future = self._next()
            task, _ = self._work[future.key]
            with _understood():
                answer: Answer = future.result()
            if answer.trouble is not None:
                raise OpenGliaError(answer.trouble)
            yield task, answer

    def _next(self) -> "Future":
        while True:
            if self._cancelled is not None and self._cancelled.is_set():
                raise CancelledError
            if self._client.status != "running":
                raise OpenGliaError(_GONE)
            with suppress(queue.Empty):
                return self._ended.get(timeout=_LOOK_EVERY)


def connect(address: str, say: Callable[[str], None]) -> Cluster:
    """The cluster whose scheduler listens at ``tcp://host:port``; waits until it has a worker.

    Raises:
        UsageError: Dask is not installed, or that is no address.
        OpenGliaError: no scheduler answers, or a worker would not measure as this machine does.
    """
    if not _ADDRESS.fullmatch(address):
        raise UsageError(f"--cluster {shown(address)}: has the form tcp://host:port")
    try:
        # Late: it takes a second or two to load, and few runs need it.
        import distributed  # noqa: F401
    except ImportError:
        raise UsageError(f"--cluster needs Dask; install it: {INSTALL}") from None
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters is said by us
    with ExitStack() as failing:
        cluster = failing.enter_context(Cluster(address))
        if not cluster.room:
            say(f"the cluster at {address} has no workers yet: waiting for one ({START} {address})")
            cluster.wait()
        cluster.require("openglia.measuring.tasks:machine")
        failing.pop_all()
    return cluster


def _client(address: str) -> "Client":
    from distributed import Client  # late: see ``connect``

    try:
        with warnings.catch_warnings(action="ignore"):  # of versions: see ``Cluster.require``
            return Client(address, timeout=_ANSWER_SECONDS, set_as_default=False)
    except (OSError, RuntimeError) as error:
        raise OpenGliaError(
            f"no Dask scheduler answers at {address} within {_ANSWER_SECONDS:g} s; see that one "
            f"runs there (.venv/bin/dask scheduler) and that this machine can reach it"
        ) from error


@contextmanager
def _understood() -> Iterator[None]:
    """Around what the cluster does: whatever Dask raises becomes a line."""
    try:
        yield
    except Exception as error:
        raise _trouble(error) from error


def _trouble(error: Exception) -> OpenGliaError:
    name = type(error).__name__
    if name == "KilledWorker":
        return OpenGliaError(
            "several workers of the cluster died while they measured the same case, so that it "
            "was given up; see their logs, and whether they have memory enough"
        )
    if name in ("FutureCancelledError", "CancelledError", "CommClosedError"):
        return OpenGliaError(_GONE)
    words = " ".join(str(error).split())[:500]
    return OpenGliaError(
        f"the cluster could not measure ({name}: {words}); scheduler and workers must run from "
        f"the same version of the checkout"
    )
