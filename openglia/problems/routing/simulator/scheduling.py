"""A candidate inside the replicas, under a fixed router: it admits and evicts, LLQ places.

When it is asked. Whenever a batch is formed, the decoding requests come first. While their next
tokens lack a block (``Replica.take_decode_blocks``), ``evict`` names a running request to restart.
Then, while the batch has tokens to spare, the replica has fewer requests than it may, and one
waits, ``admit`` names one. None, or one whose prompt does not fit, ends that; the replica asks
again only after a request has come, completed or been evicted there.
"""

from collections.abc import Callable
from math import inf
from time import perf_counter
from typing import Any, NoReturn

from openglia.problems.routing.benchmark.definition import Cluster, Limits
from openglia.problems.routing.benchmark.definition import ReplicaScheduler as Policy
from openglia.problems.routing.simulator.clock import Clock
from openglia.problems.routing.simulator.dispatch import (
    ROUTER_ERRORS,
    Calls,
    raise_failure,
    scheduler_config_of,
)
from openglia.problems.routing.simulator.failures import RouterFailureError
from openglia.problems.routing.simulator.interface import ReplicaScheduler, Request
from openglia.problems.routing.simulator.job import Job
from openglia.problems.routing.simulator.policy import ReplicaPolicy
from openglia.problems.routing.simulator.sarathi import SarathiReplica
from openglia.problems.routing.simulator.timing import ExecutionTimes

MakePolicy = Callable[[ReplicaScheduler], ReplicaPolicy]
Offered = tuple[Request, ...]


class Schedulers(Calls):
    """Holds a candidate's scheduler for each replica, and places by LLQ.

    The load is read off the engine's replicas, not off the views: who deceives itself there sends
    no request elsewhere. What a candidate returns is looked up among what it was offered.
    """

    stuck = "that never admitted them"

    def __init__(
        self,
        cluster: Cluster,
        make: MakePolicy,
        num_requests: int,
        limits: Limits | None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(cluster, num_requests, limits, clock)
        self.budget = inf  # only the mean counts: how often it is asked depends on itself
        self.make_replica = self._replica
        self.replicas: list[ScheduledReplica] = []
        self.replica_views = self._views(cluster)
        self.clock[0] = perf_counter()
        try:
            self.policies = [make(view) for view in self.replica_views]
        except ROUTER_ERRORS as error:
            raise_failure(error, "the scheduler's constructor")
        self.clock[0] = 0.0

    def _views(self, cluster: Cluster) -> list[ReplicaScheduler]:
        policies = enumerate(cluster.policies)
        return [ReplicaScheduler(n, scheduler_config_of(policy)) for n, policy in policies]

    def _replica(
        self, number: int, policy: Policy, times: ExecutionTimes, view: ReplicaScheduler
    ) -> "ScheduledReplica":
        replica = ScheduledReplica(number, policy, times, view, self)
        self.replicas.append(replica)
        return replica

    def arrive(self, job: Job) -> None:
        self.waiting[job.index] = job

    def route(self) -> list[tuple[int, Job]]:
        """As ``routers.LlqRouter``."""
        if not self.waiting:
            return []
        loads = [len(replica.queue) + len(replica.running) for replica in self.replicas]
        placements = []
        for job in self.waiting.values():
            target = loads.index(min(loads))
            loads[target] += 1
            placements.append((target, job))
        self.waiting.clear()
        return placements

    def admit(self, number: int, waiting: Offered) -> int | None:
        """Which of ``waiting`` the scheduler of replica ``number`` admits next, by its place.

        Raises:
            RouterFailureError: it raised, or names none of these.
        """
        return self._ask(number, "admit", self.policies[number].admit, waiting)

    def evict(self, number: int, running: Offered) -> int:
        """Likewise which of ``running`` restarts."""
        place = self._ask(number, "evict", self.policies[number].evict, running)
        if place is None:
            _fail_on_choice("evict", number, None)
        return place

    def _ask(
        self, number: int, what: str, decide: Callable[[Offered], Any], offered: Offered
    ) -> int | None:
        self.calls += 1
        started = self.clock[0] = perf_counter()
        try:
            chosen = decide(offered)
        except ROUTER_ERRORS as error:
            raise_failure(error, f"{what}()")
        finally:
            self.seconds += perf_counter() - started
        self.clock[0] = 0.0
        if chosen is None:
            return None
        place = next((at for at, request in enumerate(offered) if request is chosen), None)
        if place is None:
            _fail_on_choice(what, number, chosen)
        return place

    def fail_too_slow(self) -> NoReturn:
        raise RouterFailureError(
            "router-too-slow",
            f"the scheduler took {1e3 * self.seconds / self.calls:.1f} ms per call on average over "
            f"{self.calls} calls; the limit is {1e3 * self.limit:g} ms",
        )


class ScheduledReplica(SarathiReplica):
    """Vidur's Sarathi scheduler, but for whom it admits and evicts."""

    __slots__ = ("asking", "schedulers")

    def __init__(
        self,
        number: int,
        policy: Policy,
        times: ExecutionTimes,
        view: ReplicaScheduler,
        schedulers: Schedulers,
    ) -> None:
        super().__init__(number, policy, times, view)
        self.schedulers = schedulers
        self.asking = False  # something has changed since the scheduler admitted nobody

    def place(self, job: Job) -> None:
        self.asking = True
        self.steady = False
        self.steady_until = 0
        super().place(job)

    def end(self, now: float) -> list[Job]:
        completed = super().end(now)
        if completed:
            self.asking = True
        return completed

    def take_victim(self, order: list[Job]) -> Job:
        self.asking = True
        self.view.num_allocated_blocks = self.allocated
        return order.pop(self.schedulers.evict(self.number, tuple([job.view for job in order])))

    def admit_waiting(self, now: float, tokens: int) -> int:
        queue, view = self.queue, self.view
        view._decodes_in_flight = self.decodes > 0  # their blocks have been taken
        while self.asking and queue and tokens < self.chunk_size:
            if len(self.running) >= self.batch_size_cap:
                break
            view.num_allocated_blocks = self.allocated
            place = self.schedulers.admit(self.number, tuple([job.view for job in queue]))
            if place is None or not self.fits(place):
                self.asking = False
                break
            chunk = min(queue[place].prompt, self.chunk_size - tokens)
            tokens += chunk
            self.batch_prefills.append((self.admit(now, place), chunk))
        return tokens


def _fail_on_choice(what: str, number: int, chosen: object) -> NoReturn:
    if isinstance(chosen, Request):
        named = f"request {chosen.id!r}, which it was not offered"
    else:
        named = "None" if chosen is None else f"an object of type {type(chosen).__name__}"
    raise RouterFailureError(
        "invalid-choice",
        f"{what}() of replica {number} returned {named}; it returns one of the requests that it "
        f"is given{', or None' if what == 'admit' else ''}",
    )
