"""A request in the engine."""

from openglia.problems.routing.simulator.interface import Request


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
