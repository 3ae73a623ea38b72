"""Whose evaluation is next, where several ask at once."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from openglia.measuring.processes import CancelledError, available_cores

_LOOK_EVERY = 0.25  # seconds between looks at whether somebody still waits


@dataclass(eq=False)
class _Ticket:
    door: object
    number: int


class Turns:
    """So many evaluations at a time: the doors in turn, and at each first come first served."""

    def __init__(self, slots: int = 1) -> None:
        self._slots = slots
        self._change = threading.Condition()
        self._waiting: list[_Ticket] = []
        self._under_way = 0
        self._numbers = 0
        self._served: dict[object, int] = {}  # by door: when it was served last

    @contextmanager
    def own(
        self, door: object, gone: threading.Event, tell: Callable[[int], None]
    ) -> Iterator[int | None]:
        """Wait for the turn, and hold it.

        Args:
            door: who asks.
            gone: set when nobody waits for the turn any more.
            tell: told how many are ahead, when that changes.

        Yields:
            How many processes the evaluation may have; None: as many as suit it.

        Raises:
            CancelledError: ``gone`` was set.
        """
        with self._change:
            self._numbers += 1
            ticket = _Ticket(door, self._numbers)
            self._waiting.append(ticket)
            told = 0
            try:
                while self._under_way >= self._slots or self._next() is not ticket:
                    ahead = self._ahead(ticket)
                    if ahead not in (told, 0):
                        told = ahead
                        tell(ahead)
                    self._change.wait(_LOOK_EVERY)
                    if gone.is_set():
                        raise CancelledError
                self._under_way += 1
            finally:
                self._waiting.remove(ticket)
                self._change.notify_all()
            self._served[door] = self._numbers
            jobs = None
            if self._slots > 1:  # the cores, shared with those who are here
                here = min(self._slots, self._under_way + len(self._waiting))
                jobs = max(1, available_cores() // here)
        try:
            yield jobs
        finally:
            with self._change:
                self._under_way -= 1
                self._change.notify_all()

    def _next(self) -> _Ticket:
        return min(self._waiting, key=lambda one: (self._served.get(one.door, 0), one.number))

    def _ahead(self, ticket: _Ticket) -> int:
        """How many are ahead at the same door, or are measured at another."""
        before = sum(
            one.door is ticket.door and one.number < ticket.number for one in self._waiting
        )
        return before + self._under_way
