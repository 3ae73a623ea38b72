"""The event loop: arrivals, ends of batches, calls of the router, in Vidur's order.

Vidur's heap orders events by (time, number of creation), and a chain of zero-delay events leads
from each cause to its effects. Hence at any instant: arrivals come first, in the trace's order;
then the batches that end, in the order in which they were formed; then what follows from these,
first in, first out. A batch that only decodes and only leads to its like (``Replica.look_ahead``)
touches nothing but its replica: ``Engine.run`` steps through those by itself.
"""

from collections import deque
from collections.abc import Collection
from heapq import heappop, heappush, heapreplace
from math import inf
from time import perf_counter

from openglia.errors import OpenGliaError
from openglia.problems.routing.benchmark.definition import Cluster, Limits
from openglia.problems.routing.benchmark.trace import Trace
from openglia.problems.routing.simulator.agenda import Agenda, agenda_of
from openglia.problems.routing.simulator.arrivals import Arrivals
from openglia.problems.routing.simulator.clock import Clock
from openglia.problems.routing.simulator.delayed import calls_of
from openglia.problems.routing.simulator.dispatch import Calls, MakeRouter
from openglia.problems.routing.simulator.failures import RouterFailureError
from openglia.problems.routing.simulator.job import Job
from openglia.problems.routing.simulator.replica import Replica
from openglia.problems.routing.simulator.results import ReplicaSamples, RequestRecords, Simulation
from openglia.problems.routing.simulator.sarathi import SarathiReplica
from openglia.problems.routing.simulator.timing import ExecutionTimes
from openglia.problems.routing.simulator.vllm import VllmReplica

REPLICAS: dict[str, type[Replica]] = {"sarathi": SarathiReplica, "vllm": VllmReplica}

_START, _END, _ROUTE = range(3)


def simulate(
    cluster: Cluster,
    trace: Trace,
    make_router: MakeRouter,
    times: ExecutionTimes,
    *,
    resolution: float | None = None,
    limits: Limits | None = None,
    clock: Clock | None = None,
) -> Simulation:
    """Simulate ``trace`` on ``cluster`` until the last request has completed.

    ``make_router`` is a router's class: it gets the arguments of ``BaseGlobalScheduler``. With a
    ``resolution`` in seconds, the replicas' state is sampled at its multiples. Of ``limits`` the
    engine holds the router to its mean time per call; ``clock`` (see the
    module) is for who holds it to the time of a single one.

    Raises:
        RouterFailureError: the router broke a rule.
        OpenGliaError: the cluster or the trace is not one that the engine simulates.
    """
    calls = calls_of(cluster, make_router, len(trace), limits, clock)
    return simulate_calling(calls, cluster, trace, times, resolution)


def simulate_calling(
    calls: Calls, cluster: Cluster, trace: Trace, times: ExecutionTimes, resolution: float | None
) -> Simulation:
    """Likewise with whatever calls the router."""
    engine = Engine(calls, cluster, trace, times, resolution)
    engine.run()
    return engine.result(perf_counter() - calls.started)


