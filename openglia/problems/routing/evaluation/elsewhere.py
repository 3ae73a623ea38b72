"""Simulations on the machines of a Dask cluster, seed by seed."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from openglia.measuring import tasks
from openglia.measuring.cluster import Cluster
from openglia.measuring.tasks import Task
from openglia.problems.routing.benchmark.definition import Cluster as SimulatedCluster
from openglia.problems.routing.evaluation.simulation import (
    Enough,
    Progress,
    Simulations,
    gather_seeds,
    simulate,
)
from openglia.problems.routing.exchange import Failure
from openglia.problems.routing.simulators import Simulator, find, read_hash

BUILTIN = "builtin:"
_TRACE = "trace.csv"


def on_cluster(simulator: Simulator, cluster: Cluster, simulated: SimulatedCluster) -> Simulator:
    """The simulator on a cluster's machines.

    Raises:
        OpenGliaError: on one of them it would simulate otherwise.
    """
    cluster.require(f"{__name__}:{reads.__name__}", simulator.name, simulated)
    return replace(simulator, cluster=cluster)


def reads(simulator: str, simulated: SimulatedCluster) -> dict[str, str | None]:
    """See ``tasks.Required``: what a simulator reads on the machine where it runs."""
    digest = read_hash(find(simulator), simulated)
    return {f"{simulator} simulator's files (tables of execution times)": digest}


def simulate_on_cluster(
    work: Simulations,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
    meanwhile: Callable[[], None] | None = None,
    enough: Enough = lambda _: False,
    cancelled: threading.Event | None = None,
) -> Failure | None:
    """See ``simulation.simulate``; ``jobs`` are as many as the cluster has room for.

    Raises:
        OpenGliaError: the benchmark or the cluster is at fault, not the router.
    """
    del jobs
    cluster = work.simulator.cluster
    assert cluster is not None
    done: dict[int, Path] = {}
    with cluster.started([_task(work, seed) for seed in work.traces], cancelled) as started:
        if meanwhile is not None:
            meanwhile()
        for task, answer in started.answers():
            (seed,) = task.told.traces
            folder = work.folder / f"worker_{seed}"
            tasks.unpack(answer.left, folder)
            gather_seeds(folder, work.folder)
            failure: Failure | None = answer.value
            if failure is not None:
                return replace(failure, seed=seed)
            done[seed] = work.folder / f"seed_{seed}"
            if progress is not None:
                progress(len(done), len(work.traces))
            if enough(done):
                break
    return None


def simulate_case(
    work: Simulations, folder: Path, output: Path, cancelled: threading.Event
) -> Failure | None:
    """On a cluster's worker: see ``tasks.Measure``. Paths in ``work`` are below the folder."""
    scheduler, traces = work.scheduler, {s: folder / trace for s, trace in work.traces.items()}
    if not scheduler.startswith(BUILTIN):
        scheduler = str(folder / scheduler)
    there = replace(work, scheduler=scheduler, traces=traces, folder=output)
    return simulate(there, jobs=1, cancelled=cancelled)


def _task(work: Simulations, seed: int) -> Task:
    files = {_TRACE: work.traces[seed]}
    scheduler = work.scheduler
    if not scheduler.startswith(BUILTIN):
        path = Path(scheduler)
        scheduler = f"scheduler/{path.name}"
        files[scheduler] = path
    told = replace(work, scheduler=scheduler, traces={seed: Path(_TRACE)}, folder=Path())
    return Task(function=f"{__name__}:{simulate_case.__name__}", told=told, files=files)
