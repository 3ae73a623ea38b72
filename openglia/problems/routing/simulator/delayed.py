"""A router in this process that sees the replicas as they were a while ago."""

from openglia.problems.routing.benchmark.definition import Cluster, Limits
from openglia.problems.routing.simulator.clock import Clock
from openglia.problems.routing.simulator.dispatch import Calls, Dispatcher, MakeRouter
from openglia.problems.routing.simulator.following import Follower
from openglia.problems.routing.simulator.job import Job
from openglia.problems.routing.simulator.recording import Recorder


class DelayedRouter(Recorder):
    """What the router may know, as for one in another process, reaches views of its own here."""

    def __init__(
        self,
        cluster: Cluster,
        make_router: MakeRouter,
        num_requests: int,
        limits: Limits | None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(cluster, num_requests, limits, clock)
        self._dispatcher = Dispatcher(cluster, make_router, num_requests, limits, self.clock)
        self._follower = Follower(self._dispatcher)

    def route(self) -> list[tuple[int, Job]]:
        if not self.release():
            return []
        placed = self._follower.follow(self.changes)
        self.changes.clear()
        self.calls, self.seconds = self._dispatcher.calls, self._dispatcher.seconds
        return [(number, self.waiting.pop(index)) for number, index in placed]


def calls_of(
    cluster: Cluster,
    make_router: MakeRouter,
    num_requests: int,
    limits: Limits | None,
    clock: Clock | None = None,
) -> Calls:
    """What calls a router of this process on ``cluster``."""
    kind = DelayedRouter if cluster.signals else Dispatcher
    return kind(cluster, make_router, num_requests, limits, clock)
