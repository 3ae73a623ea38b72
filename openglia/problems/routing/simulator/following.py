"""The side of a candidate that is told what changed (``recording.py``)."""

from collections.abc import Callable, Iterable
from typing import Any

from openglia.problems.routing.simulator import interface
from openglia.problems.routing.simulator.dispatch import Calls
from openglia.problems.routing.simulator.job import Job, take
from openglia.problems.routing.simulator.scheduling import Schedulers
from openglia.problems.routing.simulator.wire import (
    ADMIT,
    ARRIVE,
    COMPLETED,
    EMPTY,
    LEAVE,
    PLACE,
    PREFILLED,
    REPLICA,
    REQUEST,
    RESTART,
    RETURN,
    SCHEDULED,
)


class Follower:
    """Does to the router's views what the engine did to its own, and calls where it calls."""

    def __init__(self, dispatcher: Calls) -> None:
        self._dispatcher = dispatcher
        self._replicas = dispatcher.replica_views
        self._requests: dict[int, interface.Request] = {}  # that have arrived, not completed
        self._do: dict[int, Callable[..., None]] = {
            REPLICA: self._replica,
            REQUEST: self._request,
            PLACE: self._place,
            ADMIT: self._admit,
            RESTART: self._restart,
            LEAVE: self._leave,
            ARRIVE: self._arrive,
            EMPTY: self._empty,
            RETURN: self._return,
        }

    def follow(self, changes: Iterable[tuple[Any, ...]]) -> list[tuple[int, int]]:
        """Follow them, and call; return the placements: the replica's number, the request's."""
        self._apply(changes)
        return [(number, job.index) for number, job in self._dispatcher.route()]

    def _apply(self, changes: Iterable[tuple[Any, ...]]) -> None:
        for change in changes:
            self._do[change[0]](*change[1:])

    def _replica(self, number: int, steps: int, blocks: int, in_flight: bool, failed: bool) -> None:
        view = self._replicas[number]
        view._steps = steps
        view.num_allocated_blocks = blocks
        view._decodes_in_flight = in_flight
        view.failed = failed

    def _request(
        self, index: int, prompt: int, processed: int, host: int, restarts: int, flags: int
    ) -> None:
        view = self._requests[index]
        view.num_prefill_tokens = prompt
        view._processed = processed
        view._host = None if host < 0 else self._replicas[host]
        view.num_restarts = restarts
        view.scheduled = bool(flags & SCHEDULED)
        view.is_prefill_complete = bool(flags & PREFILLED)
        if flags & COMPLETED:
            view.completed = True
            del self._requests[index]

    def _place(self, number: int, index: int) -> None:
        view = self._replicas[number]
        view._waiting.append(self._requests[index])
        view.num_pending_requests += 1

    def _admit(self, number: int, index: int) -> None:
        view, request = self._replicas[number], self._requests[index]
        take(view, request)
        view._active[index] = request
        view.num_pending_requests -= 1
        view.num_active_requests += 1

    def _restart(self, number: int, index: int) -> None:
        view = self._replicas[number]
        view._waiting.appendleft(self._requests[index])
        view.num_pending_requests += 1

    def _leave(self, number: int, index: int) -> None:
        view = self._replicas[number]
        del view._active[index]
        view.num_active_requests -= 1

    def _arrive(self, index: int, arrived_at: float, prompt: int) -> None:
        job = Job(index, arrived_at, prompt, 0)  # of how many tokens, nobody knows here
        self._requests[index] = job.view
        self._dispatcher.arrive(job)

    def _empty(self, number: int) -> None:
        view = self._replicas[number]
        view._waiting.clear()
        view.num_pending_requests = 0

    def _return(self, index: int) -> None:
        job = Job(index, 0.0, 0, 0)
        job.view = self._requests[index]
        self._dispatcher.take_back(job)


class SchedulersFollower(Follower):
    """Likewise for the schedulers of the replicas, which are asked about one of them."""

    def __init__(self, schedulers: Schedulers) -> None:
        super().__init__(schedulers)
        self._schedulers = schedulers

    def follow(self, told: Any) -> list[tuple[int, int]]:
        """Follow changes, and ask; return the replica and whom it names, if it names one."""
        changes, number, running = told
        self._apply(changes)
        if running is None:
            offered = self._replicas[number].pending_queue
            place = self._schedulers.admit(number, offered)
        else:
            offered = tuple([self._requests[index] for index in running])
            place = self._schedulers.evict(number, offered)
        return [] if place is None else [(number, offered[place].id)]

    def _admit(self, number: int, index: int) -> None:
        waiting, request = self._replicas[number]._waiting, self._requests[index]
        if request in waiting:  # else somebody has changed the queue, which is said there
            waiting.remove(request)
            waiting.appendleft(request)
        super()._admit(number, index)
