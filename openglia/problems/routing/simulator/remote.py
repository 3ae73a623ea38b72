"""The engine's side of a router in another process, which sees what changed and nothing else.

The engine writes to views as ever. These note what changes, and each call sends that: what is read
here of the router is numbers, and each is looked up among the requests that wait.
"""

import json
import marshal
import struct
from collections import deque
from dataclasses import asdict
from time import perf_counter
from typing import Any, NoReturn, get_args

from openglia.errors import OpenGliaError
from openglia.problems.routing.benchmark.definition import Cluster, Limits
from openglia.problems.routing.exchange import Failure
from openglia.problems.routing.simulator import interface
from openglia.problems.routing.simulator.clock import Clock
from openglia.problems.routing.simulator.dispatch import Calls, config_of
from openglia.problems.routing.simulator.failures import RouterFailureError, Rule
from openglia.problems.routing.simulator.job import Job
from openglia.problems.routing.simulator.wire import (
    ADMIT,
    ARRIVE,
    CALL,
    COMPLETED,
    FAILED,
    LEAVE,
    MAX_FAILURE,
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

Changes = list[tuple[Any, ...]]


class _Request(interface.Request):
    """Notes that something of it was written."""

    __slots__ = ("_written",)
    _written: "dict[int, _Request]"

    def __init__(self, job: Job, written: "dict[int, _Request]") -> None:
        object.__setattr__(self, "_written", written)
        object.__setattr__(self, "id", job.index)
        super().__init__(job.index, job.arrived_at, job.prompt)
        del written[job.index]

    def __setattr__(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)
        self._written[self.id] = self

    def change(self) -> tuple[Any, ...]:
        flags = SCHEDULED * self.scheduled | COMPLETED * self.completed
        flags |= PREFILLED * self.is_prefill_complete
        host = -1 if self._host is None else self._host.replica_id
        numbers = (self.num_prefill_tokens, self._processed, host, self.num_restarts, flags)
        return (REQUEST, self.id, *numbers)


class _Waiting(deque[interface.Request]):
    def __init__(self, number: int, changes: Changes) -> None:
        super().__init__()
        self._number, self._changes = number, changes

    def append(self, request: interface.Request) -> None:
        super().append(request)
        self._changes.append((PLACE, self._number, request.id))

    def appendleft(self, request: interface.Request) -> None:
        super().appendleft(request)
        self._changes.append((RESTART, self._number, request.id))


class _Active(dict[int, interface.Request]):
    def __init__(self, number: int, changes: Changes) -> None:
        super().__init__()
        self._number, self._changes = number, changes

    def __setitem__(self, index: int, request: interface.Request) -> None:
        super().__setitem__(index, request)
        self._changes.append((ADMIT, self._number, index))

    def __delitem__(self, index: int) -> None:
        super().__delitem__(index)
        self._changes.append((LEAVE, self._number, index))


class RemoteRouter(Calls):
    """Calls a router at the other end of ``link``. Nothing of the router's runs here.

    Time limits count what the other process and the way there take, too.
    """

    def __init__(
        self,
        cluster: Cluster,
        link: Link,
        num_requests: int,
        limits: Limits | None,
        clock: Clock | None = None,
    ) -> None:
        """Have the router made, by a process that ``introduce`` has told what to run."""
        super().__init__(cluster, num_requests, limits, clock)
        self._link = link
        self._changes: Changes = []
        self._written: dict[int, _Request] = {}
        config = config_of(cluster).cluster_config.replica_scheduler_config
        self.replica_views = [self._view(number, config) for number in range(cluster.replicas)]
        self._sent = [(0, 0, False)] * cluster.replicas
        self.clock[0] = perf_counter()
        self._ask(b"", READY, 1)
        self.clock[0] = 0.0

    def _view(
        self, number: int, config: interface.ReplicaSchedulerConfig
    ) -> interface.ReplicaScheduler:
        view = interface.ReplicaScheduler(number, config)
        view._waiting = _Waiting(number, self._changes)
        view._active = _Active(number, self._changes)
        return view

    def arrive(self, job: Job) -> None:
        """Goes with the next call, in its place among the changes: the engine calls at once."""
        self.waiting[job.index] = job
        self._note()
        job.view = _Request(job, self._written)
        self._changes.append((ARRIVE, job.index, job.arrived_at, job.prompt))

    def route(self) -> list[tuple[int, Job]]:
        self._note()
        self._changes.append((CALL,))
        message = marshal.dumps(self._changes)
        self._changes.clear()
        self.calls += 1
        started = self.clock[0] = perf_counter()
        answer = self._ask(message, PLACED, 1 + PLACEMENT.size * len(self.waiting))
        self.seconds += perf_counter() - started
        if self.seconds > self.budget:
            self.fail_too_slow()
        try:
            placed = [self._check(*pair) for pair in PLACEMENT.iter_unpack(answer)]
        except struct.error:
            self._broken("its answer is no list of placements")
        self.clock[0] = 0.0
        return placed

    def _note(self) -> None:
        """Add what was written since to the changes."""
        changes, sent = self._changes, self._sent
        for number, view in enumerate(self.replica_views):
            state = (view._steps, view.num_allocated_blocks, view._decodes_in_flight)
            if state != sent[number]:
                sent[number] = state
                changes.append((REPLICA, number, *state))
        if self._written:
            changes += [request.change() for request in self._written.values()]
            self._written.clear()

    def _check(self, number: int, index: int) -> tuple[int, Job]:
        """The other process has checked likewise: what fails here is not an honest answer."""
        job = self.waiting.pop(index, None)
        if job is None or not 0 <= number < self.num_replicas:
            what = f"request {index} on replica {number}"
            raise RouterFailureError("invalid-placement", f"the router's process placed {what}")
        return number, job

    def _ask(self, message: bytes, expected: bytes, most: int) -> bytes:
        try:
            self._link.send(message)
            answer = self._link.receive(max(most, MAX_FAILURE))
        except BrokenLinkError as error:
            self._broken(str(error))
        kind, content = answer[:1], answer[1:]
        if kind == FAILED:
            _raise(content)
        if kind != expected or len(answer) > most:
            self._broken("it does not answer what it was asked")
        return content

    def _broken(self, why: str) -> NoReturn:
        raise RouterFailureError("crash", f"the router's process is of no use any more: {why}")


def introduce(link: Link, scheduler: str, cluster: Cluster, limits: Limits, seed: int) -> None:
    """Tell the other process what to run, and wait until it has started up.

    Raises:
        OpenGliaError: it has not. None of the router's code has run by then.
    """
    told = {"scheduler": scheduler, "cluster": asdict(cluster), "limits": asdict(limits)}
    try:
        link.send(json.dumps({**told, "seed": seed}).encode())
        if link.receive(len(UP)) == UP:
            return
    except BrokenLinkError:
        pass
    raise OpenGliaError("the router's process did not start; see openglia doctor")


def _raise(told: bytes) -> NoReturn:
    """Raise the failure of which the other process told, whatever it told."""
    found = Failure.decoded(told) or Failure(rule="crash", reason="a failure without a reason")
    rule: Rule = found.rule if found.rule in get_args(Rule) else "crash"  # type: ignore[assignment]
    raise RouterFailureError(rule, found.reason, found.detail)
