"""Calls of the router: what it is given, what it returns, what it may not do."""

import traceback
from collections.abc import Callable, Iterable
from math import inf
from operator import index
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, NoReturn

from openglia.problems.routing.benchmark.definition import Cluster, Limits
from openglia.problems.routing.benchmark.definition import ReplicaScheduler as Policy
from openglia.problems.routing.simulator import interface
from openglia.problems.routing.simulator.clock import Clock
from openglia.problems.routing.simulator.failures import DETAIL_LINES, RouterFailureError, Rule
from openglia.problems.routing.simulator.job import Job

if TYPE_CHECKING:
    from openglia.problems.routing.simulator.replica import Replica
    from openglia.problems.routing.simulator.timing import ExecutionTimes

_HERE = str(Path(__file__).parent)

MakeReplica = Callable[[int, Policy, "ExecutionTimes", interface.ReplicaScheduler], "Replica"]
MakeRouter = Callable[
    [interface.SimulationConfig, dict[int, interface.Replica]], interface.BaseGlobalScheduler
]

# What counts as the router's failure; an interrupt from outside is none.
ROUTER_ERRORS = (Exception, SystemExit, GeneratorExit, interface.OracleError)


class Calls:
    """The requests that wait for a router, and what it has cost so far."""

    replica_views: list[interface.ReplicaScheduler]  # by number; the engine writes to them
    noun = "router"  # what is called
    stuck = "whose memory can never hold them"  # what is said of requests that end waiting there
    make_replica: "MakeReplica | None" = None  # another one than the cluster's policy names

    def __init__(
        self, cluster: Cluster, num_requests: int, limits: Limits | None, clock: Clock | None
    ) -> None:
        self.started = perf_counter()
        self.calls = 0
        self.seconds = 0.0  # the router's own time
        self.waiting: dict[int, Job] = {}  # by index: arrived, not placed
        self.num_replicas = cluster.replicas
        self.limit = limits.router_call_mean_ms * 1e-3 if limits else inf  # s per call
        # It is called once per arrival, at most once per completion, and where a replica fails.
        self.budget = self.limit * 2 * max(num_requests + len(cluster.failures), 1)  # s

        # Set at every entry and cleared when all that may be the router's code has returned.
        self.clock = [0.0] if clock is None else clock

    def arrive(self, job: Job) -> None:
        """Hand a request that arrives to the router's queue."""
        raise NotImplementedError

    def take_back(self, job: Job) -> None:
        """Hand a request to the router's queue whose replica has failed."""
        self.arrive(job)

    def refresh(self) -> bool:
        """Where signals are old: show the present from now on; say whether anything is new."""
        return False

    def route(self) -> list[tuple[int, Job]]:
        """Call ``schedule()``; return its placements as pairs of a replica's number and a job.

        Raises:
            RouterFailureError: it raised, or a placement is not valid, or it has used up its time.
        """
        raise NotImplementedError

    def check_mean_time(self) -> None:
        """Hold the router to its time per call, on average over the simulation."""
        if self.calls and self.seconds / self.calls > self.limit:
            self.fail_too_slow()

    def fail_too_slow(self) -> NoReturn:
        raise RouterFailureError(
            "router-too-slow",
            f"the {self.noun} took {1e3 * self.seconds / self.calls:.1f} ms per call on average "
            f"over {self.calls} calls; the limit is {1e3 * self.limit:g} ms",
        )


