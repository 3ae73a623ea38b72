"""The one choke point for scoring: a Unix-domain socket that takes a candidate's source.

The harness evaluates in its own process tree and alone writes the record. Nothing but the source
comes from the agent, and nothing that it can edit decides a score. The budget sits here too.
"""

import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from openglia.errors import OpenGliaError, UsageError
from openglia.files import replace_contents
from openglia.measuring.processes import CancelledError, available_cores
from openglia.presenting.score import Line
from openglia.problems.asked import RefusedError
from openglia.problems.problem import Problem
from openglia.runs import going_back
from openglia.runs.cache import MARK, Cache
from openglia.runs.doors import CONNECTIONS, Door, receive_line, send, watch
from openglia.runs.messages import Answer, Candidate, Progress, Score, Wanted
from openglia.runs.record import Record
from openglia.runs.requests import Request, read_request
from openglia.runs.turns import Turns

_TRANSFER_SECONDS = 20.0  # for one message either way
_CLOSING_SECONDS = 20.0


class Evaluator:
    """Serves one run. A context manager; ``socket_path`` goes into OPENGLIA_EVALUATOR."""

    def __init__(
        self,
        record: Record,
        problem: Problem,
        *,
        max_evaluations: int | None = None,
        evaluated: Callable[[], None] = lambda: None,
        doors: Sequence[Door] = (),
        cache: Cache | None = None,
    ) -> None:
        """Args:
        evaluated: called after each answer, from any thread.
        doors: default a single one.
        cache: of scores that were measured before.
        """
        self._record = record
        self._evaluated = evaluated
        self._problem = problem
        self._max_evaluations = max_evaluations
        self._cache = cache
        self._results = problem.workplace.results
        self.doors = doors or (Door(),)
        slots = min(len(self.doors), available_cores())
        if problem.room is not None:  # on machines whose scheduler has queues of its own
            slots = max(len(self.doors), problem.room // len(problem.cases) + 1)
        self._turns = Turns(slots)
        self._budget = threading.Lock()
        self._reserved: list[Door] = []  # of evaluations under way
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self.trouble: list[str] = []  # evaluations that the harness itself could not carry out
        self._work = Path(tempfile.mkdtemp(prefix="openglia-evaluation-"))

    @property
    def folder(self) -> Path:
        """Of the first door."""
        return self.doors[0].folder

    @property
    def socket_path(self) -> Path:
        """Of the first door."""
        return self.doors[0].socket_path

    def __enter__(self) -> Self:
        for door in self.doors:
            door.open()
            threading.Thread(
                target=self._accept, args=(door,), name="evaluator", daemon=True
            ).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the evaluations under way and wait until their processes are gone."""
        self._closing.set()
        for door in self.doors:
            door.close()
        for thread in self._threads:
            thread.join(_CLOSING_SECONDS)
        for door in self.doors:
            shutil.rmtree(door.folder, ignore_errors=True)
        shutil.rmtree(self._work, ignore_errors=True)

    def _accept(self, door: Door) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = door.listener.accept()
            except OSError:
                return
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            if len(self._threads) >= CONNECTIONS * len(self.doors):
                connection.close()
                continue
            thread = threading.Thread(target=self._serve, args=(connection, door), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, door: Door) -> None:
        with connection, suppress(OSError, CancelledError):
            connection.settimeout(_TRANSFER_SECONDS)
            number = None
            try:
                request = read_request(receive_line(connection), self._problem)
                if isinstance(request, Wanted):
                    send(connection, self._candidate(request.number, door))
                    return
                line, number = self._answer(request, connection, door)
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
            send(connection, self._told(line, number, door))
        self._evaluated()

    def _candidate(self, number: int, door: Door) -> Candidate:
        for one in self._record.of(door.context):
            if one.number == number:
                source = self._record.source(one).decode(errors="surrogateescape")
                return Candidate(number, source, self._problem.told(one.result))
        raise RefusedError(f"there is no evaluation {number} to go back to")

    def _answer(self, request: Request, connection: socket.socket, door: Door) -> tuple[Line, int]:
        def wait(ahead: int) -> None:
            send(connection, Progress(f"waiting for {ahead} evaluation(s)"))

        with (
            watch(connection, self._closing) as gone,
            self._turns.own(door, gone, wait) as jobs,
            tempfile.TemporaryDirectory(dir=self._work) as folder,
            self._reserve(door),
        ):
            line = self._known(request)
            if line is None:
                line = self._evaluate(request, connection, gone, door, Path(folder), jobs)
                if self._cache is not None:
                    self._cache.keep(request.source, request.look, line)
            with self._budget:  # on record and not reserved any more: at one stroke, counted once
                number = self._record.append(
                    request.source,
                    request.look.asked,
                    line,
                    context=door.context,
                    generation=door.generation,
                ).number
                self._reserved.remove(door)
            return line, number

    def _known(self, request: Request) -> Line | None:
        """The score from an earlier measurement, unless its files are to be read too."""
        files = self._results is not None and request.look.asked.get("requests") is not False
        if self._cache is None or files:
            return None
        return self._cache.get(request.source, request.look)

    def _left(self, door: Door) -> tuple[int | None, int | None]:
        """How many evaluations are left to who asks there, and of how many."""
        limits = (
            (self._max_evaluations, self._record.evaluations_used, self._reserved),
            (
                door.most,
                self._record.used_by(door.context),
                [one for one in self._reserved if one is door],
            ),
        )
        known = [
            (max(0, most - used - len(on)), most) for most, used, on in limits if most is not None
        ]
        return min(known, default=(None, None), key=lambda pair: pair[0])

    @contextmanager
    def _reserve(self, door: Door) -> Iterator[None]:
        """Room for an evaluation, which whoever puts it on record gives back."""
        with self._budget:
            left, most = self._left(door)
            if left == 0:
                raise RefusedError(f"the budget of {most} evaluations is used up")
            self._reserved.append(door)
        try:
            yield
        except BaseException:
            with self._budget:
                self._reserved.remove(door)
            raise

    def _told(self, line: Line, number: int | None, door: Door) -> Answer:
        """A line for people and for libraries; ``number``: in the record, where it counted."""
        shown = self._problem.presentation
        left, most = self._left(door)
        note = "not counted" if number is None else f"evaluation {number}"
        if number is not None and left is not None:
            note += f"; {left} of {most} left"
        if number is not None:
            note += "; measured before" if MARK in line else ""
            note += going_back.words(self._record, door.context, number, shown)
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
            broken=score.broken,
            violation=score.violation,
        )
        return Answer(line, f"{self._problem.told(line)}\n({note})", told)

    def _evaluate(
        self,
        request: Request,
        connection: socket.socket,
        gone: threading.Event,
        door: Door,
        folder: Path,
        jobs: int | None,
    ) -> Line:
        candidate = folder / self._problem.working_file.name
        candidate.write_bytes(request.source.encode())
        output = folder / "results"

        def say(done: int, total: int) -> None:
            with suppress(OSError):
                noun = self._problem.presentation.case
                send(connection, Progress(f"{done}/{total} {noun}s"))

        try:
            line = self._problem.measure(
                candidate, request.look, output=output, jobs=jobs, progress=say, cancelled=gone
            )
        except CancelledError:
            if self._closing.is_set():
                raise  # the run's end, not the candidate's: it leaves no trace
            return self._failed("abandoned", "the command that asked for it ended first", request)
        if self._results is not None:
            with suppress(OSError):  # for the agent's reading; the record stands without
                replace_contents(door.root / self._results, output)
        return self._record.rated(line)

    def _failed(self, rule: str, reason: str, request: Request | None = None) -> Line:
        if request is None:
            return self._problem.failed(rule, reason, self._problem.everything)
        return self._problem.failed(rule, reason, request.look, request.source)