class Engine:
    """One simulation. Holds all of its state, so that several in one process do not meet."""

    def __init__(
        self,
        calls: Calls,
        cluster: Cluster,
        trace: Trace,
        times: ExecutionTimes,
        resolution: float | None = None,
    ) -> None:
        policy = cluster.replica_scheduler
        if policy.type not in REPLICAS:
            raise OpenGliaError(
                f"the embedded simulator has no replica scheduler {policy.type!r}; "
                f"it has {' and '.join(REPLICAS)}"
            )
        if resolution is not None and not 0 < resolution < inf:
            raise OpenGliaError(f"a resolution is a positive number of seconds, not {resolution}")
        self.times = times
        self.arrivals = Arrivals.of(trace, cluster.max_tokens)
        self.dispatcher = calls
        make = calls.make_replica or REPLICAS[policy.type]
        each = zip(
            cluster.policies,
            times.each or [times] * cluster.replicas,
            self.dispatcher.replica_views,
            strict=True,
        )
        self.replicas = [make(n, *parts) for n, parts in enumerate(each)]
        self.records = RequestRecords(self.arrivals.arrived_at[:-1], self.arrivals.prompts)
        self.samples = ReplicaSamples(resolution) if resolution else None
        self.agenda: Agenda | None = agenda_of(cluster, self.samples)
        # A heap of the batches under way: end, serial, replica. Two that never end are always in
        # it, so that the first and, at index 1 or 2, the one after it can be read without asking.
        self.ends = [(inf, serial, self.replicas[0]) for serial in (-2, -1)]
        self.serial = 0  # of batches
        self.arrived = 0
        self.now = 0.0

    def run(self) -> None:
        """Handle events until there are no more.

        Raises:
            RouterFailureError: the router broke a rule, or left requests uncompleted.
        """
        ends = self.ends
        arrived_at = self.arrivals.arrived_at
        agenda = self.agenda
        while True:
            next_arrival = arrived_at[self.arrived]
            self._step_until(min(next_arrival, agenda.next_at) if agenda else next_arrival)
            now = ends[0][0]
            if next_arrival < now:
                now = next_arrival
            if agenda and agenda.next_at <= now and agenda.comes_first(now, self):
                continue
            if now == inf:
                break
            self.now = now
            self._instant(now)
        self._check_all_completed()
        self.dispatcher.check_mean_time()

    def _step_until(self, bound: float) -> None:
        """End batches before ``bound`` and start their like, up to one that needs an instant.

        Most batches pass here. The statements are those of ``Replica.end`` and ``Replica.start``
        that remain when nothing but decoding goes on.
        """
        ends = self.ends
        serial = self.serial
        while True:
            end, _, replica = ends[0]
            if end >= bound:
                break
            steps = replica.steps + 1
            if steps >= replica.steady_until and not replica.look_ahead():
                break
            allocated = replica.allocated + replica.crossings[steps % replica.block_size]
            duration = replica.duration
            view = replica.view
            replica.steps = view._steps = steps
            replica.allocated = view.num_allocated_blocks = allocated
            replica.block_seconds += allocated * duration
            serial += 1
            heapreplace(ends, (end + duration, serial, replica))
        self.serial = serial

    def _instant(self, now: float) -> None:
        """Handle everything that happens at ``now``."""
        ends = self.ends
        if ends[0][0] != now:
            if self.arrivals.arrived_at[self.arrived + 1] == now:
                self._tie(now)
                return
            self._arrive(now)
            targets = self._route(now)
        elif (
            ends[1][0] == now or ends[2][0] == now or self.arrivals.arrived_at[self.arrived] == now
        ):
            self._tie(now)
            return
        else:
            replica = ends[0][2]
            # After a completion the router runs before the replica forms its next batch.
            targets = self._route(now) if self._end(replica, now) else ()
            duration = replica.start(now)
            if duration:
                self.serial += 1
                heapreplace(ends, (now + duration, self.serial, replica))
            else:
                heappop(ends)
        for target in targets:
            self.start(self.replicas[target], now)

    def call_router(self, now: float) -> None:
        """Call the router for what the agenda holds."""
        for target in self._route(now):
            self.start(self.replicas[target], now)

    def _tie(self, now: float) -> None:
        """Handle several events at one time; what follows from them interleaves, as in Vidur."""
        actions: deque[tuple[int, Replica | None]] = deque()
        while self.arrivals.arrived_at[self.arrived] == now:
            self._arrive(now)
            actions.append((_ROUTE, None))
        while self.ends[0][0] == now:
            actions.append((_END, heappop(self.ends)[2]))
        while actions:
            action, replica = actions.popleft()
            if replica is None:
                actions.extend((_START, self.replicas[target]) for target in self._route(now))
            elif action == _END:
                if self._end(replica, now):
                    actions.append((_ROUTE, None))
                actions.append((_START, replica))
            else:
                self.start(replica, now)

    def _arrive(self, now: float) -> None:
        index = self.arrived
        self.arrived = index + 1
        arrivals = self.arrivals
        self.dispatcher.arrive(Job(index, now, arrivals.prompts[index], arrivals.totals[index]))

    def _end(self, replica: Replica, now: float) -> bool:
        """End the batch under way; say whether a request completed, which calls the router."""
        completed = replica.end(now)
        for job in completed:
            self.records.complete(job, now)
        return bool(completed)

    def _route(self, now: float) -> Collection[int]:
        """Call the router; return the replicas that got requests.

        A set, because Vidur visits them in the order of one.
        """
        placements = self.dispatcher.route()
        if not placements:
            return ()
        targets = set()
        for target, job in placements:
            targets.add(target)
            self.replicas[target].place(job)
            if job.replica < 0:  # a replica that fails gives its requests back
                job.routed_at = now
            job.replica = target
        return targets

    def start(self, replica: Replica, now: float) -> None:
        """Let a replica form its next batch, unless one is under way."""
        if replica.busy:
            return
        duration = replica.start(now)
        if duration:
            self.serial += 1
            heappush(self.ends, (now + duration, self.serial, replica))

    @property
    def all_completed(self) -> bool:
        """Whether all that have arrived are."""
        return self.records.completed == self.arrived

    def _check_all_completed(self) -> None:
        if self.all_completed:
            return
        held = len(self.dispatcher.waiting)
        queued = sum(len(replica.queue) for replica in self.replicas)
        reasons = []
        if held:
            first = min(self.dispatcher.waiting)
            reasons.append(f"the router held back {held} of them to the end, the first is {first}")
        if queued:
            reasons.append(f"{queued} wait at replicas {self.dispatcher.stuck}")
        raise RouterFailureError(
            "never-completed",
            f"{self.arrived - self.records.completed} of {self.arrived} requests never completed: "
            + "; ".join(reasons),
        )

    def result(self, seconds: float) -> Simulation:
        """The outcome; ``seconds`` is what the whole simulation took, the router included."""
        capacity = sum(replica.num_blocks for replica in self.replicas) * self.now
        used = sum(replica.block_seconds for replica in self.replicas)
        return Simulation(
            records=self.records,
            samples=self.samples,
            end_time=self.now,
            router_calls=self.dispatcher.calls,
            router_seconds=self.dispatcher.seconds,
            engine_seconds=seconds - self.dispatcher.seconds,
            kv_use_mean=used / capacity if capacity else 0.0,
            execution_times=self.times.source,
        )
