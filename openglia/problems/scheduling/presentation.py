"""How a scheduling run is shown: as a routing run, with other names."""

from openglia import paths
from openglia.problems.routing.hooks import REPLICA_SCHEDULER
from openglia.problems.routing.presentation import RoutingPresentation

STUB = paths.ENVIRONMENT / "stubs" / "ai_replica_scheduler_stub.py"
_HELD = "Held (s)"  # no router holds anything back here


class SchedulingPresentation(RoutingPresentation):
    """See ``openglia.presenting.presentation``."""

    title = "Scheduler"
    hook = REPLICA_SCHEDULER
    yardstick = "fcfs"
    yardstick_label = "FCFS"
    labels = {  # noqa: RUF012
        "fcfs": "FCFS, youngest evicted",
        "shortest_prompt": "shortest prompt first",
        "longest_prompt": "longest prompt first",
        "stub": "stub (FCFS)",
    }
    start = STUB
    _columns = tuple(column for column in RoutingPresentation._columns if column[0] != _HELD)
    legend = (
        "Simulated time; intervals are bootstrapped over seeds. p50, p90, p99: percentiles of the "
        "response time. TTFT: time to first token. TPOT: time per output token. Restarted: "
        "requests evicted from the KV cache at least once. KV use: blocks in use, mean over time "
        "and replicas."
    )


PRESENTATION = SchedulingPresentation()
