"""Simulating the seeds of one scheduler in worker processes, on either simulator.

This is the seam between the harness and the simulators (``exchange.py``): a worker leaves a folder
for each seed, or a failure and exit status 3 if the router failed. What else goes wrong its last
line says.
"""

import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import batched
from pathlib import Path

from openglia.errors import OpenGliaError
from openglia.measuring import worker_fence
from openglia.measuring.processes import (
    BASE_MEMORY_MB,
    Command,
    Worker,
    Workers,
    available_cores,
    oom_kills,
    worker_environment,
)
from openglia.paths import ROOT
from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.exchange import FAILED, JOB, SUMMARY, Failure, Job, last_lines
from openglia.problems.routing.hooks import ROUTER, Hook
from openglia.problems.routing.simulators import Simulator

OUTPUT_BYTES = 64 * 1024  # of a router's own output, kept in router.log

Progress = Callable[[int, int], None]  # seeds done, seeds in all
Enough = Callable[[dict[int, Path]], bool]  # of the seeds done, with their folders


@dataclass(frozen=True, kw_only=True)
class Simulations:
    """What to simulate, and where the results go."""

    scheduler: str  # absolute path of the file, or "builtin:..."
    benchmark: Benchmark
    simulator: Simulator
    traces: dict[int, Path]
    folder: Path
    resolution: float | None = None  # seconds between samples of the replicas; None: no samples
    request_metrics: bool = True  # write request_metrics.csv, which costs the engine time
    hook: Hook = ROUTER  # what the scheduler is
    isolated: bool = False  # it is in a process that holds nothing of what it is measured with


def simulate(
    work: Simulations,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
    meanwhile: Callable[[], None] | None = None,
    enough: Enough = lambda _: False,
    cancelled: threading.Event | None = None,
) -> Failure | None:
    """Simulate every seed into ``work.folder/seed_N``; the first failure ends all workers.

    So does ``enough``, which is asked after each seed; then some seeds are not there.
    ``meanwhile`` is called once the workers are under way.

    Raises:
        OpenGliaError: the benchmark or the machine is at fault, not the router.
    """
    killed = oom_kills()
    seeds = list(work.traces)
    workers = min(jobs or available_cores(), len(seeds))
    if work.isolated and workers < len(seeds):  # a router's process serves one seed
        for part in batched(work.traces.items(), workers):
            few = replace(work, traces=dict(part))
            failure = simulate(few, jobs=jobs, meanwhile=meanwhile, cancelled=cancelled)
            if failure is not None:
                return failure
        return None
    commands = [
        command
        for number in range(workers)
        for command in _commands(work, seeds[number::workers], number)
    ]
    done: dict[int, Path] = {}
    stopped = False
    failure = None
    left = workers
    with Workers(commands, cancelled) as started:
        if meanwhile is not None:
            meanwhile()
        for worker, record in started.events():
            if record is not None:
                if record.get("status") == "error":
                    raise _trouble(work, str(record.get("reason")), record.get("seed"))
                if (seed := record.get("seed")) in work.traces:  # Vidur's routers may print lines
                    done[seed] = worker.command.folder / f"seed_{seed}"
                if progress is not None:
                    progress(len(done), len(seeds))
                if stopped := enough(done):
                    break
            elif not worker.command.quiet:  # a router's process: the engine tells of its end
                if worker.status != 0:
                    failure = _failure(work, worker)
                left -= 1
                if failure is not None or not left:
                    break
    for command in commands:
        gather_seeds(command.folder, work.folder)
    if failure is None:
        missing = [s for s in seeds if not (work.folder / f"seed_{s}" / SUMMARY).exists()]
        if missing and not stopped:
            raise _trouble(work, "the simulation ended without a result", missing[0])
    elif failure.rule == "crash":
        if oom_kills() > killed:
            reason = "the machine's memory ran out; close other programs, or use fewer --jobs"
            raise _trouble(work, reason, failure.seed)
        if work.scheduler.startswith("builtin:"):
            raise _trouble(work, failure.reason, failure.seed)
    return failure


