"""The one choke point for scoring: a Unix-domain socket that takes a scheduler's source.

The harness evaluates in its own process tree and alone writes the record. Nothing but the source
comes from the agent, and nothing that it can edit decides a score. The budget sits here too.
"""

import json
import os
import select
import shutil
import socket
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from openglia import paths
from openglia.errors import OpenGliaError, UsageError
from openglia.files import sha256
from openglia.measuring.processes import CancelledError
from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.benchmark.evaluation import evaluate
from openglia.problems.routing.benchmark.tables import evaluation_table
from openglia.runs.record import Record
from openglia.runs.requests import MAX_REQUEST_BYTES, RefusedError, Request, read_request
from openglia.runs.workspace import publish_results

_CONNECTIONS = 32  # at a time; more are sent away
_TRANSFER_SECONDS = 20.0  # for one message either way
_LOOK_EVERY = 0.25  # seconds between looks at whether the other side is still there
_CLOSING_SECONDS = 20.0
_LONGEST_PATH = 100  # bytes; the kernel takes 107


class Evaluator:
    """Serves one run. A context manager; ``socket_path`` goes into OPENGLIA_EVALUATOR."""

    def __init__(
        self,
        record: Record,
        benchmark: Benchmark,
        *,
        simulator: str = "auto",
        max_evaluations: int | None = None,
        simulator_results: Path = paths.SIMULATOR_RESULTS,
    ) -> None:
        self._record = record
        self._benchmark = benchmark
        self._simulator = simulator
        self._max_evaluations = max_evaluations
        self._simulator_results = simulator_results
        self._queue: deque[object] = deque()
        self._turn = threading.Condition()
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self.trouble: list[str] = []  # evaluations that the harness itself could not carry out
        self.folder = _short_folder()  # mode 0700
        self.socket_path = self.folder / "evaluator"
        self._work = Path(tempfile.mkdtemp(prefix="openglia-evaluation-"))
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def __enter__(self) -> Self:
        self._listener.bind(str(self.socket_path))
        self._listener.listen(_CONNECTIONS)
        threading.Thread(target=self._accept, name="evaluator", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the evaluation under way and wait until its processes are gone."""
        self._closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(_CLOSING_SECONDS)
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self._work, ignore_errors=True)

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            if len(self._threads) >= _CONNECTIONS:
                connection.close()
                continue
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError, CancelledError):
            connection.settimeout(_TRANSFER_SECONDS)
            try:
                result, note = self._answer(connection)
            except RefusedError as refusal:
                result, note = self._failed("refused", str(refusal)), "not counted"
            except UsageError as error:  # it asks for what cannot be: no request in the duration
                result, note = self._failed("refused", str(error)), "not counted"
            except OpenGliaError as error:
                self.trouble.append(str(error))
                result, note = self._failed("harness", str(error)), "not counted"
            except OSError as error:
                reason = f"the harness could not carry out an evaluation: {error}"
                self.trouble.append(reason)
                result, note = self._failed("harness", reason), "not counted"
            _send(connection, {"result": result, "table": f"{evaluation_table(result)}\n({note})"})

    def _answer(self, connection: socket.socket) -> tuple[dict[str, Any], str]:
        request = read_request(_receive_line(connection), self._benchmark)
        with _watch(connection, self._closing) as gone, self._own_turn(connection, gone):
            self._check_budget()
            result = self._evaluate(request, connection, gone)
            record = self._record.append(request.source, request.to_json(self._benchmark), result)
        note = f"evaluation {record['number']}"
        if self._max_evaluations is not None:
            left = self._max_evaluations - self._record.evaluations_used
            note += f"; {left} of {self._max_evaluations} left"
        return result, note

    def _evaluate(
        self, request: Request, connection: socket.socket, gone: threading.Event
    ) -> dict[str, Any]:
        candidate = self._work / "ai_global_scheduler.py"
        candidate.write_bytes(request.source.encode())
        output = self._work / "results"

        def say(done: int, total: int) -> None:
            with suppress(OSError):
                _send(connection, {"progress": f"{done}/{total} seeds"})

        try:
            result = evaluate(
                str(candidate),
                request.narrowed(self._benchmark),
                seeds=request.seeds,
                simulator=self._simulator,
                output_dir=output,
                progress=say,
                cancelled=gone,
            ).to_json()
        except CancelledError:
            if self._closing.is_set():
                raise  # the run's end, not the candidate's: it leaves no trace
            return self._failed("abandoned", "the command that asked for it ended first", request)
        with suppress(OSError):  # for the agent's reading; the record stands without
            publish_results(output, self._simulator_results)
        return result

    def _check_budget(self) -> None:
        most = self._max_evaluations
        if most is not None and self._record.evaluations_used >= most:
            raise RefusedError(f"the budget of {most} evaluations is used up")

    def _failed(self, rule: str, reason: str, request: Request | None = None) -> dict[str, Any]:
        seeds = self._benchmark.seeds if request is None else request.seeds
        return {
            "status": "failed",
            "scheduler": None if request is None else sha256(request.source)[:12],
            "benchmark": self._benchmark.name,
            "simulator": "vidur" if self._simulator == "vidur" else "embedded",
            "seeds": list(seeds or self._benchmark.seeds),
            "full": False,
            "rule": rule,
            "reason": reason,
            "detail": "",
        }

    @contextmanager
    def _own_turn(self, connection: socket.socket, gone: threading.Event) -> Iterator[None]:
        """One evaluation at a time, first come first served."""
        ticket = object()
        with self._turn:
            self._queue.append(ticket)
        told = 0
        try:
            with self._turn:
                while self._queue[0] is not ticket:
                    ahead = self._queue.index(ticket)
                    if ahead != told:
                        told = ahead
                        _send(connection, {"progress": f"waiting for {ahead} evaluation(s)"})
                    self._turn.wait(_LOOK_EVERY)
                    if gone.is_set():
                        raise CancelledError
            yield
        finally:
            with self._turn:
                self._queue.remove(ticket)
                self._turn.notify_all()


@contextmanager
def _watch(connection: socket.socket, closing: threading.Event) -> Iterator[threading.Event]:
    """An event that is set when the other side hangs up or says more, or the run ends."""
    gone, done = threading.Event(), threading.Event()

    def look() -> None:
        while not done.is_set():
            readable, _, _ = select.select([connection], [], [], _LOOK_EVERY)
            if readable or closing.is_set():
                gone.set()
                return

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield gone
    finally:
        done.set()
        thread.join()


def _receive_line(connection: socket.socket) -> bytes:
    received = b""
    while b"\n" not in received:
        if len(received) > MAX_REQUEST_BYTES:
            raise RefusedError(f"a request has at most {MAX_REQUEST_BYTES // 1024} KiB")
        data = connection.recv(65536)
        if not data:
            raise RefusedError("the request ended before its end of line")
        received += data
    return received.split(b"\n", 1)[0]


def _send(connection: socket.socket, message: Mapping[str, Any]) -> None:
    connection.sendall(json.dumps(message, allow_nan=False).encode() + b"\n")


def _short_folder() -> Path:
    """A private temporary folder whose path leaves room for a socket's name."""
    folder = Path(tempfile.mkdtemp(prefix="openglia-"))
    if len(os.fsencode(folder / "evaluator")) <= _LONGEST_PATH:
        return folder
    folder.rmdir()
    return Path(tempfile.mkdtemp(prefix="openglia-", dir="/tmp"))
