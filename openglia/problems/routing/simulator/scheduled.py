"""The engine's side of a candidate inside the replicas: it admits and evicts, a fixed LLQ places.

When it is asked. Whenever a batch is formed, the decoding requests come first. While their next
tokens lack a block (``Replica.take_decode_blocks``), ``evict`` names a running request to restart.
Then, while the batch has tokens to spare, the replica has fewer requests than it may, and one
waits, ``admit`` names one. None, or one whose prompt does not fit, ends that; the replica asks
again only after a request has come, completed or been evicted there.
"""

from math import inf

from openglia.problems.routing.benchmark.definition import Cluster, Limits
from openglia.problems.routing.benchmark.definition import ReplicaScheduler as Policy
from openglia.problems.routing.simulator.clock import Clock
from openglia.problems.routing.simulator.dispatch import Calls
from openglia.problems.routing.simulator.interface import ReplicaScheduler
from openglia.problems.routing.simulator.job import Job
from openglia.problems.routing.simulator.sarathi import SarathiReplica
from openglia.problems.routing.simulator.scheduling import Offered, Schedulers
from openglia.problems.routing.simulator.timing import ExecutionTimes


class UnderLlq(Calls):
    """Places by LLQ, and has the replicas ask.

    The load is read off the engine's replicas, not off the views: who deceives itself there sends
    no request elsewhere.
    """

    noun = "scheduler"
    stuck = "that never admitted them"

    def __init__(
        self, cluster: Cluster, num_requests: int, limits: Limits | None, clock: Clock | None
    ) -> None:
        super().__init__(cluster, num_requests, limits, clock)
        self.budget = inf  # only the mean counts: how often it is asked depends on itself
        self.make_replica = self._replica
        self.replicas: list[ScheduledReplica] = []

    def _replica(
        self, number: int, policy: Policy, times: ExecutionTimes, view: ReplicaScheduler
    ) -> "ScheduledReplica":
        replica = ScheduledReplica(number, policy, times, view, self)
        self.replicas.append(replica)
        return replica

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
        """See ``Schedulers``."""
        raise NotImplementedError

    def evict(self, number: int, running: Offered) -> int:
        """See ``Schedulers``."""
        raise NotImplementedError


class SchedulersHere(Schedulers, UnderLlq):
    """With the candidate in this process."""


class ScheduledReplica(SarathiReplica):
    """Vidur's Sarathi scheduler, but for whom it admits and evicts."""

    __slots__ = ("asking", "schedulers")

    def __init__(
        self,
        number: int,
        policy: Policy,
        times: ExecutionTimes,
        view: ReplicaScheduler,
        schedulers: UnderLlq,
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
        admitted = []
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
            job = self.admit(now, place)
            job.view.scheduled = False  # not before there is a batch, as in Vidur
            admitted.append(job)
            self.batch_prefills.append((job, chunk))
        for job in admitted:
            job.view.scheduled = True
        return tokens
