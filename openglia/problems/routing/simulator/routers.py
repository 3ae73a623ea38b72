"""The built-in routers: Vidur's three, and LLQ, the baseline of the Glia paper."""

from random import randint

from openglia.problems.routing.simulator.interface import (
    BaseGlobalScheduler,
    Replica,
    Request,
    SimulationConfig,
)


class RandomRouter(BaseGlobalScheduler):
    """A replica at random, as Vidur's ``RandomGlobalScheduler``."""

    def schedule(self) -> list[tuple[int, Request]]:
        self.sort_requests()
        placements = []
        while self._request_queue:
            request = self._request_queue.pop(0)
            placements.append((randint(1, self._num_replicas) - 1, request))
        return placements


class RoundRobinRouter(BaseGlobalScheduler):
    """The replicas in turn, as Vidur's ``RoundRobinGlobalScheduler``."""

    def __init__(self, config: SimulationConfig, replicas: dict[int, Replica]) -> None:
        super().__init__(config, replicas)
        self._placed = 0

    def schedule(self) -> list[tuple[int, Request]]:
        self.sort_requests()
        placements = []
        while self._request_queue:
            placements.append((self._placed % self._num_replicas, self._request_queue.pop(0)))
            self._placed += 1
        return placements


class LeastLoadedRouter(BaseGlobalScheduler):
    """The replica with the least load, the first of equals; what it places counts at once."""

    def schedule(self) -> list[tuple[int, Request]]:
        if not self._request_queue:  # a call at a completion: do not look at the replicas
            return []
        self.sort_requests()
        loads = self._loads()
        placements = []
        while self._request_queue:
            target = loads.index(min(loads))
            loads[target] += 1
            placements.append((target, self._request_queue.pop(0)))
        return placements

    def _loads(self) -> list[int]:
        raise NotImplementedError


class LorRouter(LeastLoadedRouter):
    """Load is what waits at the replica, as in Vidur's ``LORGlobalScheduler``."""

    def _loads(self) -> list[int]:
        return [replica.num_pending_requests for replica in self._replica_schedulers.values()]


class LlqRouter(LeastLoadedRouter):
    """Least loaded queue: load is what waits at the replica and what runs there (Glia, Sec. 5)."""

    def _loads(self) -> list[int]:
        return [
            replica.num_pending_requests + replica.num_active_requests
            for replica in self._replica_schedulers.values()
        ]


ROUTERS: dict[str, type[BaseGlobalScheduler]] = {
    "random": RandomRouter,
    "round_robin": RoundRobinRouter,
    "lor": LorRouter,
    "llq": LlqRouter,
}