def _trouble(work: Simulations, reason: str, seed: object) -> OpenGliaError:
    """What is wrong with the benchmark or the machine, in a line."""
    where = f"benchmark {work.benchmark.name}" + ("" if seed is None else f", seed {seed}")
    return OpenGliaError(f"{where}: {' '.join(reason.split())[:1000]}")


def _commands(work: Simulations, seeds: Sequence[int], number: int) -> Iterator[Command]:
    """The worker that simulates these seeds and, isolated, the one that runs the router for it."""
    folder = work.folder / f"worker_{number}"
    job = Job(
        scheduler=work.scheduler,
        cluster=work.benchmark.cluster,
        limits=work.benchmark.limits,
        traces={seed: work.traces[seed] for seed in seeds},
        output_dir=folder,
        resolution=work.resolution,
        request_metrics=work.request_metrics,
        isolated=work.isolated,
        hook=work.hook.name,
    )
    folder.mkdir(parents=True)
    job.write(folder / JOB)
    simulator = work.simulator
    words = [simulator.worker, str(folder / JOB)]
    data = [*simulator.reads(work.benchmark.cluster), *job.traces.values()]
    router = [] if work.scheduler.startswith("builtin:") else [Path(work.scheduler)]
    if not work.isolated:
        yield _command(work, folder, words, simulator.sources, [*data, *router], steps=len(seeds))
        return
    here, there = socket.socketpair()
    yield _command(work, folder, words, simulator.sources, data, steps=len(seeds), link=here)
    apart = work.folder / f"worker_{number}_router"
    apart.mkdir()
    words, sources = [simulator.host], simulator.host_sources
    yield _command(work, apart, words, sources, router, steps=0, link=there, quiet=True)


def _command(
    work: Simulations,
    folder: Path,
    words: Sequence[str],
    sources: Sequence[Path],
    readable: Sequence[Path],
    *,
    steps: int,
    link: socket.socket | None = None,
    quiet: bool = False,
) -> Command:
    limits = work.benchmark.limits
    return Command(
        argv=worker_fence.command(
            [sys.executable, "-P", "-m", *words],
            folder=folder,
            writable=not quiet,
            sources=sources,
            readable=readable,
            memory_mb=limits.memory_mb + BASE_MEMORY_MB,
        ),
        folder=folder,
        environment=worker_environment(ROOT),
        steps=steps,
        step_seconds=work.simulator.seconds(limits),
        memory_mb=limits.memory_mb,
        link=link,
        quiet=quiet,
    )


def _failure(work: Simulations, worker: Worker) -> Failure:
    folder = worker.command.folder
    if worker.timed_out:
        seeds = Job.read(folder / JOB).traces
        return Failure(
            rule="timeout",
            reason=f"a simulation took longer than {worker.command.step_seconds:g} s of wall time",
            detail=last_lines(worker.stderr()),
            seed=next((s for s in seeds if not (folder / f"seed_{s}" / SUMMARY).exists()), None),
        )
    if worker.status == FAILED:
        told = Failure.read(folder)
        if told is not None:
            return told
    status = worker.status if worker.status is not None else 0
    number = -status if status < 0 else status - 128  # bubblewrap tells of a signal as a shell does
    if number not in signal.valid_signals():
        # It is our process, not the router's, which could do no more than kill it.
        last = (worker.stderr().strip().splitlines() or ["nothing"])[-1]
        raise _trouble(
            work,
            f"the {work.simulator.name} simulator's process ended with exit status {status} and "
            f"said: {last}; see openglia doctor",
            None,
        )
    how = f"signal {signal.Signals(number).name}"
    return Failure(
        rule="crash",
        reason=f"the {work.simulator.name} simulator's process ended with {how}",
        detail=last_lines(worker.stderr()),
    )


def gather_seeds(source: Path, target: Path) -> None:
    """Move a worker's seeds up into the folder of the evaluation and drop the rest but its log."""
    for seed in source.glob("seed_*"):
        seed.rename(target / seed.name)
    log = source / "router.log"
    if log.exists():
        with log.open("rb") as stream, (target / "router.log").open("ab") as whole:
            whole.write(stream.read(max(0, OUTPUT_BYTES - whole.tell())))
    shutil.rmtree(source)
