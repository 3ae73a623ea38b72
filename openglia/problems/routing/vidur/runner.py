"""One simulation by Vidur: ``python -P -m openglia.problems.routing.vidur.runner FOLDER``.

Does what Vidur's main does with the arguments of the folder's task, then writes what the harness
wants to know. Vidur writes its own files at exit; after a failure the process leaves before it can.
Imports inside functions are of Vidur, which is on the path of this process alone.
"""

import os
import resource
import sys
import traceback
from pathlib import Path
from time import perf_counter
from typing import Any

from openglia.problems.routing.exchange import Failure
from openglia.problems.routing.vidur.task import CLOCK, Observed, Task

# Address space that Vidur's own metrics may take during a simulation, beside the router's.
VIDUR_MEMORY_MB = 4096


def main() -> None:
    folder = Path(sys.argv[1])
    task = Task.read(folder)
    sys.argv = ["vidur", *task.arguments]
    try:
        _simulate(task, folder)
    except BaseException as error:
        _classify(error, task).write(folder)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(3)


def _simulate(task: Task, folder: Path) -> None:
    from vidur.config import SimulationConfig
    from vidur.openglia.requests import RoutedRequest
    from vidur.openglia.supervision import RouterCost
    from vidur.utils.random import set_seeds

    from openglia.problems.routing.simulator.clock import mapped
    from openglia.problems.routing.vidur.observed import ObservedSimulator

    if task.schedules:
        from vidur.openglia import replica_scheduling

        replica_scheduling.install()
    RouterCost.clock = mapped(folder / CLOCK)
    config = SimulationConfig.create_from_cli_args()
    set_seeds(config.seed)
    simulator = ObservedSimulator(config, task.resolution)
    _limit_memory(task.memory_mb + VIDUR_MEMORY_MB)
    start = perf_counter()
    try:
        simulator.run()
    except AssertionError:
        # Vidur asserts at the end that nothing waits or runs any more.
        _check_completed(RoutedRequest.created)
        raise
    seconds = perf_counter() - start
    _check_completed(RoutedRequest.created)
    _check_cost(RouterCost.seconds, RouterCost.calls, task.router_call_mean_ms)
    Observed(
        requests=[_row(request) for request in RoutedRequest.created],
        router_calls=RouterCost.calls,
        router_seconds=RouterCost.seconds,
        engine_seconds=seconds - RouterCost.seconds,
        end_time=simulator.end_time,
        kv_use_mean=simulator.kv_use_mean,
        series=[list(row) for row in simulator.series],
    ).write(folder)


def _row(request: Any) -> list[float | int]:
    return [
        request.id,
        request.prompt,
        request.arrived_at,
        request.routed_at,
        request.scheduled_at,
        request._prefill_completed_at,
        request.completed_at,
        request.replica_id,
    ]


def _check_completed(requests: list[Any]) -> None:
    from vidur.openglia.failure import RouterFailureError

    left = [request for request in requests if not request.completed]
    if left:
        held = sum(request.replica_id is None for request in left)
        raise RouterFailureError(
            "never-completed",
            f"{len(left)} of {len(requests)} requests never completed, {held} of them never "
            f"placed; the first is request {left[0].id}",
        )


def _check_cost(seconds: float, calls: int, limit_ms: float) -> None:
    from vidur.openglia.failure import RouterFailureError

    mean = seconds / max(calls, 1) * 1000
    if mean > limit_ms:
        raise RouterFailureError(
            "router-too-slow", f"a router call took {mean:.1f} ms on average; {limit_ms:g} may be"
        )


def _limit_memory(more_mb: int) -> None:
    """Allow ``more_mb`` of address space above what is in use, or what the harness allows."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        used = int(statm.read_text().split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        wanted = used + more_mb * 2**20
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _classify(error: BaseException, task: Task) -> Failure:
    cause = error.__cause__ or error
    rule = getattr(error, "rule", None) or ("memory" if _out_of_memory(error) else "crash")
    reason = str(error) if hasattr(error, "rule") else f"{type(error).__name__}: {error}"
    if _out_of_memory(cause):
        rule, reason = "memory", f"the simulation needed more than {task.memory_mb} MB"
    # Only the router's own frames concern its author; all of them if the fault may be ours.
    frames = traceback.extract_tb(cause.__traceback__)
    own = [frame for frame in frames if frame.filename == task.router_file]
    for frame in own:
        frame.filename = "scheduler.py"
    shown = own if own or rule != "crash" else list(frames)
    lines = "".join(traceback.format_list(shown)).splitlines()
    if shown:
        lines += "".join(traceback.format_exception_only(cause)).splitlines()
    return Failure(rule=rule, reason=" ".join(reason.split()), detail="\n".join(lines[-20:]))


def _out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError)


if __name__ == "__main__":
    main()
