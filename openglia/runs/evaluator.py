"""The one choke point for scoring: a Unix-domain socket that takes a candidate's source.

The harness evaluates in its own process tree and alone writes the record. Nothing but the source
comes from the agent, and nothing that it can edit decides a score. The budget sits here too.
"""

import os
import select
import shutil
import socket
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from openglia.errors import OpenGliaError, UsageError
from openglia.measuring.processes import CancelledError
from openglia.presenting.score import Line
from openglia.problems.problem import Problem, RefusedError
from openglia.runs.messages import Answer, Progress, Score
from openglia.runs.record import Record
from openglia.runs.requests import MAX_REQUEST_BYTES, Request, read_request

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
        problem: Problem,
        *,
        max_evaluations: int | None = None,
        evaluated: Callable[[], None] = lambda: None,
    ) -> None:
        """``evaluated`` is called after each answer, from any thread."""
        self._record = record
        self._evaluated = evaluated
        self._problem = problem
        self._max_evaluations = max_evaluations
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
            number = None
            try:
                line, number = self._answer(connection)
            except RefusedError as refusal:
                line = self._failed("refused", str(refusal))
            except UsageError as error:  # it asks for what cannot be: no request in the duration
                line = self._failed("refused", str(error))
            except OpenGliaError as error:
                self.trouble.append(str(error))
                line = self._failed("harness", str(error))
            except OSError as error:
                reason = f"the harness could not carry out an evaluation: {error}"
                self.trouble.append(reason)
                line = self._failed("harness", reason)
            _send(connection, self._told(line, number))
        self._evaluated()

    def _answer(self, connection: socket.socket) -> tuple[Line, int]:
        request = read_request(_receive_line(connection), self._problem)
        with _watch(connection, self._closing) as gone, self._own_turn(connection, gone):
            self._check_budget()
            line = self._evaluate(request, connection, gone)
            return line, self._record.append(request.source, request.look.asked, line).number

    def _told(self, line: Line, number: int | None) -> Answer:
        """A line for people and for libraries; ``number``: in the record, where it counted."""
        shown, most = self._problem.presentation, self._max_evaluations
        left = None if most is None else max(0, most - self._record.evaluations_used)
        note = "not counted" if number is None else f"evaluation {number}"
        if number is not None and left is not None:
            note += f"; {left} of {most} left"
        score, objective = shown.score(line), shown.objective
        told = Score(
            value=score.value,
            ratio=score.ratio,
            full=score.full,
            rule="" if score.ok else score.rule,
            reason="" if score.ok else score.reason,
            objective=objective.words,
            unit=objective.unit,
            lower_is_better=objective.lower_is_better,
            yardstick=shown.yardstick_label,
            number=number,
            evaluations_left=left,
            line=line,
        )
        return Answer(line, f"{self._problem.told(line)}\n({note})", told)

    def _evaluate(self, request: Request, connection: socket.socket, gone: threading.Event) -> Line:
        candidate = self._work / self._problem.working_file.name
        candidate.write_bytes(request.source.encode())
        output = self._work / "results"

        def say(done: int, total: int) -> None:
            with suppress(OSError):
                noun = self._problem.presentation.case
                _send(connection, Progress(f"{done}/{total} {noun}s"))

        try:
            line = self._problem.measure(
                candidate, request.look, output=output, progress=say, cancelled=gone
            )
        except CancelledError:
            if self._closing.is_set():
                raise  # the run's end, not the candidate's: it leaves no trace
            return self._failed("abandoned", "the command that asked for it ended first", request)
        with suppress(OSError):  # for the agent's reading; the record stands without
            self._problem.publish(output)
        return self._record.rated(line)

    def _check_budget(self) -> None:
        most = self._max_evaluations
        if most is not None and self._record.evaluations_used >= most:
            raise RefusedError(f"the budget of {most} evaluations is used up")

    def _failed(self, rule: str, reason: str, request: Request | None = None) -> Line:
        if request is None:
            return self._problem.failed(rule, reason, self._problem.everything)
        return self._problem.failed(rule, reason, request.look, request.source)

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
                        _send(connection, Progress(f"waiting for {ahead} evaluation(s)"))
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
    gone = threading.Event()
    ending, done = socket.socketpair()  # closed here, it wakes the other end at once

    def look() -> None:
        while True:
            readable, _, _ = select.select([connection, ending], [], [], _LOOK_EVERY)
            if ending in readable:
                return
            if readable or closing.is_set():
                gone.set()
                return

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield gone
    finally:
        done.close()
        thread.join()
        ending.close()


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


def _send(connection: socket.socket, message: Answer | Progress) -> None:
    connection.sendall(message.encoded())


def _short_folder() -> Path:
    """A private temporary folder whose path leaves room for a socket's name."""
    folder = Path(tempfile.mkdtemp(prefix="openglia-"))
    if len(os.fsencode(folder / "evaluator")) <= _LONGEST_PATH:
        return folder
    folder.rmdir()
    return Path(tempfile.mkdtemp(prefix="openglia-", dir="/tmp"))
