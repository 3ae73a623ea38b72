"""The places in the simulation that a candidate can fill: the router, or the replicas' scheduler.

Standard library only: what runs candidates apart from everything else imports it.
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """One such place."""

    name: str  # in jobs; the problem that discovers what fills it
    noun: str
    class_name: str  # that a candidate's file holds
    base: str  # of that class
    signatures: tuple[str, ...]  # of methods of which it has at least one
    called: str  # when these are called, in words
    module: str  # of the candidate's file in Vidur
    builtins: tuple[str, ...]  # what there is without a file
    yardstick: str  # of these

    @property
    def methods(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(signature.partition("(")[0] for signature in self.signatures)

    @property
    def file(self) -> PurePosixPath:
        """The candidate's file in Vidur's package."""
        return PurePosixPath(*self.module.split(".")[1:]).with_suffix(".py")


ROUTER = Hook(
    name="routing",
    noun="router",
    class_name="AIGlobalScheduler",
    base="BaseGlobalScheduler",
    signatures=("schedule(self)",),
    called="add_request at an arrival and schedule at every arrival and every completion",
    module="vidur.scheduler.global_scheduler.ai_global_scheduler",
    builtins=("random", "round_robin", "lor", "llq"),
    yardstick="llq",
)
REPLICA_SCHEDULER = Hook(
    name="scheduling",
    noun="scheduler",
    class_name="AIReplicaScheduler",
    base="ReplicaPolicy",
    signatures=("admit(self, waiting)", "evict(self, running)"),
    called="admit when a batch has room for a prompt and evict when memory runs short",
    module="vidur.scheduler.replica_scheduler.ai_replica_scheduler",
    builtins=("fcfs", "random", "shortest_prompt", "longest_prompt"),
    yardstick="fcfs",
)
HOOKS = {hook.name: hook for hook in (ROUTER, REPLICA_SCHEDULER)}

_POLICIES = Path(__file__).parent / "simulator" / "policies"  # the built-in schedulers


def policy_file(scheduler: str) -> Path:
    """Where a replica's scheduler is. Vidur's own, fcfs, has none: it is what is there without."""
    name = scheduler.removeprefix("builtin:")
    return Path(scheduler) if name == scheduler else _POLICIES / f"{name}.py"
