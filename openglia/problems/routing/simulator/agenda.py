"""What happens at given times besides arrivals and the ends of batches.

Samples of the replicas' state; old signals that are refreshed; replicas that fail and come back. An
engine without any of these has no agenda, and its loop asks for none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify
from math import inf
from typing import TYPE_CHECKING, Protocol

from openglia.problems.routing.benchmark.definition import Cluster
from openglia.problems.routing.simulator.replica import Replica

if TYPE_CHECKING:
    from openglia.problems.routing.simulator.engine import Engine
    from openglia.problems.routing.simulator.results import ReplicaSamples


class Agenda(Protocol):
    """What is due at ``next_at`` (s), and how."""

    next_at: float

    def comes_first(self, now: float, engine: "Engine") -> bool:
        """Do it if it comes before the engine's next event, at ``now``; else nothing, and False.

        ``now`` is at or after ``next_at``, infinity if nothing else will happen.
        """
        ...


def agenda_of(cluster: Cluster, samples: "ReplicaSamples | None") -> Agenda | None:
    """What the cluster's definition calls for; None: nothing."""
    parts: list[Agenda] = []
    if cluster.failures:
        parts.append(_Outages(cluster))
    if cluster.signals:
        parts.append(_Refreshes(cluster.signals.delay))
    if samples is not None:
        parts.append(samples)
    return _Several(parts) if len(parts) > 1 else parts[0] if parts else None


class _Several:
    def __init__(self, parts: Sequence[Agenda]) -> None:
        self._parts = parts
        self.next_at = min(part.next_at for part in parts)

    def comes_first(self, now: float, engine: "Engine") -> bool:
        due = sorted(self._parts, key=lambda part: part.next_at)  # stable: failures come first
        done = any(part.next_at <= now and part.comes_first(now, engine) for part in due)
        self.next_at = min(part.next_at for part in self._parts)
        return done


class _Refreshes:
    """The router sees the replicas as they were at the last multiple of ``delay``.

    It is called at a refresh that shows something new, and not where a request completes: of that
    it cannot know. What happens at the same instant comes after.
    """

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._count = 1
        self.next_at = delay

    def comes_first(self, now: float, engine: "Engine") -> bool:
        if now == inf and engine.all_completed:
            return False
        at = self.next_at
        new = engine.dispatcher.refresh()
        if now == inf and not new:
            return False  # as nothing will be, ever
        self._count += 1
        self.next_at = self._count * self._delay
        if new:
            engine.now = at
            engine.call_router(at)
        return True


@dataclass(frozen=True)
class _Change:
    at: float  # s
    replica: int
    fails: bool  # else it comes back


class _Outages:
    """Replicas that fail and come back, before whatever else happens at that time."""

    def __init__(self, cluster: Cluster) -> None:
        changes = [
            change
            for outage in cluster.failures
            for change in (
                _Change(outage.at, outage.replica, fails=True),
                _Change(outage.at + outage.duration, outage.replica, fails=False),
            )
        ]
        self._left = sorted(changes, key=lambda change: change.at, reverse=True)
        self.next_at = self._left[-1].at

    def comes_first(self, now: float, engine: "Engine") -> bool:
        if now == inf and engine.all_completed:
            return False
        change = self._left.pop()
        self.next_at = self._left[-1].at if self._left else inf
        engine.now = change.at
        (_fail if change.fails else _come_back)(engine, engine.replicas[change.replica], change.at)
        return True


def _fail(engine: "Engine", replica: Replica, now: float) -> None:
    """Its batch and its KV cache are lost; its requests go back to the router, in order of arrival.

    What a request has generated is known outside, so it goes on from there: prompt and output so
    far are its new prompt, as after an eviction.
    """
    under_way = [entry for entry in engine.ends if entry[2] is replica and entry[0] < inf]
    for entry in under_way:
        replica.block_seconds -= replica.allocated * (entry[0] - now)
        engine.ends.remove(entry)
    heapify(engine.ends)
    jobs = sorted(replica.fail(), key=lambda job: job.index)
    engine.dispatcher.refresh()
    for job in jobs:
        engine.dispatcher.take_back(job)
    engine.call_router(now)


def _come_back(engine: "Engine", replica: Replica, now: float) -> None:
    """Empty, but for what was placed there in the meantime."""
    replica.come_back()
    engine.dispatcher.refresh()
    engine.call_router(now)
    engine.start(replica, now)
