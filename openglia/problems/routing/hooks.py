"""The places in the simulation that a candidate can fill: the router, or the replicas' scheduler.

Standard library only: what runs candidates apart from everything else imports it.
"""

from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """One such place."""

    name: str  # in jobs
    noun: str
    class_name: str  # that a candidate's file holds
    base: str  # of that class
    methods: tuple[str, ...]  # of which it has at least one
    called: str  # when these are called, in words
    module: str  # of the candidate's file in Vidur
    builtins: tuple[str, ...]  # what there is without a file
    yardstick: str  # of these

    @property
    def file(self) -> PurePosixPath:
        """The candidate's file in Vidur's package."""
        return PurePosixPath(*self.module.split(".")[1:]).with_suffix(".py")


ROUTER = Hook(
    name="router",
    noun="router",
    class_name="AIGlobalScheduler",
    base="BaseGlobalScheduler",
    methods=("schedule",),
    called="add_request at an arrival and schedule at every arrival and every completion",
    module="vidur.scheduler.global_scheduler.ai_global_scheduler",
    builtins=("random", "round_robin", "lor", "llq"),
    yardstick="llq",
)
REPLICA_SCHEDULER = Hook(
    name="replica_scheduler",
    noun="scheduler",
    class_name="AIReplicaScheduler",
    base="ReplicaPolicy",
    methods=("admit", "evict"),
    called="admit when a batch has room for a prompt and evict when memory runs short",
    module="vidur.scheduler.replica_scheduler.ai_replica_scheduler",
    builtins=("fcfs", "random", "shortest_prompt", "longest_prompt"),
    yardstick="fcfs",
)
HOOKS = {hook.name: hook for hook in (ROUTER, REPLICA_SCHEDULER)}
