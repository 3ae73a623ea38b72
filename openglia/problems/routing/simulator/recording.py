"""The engine's side of a router that is told what changed, at once or with a delay.

The engine writes to views as ever. These note what changes; ``changes`` is what of it the router
may know at a call. That is all of it, or, where signals are old, what was so at the last refresh,
with the arrivals since then and, where the benchmark says so, its own placements.
"""

from collections import deque
from typing import Any

from openglia.problems.routing.benchmark.definition import Cluster, Limits
from openglia.problems.routing.simulator import interface
from openglia.problems.routing.simulator.clock import Clock
from openglia.problems.routing.simulator.dispatch import Calls, scheduler_config_of
from openglia.problems.routing.simulator.job import Job
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
    def __init__(self, number: int, changes: Changes, placements: Changes) -> None:
        super().__init__()
        self._number, self._changes, self._placements = number, changes, placements

    def append(self, request: interface.Request) -> None:
        super().append(request)
        self._placements.append((PLACE, self._number, request.id))

    def appendleft(self, request: interface.Request) -> None:
        super().appendleft(request)
        self._changes.append((RESTART, self._number, request.id))

    def clear(self) -> None:
        super().clear()
        self._changes.append((EMPTY, self._number))


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


class Recorder(Calls):
    """Notes what happens to the replicas, for a router elsewhere."""

    def __init__(
        self, cluster: Cluster, num_requests: int, limits: Limits | None, clock: Clock | None
    ) -> None:
        super().__init__(cluster, num_requests, limits, clock)
        signals = cluster.signals
        self.changes: Changes = []  # that the next call tells
        self._later: Changes = [] if signals else self.changes  # that the next refresh tells
        self._placements = self.changes if signals and signals.own_placements else self._later
        self._written: dict[int, _Request] = {}
        self._present = signals is None
        self._news = False  # since the last call, where signals are old
        self.replica_views = [
            self._view(number, scheduler_config_of(policy))
            for number, policy in enumerate(cluster.policies)
        ]
        self._sent = [(0, 0, False, False)] * cluster.replicas

    def _view(
        self, number: int, config: interface.ReplicaSchedulerConfig
    ) -> interface.ReplicaScheduler:
        view = interface.ReplicaScheduler(number, config)
        view._waiting = _Waiting(number, self._later, self._placements)
        view._active = _Active(number, self._later)
        return view

    def arrive(self, job: Job) -> None:
        """Goes with the next call, in its place among the changes: the engine calls at once."""
        self.waiting[job.index] = job
        if self._present:
            self._note()
        job.view = _Request(job, self._written)
        self.changes.append((ARRIVE, job.index, job.arrived_at, job.prompt))
        self._news = True

    def take_back(self, job: Job) -> None:
        """Likewise, after the refresh that comes with a failure."""
        self.waiting[job.index] = job
        if self._present:
            self._note()
        self.changes.append((RETURN, job.index))

    def refresh(self) -> bool:
        """Let the router see the present at its next call; say whether anything is new."""
        self._note()
        if self._later is not self.changes:
            self._news = self._news or bool(self._later)
            self.changes += self._later
            self._later.clear()
        return self._news

    def release(self) -> bool:
        """Complete ``changes``, which the caller empties; False: nothing gives cause for a call."""
        if self._present:
            self._note()
        elif not self._news:
            return False
        self._news = False
        return True

    def _note(self) -> None:
        """Add what was written since to the changes."""
        changes, sent = self._later, self._sent
        for number, view in enumerate(self.replica_views):
            blocks = view.num_allocated_blocks
            state = (view._steps, blocks, view._decodes_in_flight, view.failed)
            if state != sent[number]:
                sent[number] = state
                changes.append((REPLICA, number, *state))
        if self._written:
            changes += [request.change() for request in self._written.values()]
            self._written.clear()
