"""The scheduling problem: the routing problem's simulation with another hook, behind the door."""

from collections.abc import Sequence
from pathlib import Path

from openglia import paths
from openglia.errors import UsageError
from openglia.problems.problem import Problem
from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.hooks import REPLICA_SCHEDULER
from openglia.problems.routing.others import others
from openglia.problems.routing.problem import INTERFACE as ROUTERS_INTERFACE
from openglia.problems.routing.problem import Routing
from openglia.problems.routing.simulators import Simulator, find
from openglia.problems.scheduling.family.task import TASK
from openglia.problems.scheduling.presentation import STUB, SchedulingPresentation

_HERE = Path(__file__).parent


class Scheduling(Routing):
    """Discover a scheduler for the replicas of ``benchmark``."""

    kind = REPLICA_SCHEDULER.name
    hook = REPLICA_SCHEDULER
    shown_by = SchedulingPresentation
    task = TASK
    working_file = paths.VIDUR / "vidur" / REPLICA_SCHEDULER.file
    statement_file = _HERE / "problem.md"
    interfaces = (_HERE / "INTERFACE.md", ROUTERS_INTERFACE)
    sources = (
        "environment/benchmarks",
        "environment/vidur_overrides",
        str(paths.shown(STUB)),
    )

    def __init__(
        self, benchmark: Benchmark, simulator: Simulator, file: Path | None = None
    ) -> None:
        """Raises UsageError if no scheduler can be discovered on the benchmark."""
        if (reason := _unfit(benchmark)) is not None:
            raise UsageError(f"benchmark {benchmark.name}: {reason}; choose another one")
        super().__init__(benchmark, simulator, file)

    def other_settings(self, names: Sequence[str] | None = None) -> list[Problem]:
        """Those by default that are fit for it, or those that are named."""
        return [
            Scheduling(other, find("embedded"))
            for other in others(self.benchmark, names)
            if names is not None or _unfit(other) is None
        ]


def _unfit(benchmark: Benchmark) -> str | None:
    cluster = benchmark.cluster
    if (kind := cluster.replica_scheduler.type) != "sarathi":
        return f"its replica scheduler is {kind}, and what is discovered takes the place of sarathi"
    if cluster.signals is not None or cluster.failures:
        return "old signals and failures are the router's affair, which is fixed here"
    return None