class Dispatcher(Calls):
    """Holds the router.

    The objects that the router gets are never read back: a placement is looked up by the identity
    of the request among those that wait.
    """

    def __init__(
        self,
        cluster: Cluster,
        make_router: MakeRouter,
        num_requests: int,
        limits: Limits | None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(cluster, num_requests, limits, clock)
        self.clock[0] = perf_counter()
        try:
            self.router = make_router(config_of(cluster), replicas_of(cluster))
        except ROUTER_ERRORS as error:
            raise_failure(error, "the router's constructor")
        self.replica_views = self._replica_views()
        self.clock[0] = 0.0

    def _replica_views(self) -> list[interface.ReplicaScheduler]:
        views = getattr(self.router, "_replica_schedulers", None)
        expected = list(range(self.num_replicas))
        if (
            not isinstance(views, dict)
            or list(views) != expected
            or any(type(view) is not interface.ReplicaScheduler for view in views.values())
        ):
            raise RouterFailureError(
                "interface",
                "the router's constructor must call super().__init__(config, replicas) and leave "
                "self._replica_schedulers as that makes it",
            )
        return list(views.values())

    def arrive(self, job: Job) -> None:
        self.waiting[job.index] = job
        self.clock[0] = perf_counter()
        try:
            self.router.add_request(job.view)
        except ROUTER_ERRORS as error:
            raise_failure(error, "add_request()")
        self.clock[0] = 0.0

    def route(self) -> list[tuple[int, Job]]:
        self.calls += 1
        started = self.clock[0] = perf_counter()
        try:
            placements = self.router.schedule()
            if type(placements) is not list and isinstance(placements, Iterable):
                placements = list(placements)  # a generator is the router's code and time too
        except ROUTER_ERRORS as error:
            raise_failure(error, "schedule()")
        finally:
            self.seconds += perf_counter() - started
        if self.seconds > self.budget:
            self.fail_too_slow()
        try:
            placed = [self._check(placement) for placement in placements]
            queued = len(self.router._request_queue)
        except RouterFailureError:
            raise
        except Exception as error:
            kind = type(error).__name__
            raise RouterFailureError(
                "invalid-placement",
                "schedule() must return a list of pairs (replica_id, request) and keep "
                f"self._request_queue a list ({kind}: {error})",
            ) from error
        if queued > len(self.waiting):
            self._fail_on_queue()
        self.clock[0] = 0.0
        return placed

    def _check(self, placement: Any) -> tuple[int, Job]:
        replica_id, request = placement
        number = index(replica_id)
        if not 0 <= number < self.num_replicas:
            raise RouterFailureError(
                "invalid-placement",
                f"schedule() placed a request on replica {number}; "
                f"there are replicas 0 to {self.num_replicas - 1}",
            )
        if type(request) is not interface.Request:
            kind = type(request).__name__
            raise RouterFailureError(
                "invalid-placement",
                f"schedule() placed an object of type {kind} on replica {number}; "
                f"a placement is (replica_id, request) with a request of self._request_queue",
            )
        job = self.waiting.pop(request.id, None)
        if job is None or job.view is not request:
            raise RouterFailureError(
                "invalid-placement",
                f"schedule() placed request {request.id!r}, which does not wait: it was placed "
                f"before, or it is a copy. Take what you return out of self._request_queue",
            )
        return number, job

    def _fail_on_queue(self) -> NoReturn:
        waiting = {id(job.view) for job in self.waiting.values()}
        strangers = [
            getattr(request, "id", request)
            for request in self.router._request_queue
            if id(request) not in waiting
        ]
        what = (
            f"request {strangers[0]!r}, which has been placed" if strangers else "a request twice"
        )
        raise RouterFailureError(
            "invalid-placement",
            f"self._request_queue still holds {what}; "
            f"take the requests that schedule() returns out of the queue",
        )


def config_of(cluster: Cluster) -> interface.SimulationConfig:
    """What a router sees of the cluster, under Vidur's names."""
    return interface.SimulationConfig(
        interface.ClusterConfig(cluster.replicas, scheduler_config_of(cluster.policies[0])),
        interface.RequestGeneratorConfig(cluster.max_tokens),
    )


def scheduler_config_of(policy: Policy) -> interface.ReplicaSchedulerConfig:
    """What a router sees of a replica's batching policy."""
    common = (
        policy.num_blocks,
        policy.block_size,
        policy.watermark_blocks_fraction,
        policy.batch_size_cap,
    )
    if policy.type == "sarathi":
        return interface.SarathiSchedulerConfig(*common, policy.chunk_size or 0)
    return interface.VllmSchedulerConfig(*common, policy.max_tokens_in_batch or 0)


def replicas_of(cluster: Cluster) -> dict[int, interface.Replica]:
    """The replicas by id, as ``BaseGlobalScheduler`` gets them."""
    policies = enumerate(cluster.policies)
    return {n: interface.Replica(n, scheduler_config_of(policy)) for n, policy in policies}


def raise_failure(error: BaseException, where: str, rule: Rule = "exception") -> NoReturn:
    """Turn what the router raised in ``where`` into a failure with the router's own frames."""
    match error:
        case interface.OracleError():
            rule = "oracle"
        case interface.UnknownAttributeError():
            rule = "interface"
        case MemoryError():
            rule = "memory"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(_HERE)
    ]
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    lines = [*traceback.format_list(frames), *traceback.format_exception_only(error)]
    detail = "".join(lines).rstrip().splitlines()[-DETAIL_LINES:]
    raise RouterFailureError(
        rule,
        f"{where} raised {type(error).__name__}: {error}{place}",
        "\n".join(detail),
    ) from error
