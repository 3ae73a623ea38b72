"""A request in the engine."""

from openglia.problems.routing.simulator.failures import RouterFailureError
from openglia.problems.routing.simulator.interface import ReplicaScheduler, Request


class Job:
    """A request as the engine knows it. The router sees ``view``, which does not lead here."""

    __slots__ = (
        "arrived_at",
        "decoding",
        "finish",
        "first_token_at",
        "index",
        "processed",
        "prompt",
        "replica",
        "restarts",
        "routed_at",
        "scheduled_at",
        "total",
        "view",
    )

    def __init__(self, index: int, arrived_at: float, prompt: int, total: int) -> None:
        self.index = index
        self.arrived_at = arrived_at
        self.prompt = prompt  # tokens to prefill; after a restart also those it had generated
        self.total = total  # tokens, prompt and output together
        self.processed = 0  # tokens; while decoding: minus the replica's steps when it began
        self.decoding = False
        self.finish = -1  # the replica's step at which it completes, while decoding
        self.restarts = 0
        self.replica = -1  # the number of the one it was sent to
        self.routed_at = 0.0
        self.scheduled_at = 0.0
        self.first_token_at = 0.0
        self.view = Request(index, arrived_at, prompt)


def take(view: ReplicaScheduler, request: Request, place: int = 0) -> None:
    """Take a request that is admitted out of the replica's queue, as the candidate sees that.

    Raises:
        RouterFailureError: it is not at that place there.
    """
    waiting = view._waiting
    if len(waiting) <= place or waiting[place] is not request:
        raise RouterFailureError(
            "interface",
            f"the router changed the queue of replica {view.replica_id}, which it may only read",
        )
    del waiting[place]
