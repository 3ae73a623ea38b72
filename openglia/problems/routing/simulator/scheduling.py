"""The schedulers of a candidate, one for each replica, and what they may answer.

When they are asked is told in ``scheduled.py``, which is the engine's side.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any, NoReturn

from openglia.problems.routing.benchmark.definition import Cluster, Limits
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

MakePolicy = Callable[[ReplicaScheduler], ReplicaPolicy]
Offered = tuple[Request, ...]


class Schedulers(Calls):
    """Holds a candidate's scheduler for each replica.

    What it returns is looked up among what it was offered.
    """

    def __init__(
        self,
        cluster: Cluster,
        make: MakePolicy,
        num_requests: int,
        limits: Limits | None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(cluster, num_requests, limits, clock)
        policies = enumerate(cluster.policies)
        self.replica_views = [ReplicaScheduler(n, scheduler_config_of(p)) for n, p in policies]
        self.clock[0] = perf_counter()
        try:
            self.policies = [make(view) for view in self.replica_views]
        except ROUTER_ERRORS as error:
            raise_failure(error, "the scheduler's constructor")
        self.clock[0] = 0.0

    def arrive(self, job: Job) -> None:
        self.waiting[job.index] = job

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
