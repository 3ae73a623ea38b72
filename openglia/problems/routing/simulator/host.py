"""Runs a router for an engine in another process: ``python -P -m (this module)``.

Standard input is the connection (``wire.py``). The router gets the objects of ``interface.py``, the
same ones at each call, brought up to date before. No trace and no output length is ever here.
"""

import gc
import json
import marshal
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from openglia.problems.routing.benchmark.definition import Limits
from openglia.problems.routing.exchange import FAILED as STATUS
from openglia.problems.routing.exchange import cluster_of
from openglia.problems.routing.simulator import interface
from openglia.problems.routing.simulator.blame import classify
from openglia.problems.routing.simulator.dispatch import Dispatcher, take
from openglia.problems.routing.simulator.job import Job
from openglia.problems.routing.simulator.loading import resolve, vidur_modules
from openglia.problems.routing.simulator.preparation import limit, load_numpy, seed_randomness
from openglia.problems.routing.simulator.wire import (
    ADMIT,
    ARRIVE,
    CALL,
    COMPLETED,
    FAILED,
    LEAVE,
    PLACE,
    PLACED,
    PLACEMENT,
    PREFILLED,
    READY,
    REPLICA,
    REQUEST,
    RESTART,
    SCHEDULED,
    UP,
    BrokenLinkError,
    Link,
)

_ANY_LENGTH = 1 << 32


def main() -> int:
    """Serve one simulation until the engine leaves or the router fails."""
    link = Link(os.dup(0))
    _detach()
    told = json.loads(link.receive(_ANY_LENGTH))
    cluster, limits = cluster_of(told["cluster"]), Limits(**told["limits"])
    load_numpy(told["scheduler"])
    gc.freeze()
    link.send(UP)
    doing = "prepare"
    try:
        link.receive(0)
        limit(limits.memory_mb)
        seed_randomness(told["seed"])
        with vidur_modules():
            doing = "simulate"
            dispatcher = Dispatcher(cluster, resolve(told["scheduler"]), 0, None)
            serve(link, dispatcher)
    except BrokenLinkError:
        return 0
    except BaseException as error:
        link.send(FAILED + classify(error, doing, limits).encoded())
        return STATUS


def serve(link: Link, dispatcher: Dispatcher) -> NoReturn:
    """Answer calls until the engine leaves.

    Raises:
        BrokenLinkError: it has left.
        RouterFailureError: the router broke a rule.
    """
    follower = Follower(dispatcher)
    answer = READY
    while True:
        link.send(answer)
        changes = marshal.loads(link.receive(_ANY_LENGTH))
        answer = PLACED + follower.follow(changes)


class Follower:
    """Does to the router's views what the engine did to its own, and calls where it calls."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._replicas = dispatcher.replica_views
        self._requests: dict[int, interface.Request] = {}  # that have arrived, not completed
        self._placed: list[tuple[int, Job]] = []
        self._do: dict[int, Callable[..., None]] = {
            REPLICA: self._replica,
            REQUEST: self._request,
            PLACE: self._place,
            ADMIT: self._admit,
            RESTART: self._restart,
            LEAVE: self._leave,
            ARRIVE: self._arrive,
            CALL: self._call,
        }

    def follow(self, changes: Iterable[tuple[Any, ...]]) -> bytes:
        """Follow them up to a call; return its placements."""
        for change in changes:
            self._do[change[0]](*change[1:])
        return b"".join([PLACEMENT.pack(number, job.index) for number, job in self._placed])

    def _replica(self, number: int, steps: int, blocks: int, in_flight: bool) -> None:
        view = self._replicas[number]
        view._steps = steps
        view.num_allocated_blocks = blocks
        view._decodes_in_flight = in_flight

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

    def _call(self) -> None:
        self._placed = self._dispatcher.route()


def _detach() -> None:
    """What the router prints goes nowhere: it is kept where it is measured in one process."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(null, descriptor)


if __name__ == "__main__":
    sys.exit(main())
