"""Simulates seeds of one scheduler: ``python -P -m (this module) JOB.json``.

Each seed runs in a forked child, so that no state of a router leaks from seed to seed. The job and
the files written are those of ``exchange.py``. Exit
status: 0; 3 when the router failed, with ``failure.json``; 1 when something else is wrong, which is
said in a last line of JSON on standard output: a pipe takes it when the disk is full.
"""

import gc
import json
import os
import selectors
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import NoReturn

from openglia.errors import OpenGliaError
from openglia.measuring.allowance import Allowance
from openglia.problems.routing.benchmark.trace import read_trace
from openglia.problems.routing.exchange import FAILED, SUMMARY, Failure, Job
from openglia.problems.routing.hooks import HOOKS, REPLICA_SCHEDULER, ROUTER
from openglia.problems.routing.simulator.blame import HARNESS, classify, failed, reason_of
from openglia.problems.routing.simulator.clock import SLACK, Clock, over_limit, seconds_left, shared
from openglia.problems.routing.simulator.delayed import calls_of
from openglia.problems.routing.simulator.dispatch import Calls
from openglia.problems.routing.simulator.engine import simulate_calling
from openglia.problems.routing.simulator.failures import RouterFailureError
from openglia.problems.routing.simulator.interface import BaseGlobalScheduler
from openglia.problems.routing.simulator.loading import resolve, resolve_policy, vidur_modules
from openglia.problems.routing.simulator.log import Log
from openglia.problems.routing.simulator.preparation import limit, load_numpy, seed_randomness
from openglia.problems.routing.simulator.routers import LlqRouter
from openglia.problems.routing.simulator.scheduled import SchedulersHere
from openglia.problems.routing.simulator.timing import ExecutionTimes


def main(job_file: str) -> int:
    """Do the job; see the module."""
    job = Job.read(Path(job_file))
    job.output_dir.mkdir(parents=True, exist_ok=True)
    seed = None
    try:
        log = Log(job.output_dir / "router.log")
        times = ExecutionTimes.load(job.cluster)
        if not job.isolated:
            load_numpy(job.scheduler)
        gc.freeze()  # what exists now need not be looked at, nor copied, in the children
        for seed in job.traces:
            failure = _run_seed(job, seed, times, log)
            if failure:
                failure.write(job.output_dir)
                return FAILED
            print(json.dumps({"seed": seed, "status": "ok"}), flush=True)
    except (OpenGliaError, OSError, MemoryError) as error:
        reason = reason_of(error)
        print(json.dumps({"seed": seed, "status": "error", "reason": reason}), flush=True)
        print(f"openglia: {reason}", file=sys.stderr)
        return 1
    return 0


def _run_seed(job: Job, seed: int, times: ExecutionTimes, log: Log) -> Failure | None:
    """Simulate one seed in a child; return the router's failure, if any.

    Raises:
        OpenGliaError: something else is wrong.
    """
    folder = job.output_dir / f"seed_{seed}"
    folder.mkdir(exist_ok=True)
    summary = folder / SUMMARY
    summary.unlink(missing_ok=True)
    clock = shared()
    reading, writing = os.pipe()
    hearing, telling = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.close(hearing)
        _child(job, seed, folder, times, clock, writing, telling)
    os.close(writing)
    os.close(telling)
    try:
        status = _wait(child, reading, job, clock, log)
    except RouterFailureError as error:
        return failed(error.rule, error.reason, seed=seed)
    else:
        failure = _heard(hearing, seed)
    finally:
        os.close(reading)
        os.close(hearing)
    if failure and failure.rule == HARNESS:
        raise OpenGliaError(failure.reason)
    if failure or (status == 0 and summary.exists()):
        return failure
    how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "an exit of its own"
    return failed("crash", f"the process of the simulation ended by {how}", seed=seed)


def _end_of(child: int) -> int:
    """A descriptor that is readable once the child is dead."""
    try:
        return os.pidfd_open(child)
    except (AttributeError, OSError):  # an old kernel, or one that forbids it
        reading, writing = os.pipe()

        def watch() -> None:
            os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
            os.close(writing)

        threading.Thread(target=watch, daemon=True).start()
        return reading


def _wait(child: int, reading: int, job: Job, clock: Clock, log: Log) -> int:
    """Pass the child's output on until it ends; return its wait status.

    Raises:
        RouterFailureError: the seed, or one call of the router, took too long. The child is killed.
    """
    limits = job.limits
    allowance = Allowance(child, limits.simulation_seconds)
    overstepped = None
    handle = _end_of(child)
    with selectors.DefaultSelector() as selector:
        selector.register(handle, selectors.EVENT_READ)
        selector.register(reading, selectors.EVENT_READ)
        ended = False
        while not ended:
            of_call = seconds_left(clock, limits.router_call_seconds)
            ready = selector.select(max(0.0, min(allowance.left(), of_call) + SLACK))
            ended = any(key.fd == handle for key, _ in ready)
            for key, _ in ready:
                if key.fd == reading:
                    data = os.read(reading, 1 << 16)
                    log.write(data)
                    if not data:
                        selector.unregister(reading)
            if ended:
                break
            if allowance.left() <= 0:
                overstepped = f"one seed took more than {limits.simulation_seconds:g} s"
            elif seconds_left(clock, limits.router_call_seconds) <= 0:
                overstepped = over_limit(limits.router_call_seconds, HOOKS[job.hook].noun)
            if overstepped:
                os.kill(child, signal.SIGKILL)
                break
    os.close(handle)
    status = os.waitpid(child, 0)[1]
    os.set_blocking(reading, False)
    with suppress(BlockingIOError):
        log.write(os.read(reading, 1 << 16))  # what was in the pipe when it ended
    if overstepped:
        raise RouterFailureError("timeout", overstepped)
    return status


def _heard(hearing: int, seed: int) -> Failure | None:
    """The failure that the child told, if it did."""
    os.set_blocking(hearing, False)  # what the router started may hold the other end
    with suppress(BlockingIOError):
        failure = Failure.decoded(os.read(hearing, 1 << 16))
        return failure and replace(failure, seed=seed)
    return None


def _child(
    job: Job,
    seed: int,
    folder: Path,
    times: ExecutionTimes,
    clock: Clock,
    output: int,
    telling: int,
) -> NoReturn:
    """Simulate, write, and leave without returning to the parent's code."""
    os.dup2(output, 1)
    os.dup2(output, 2)
    status = FAILED
    doing = "prepare"
    try:
        limit(job.limits.memory_mb)
        trace = read_trace(job.traces[seed])
        seed_randomness(seed)
        with vidur_modules():
            doing = "simulate"
            calls = _calls(job, seed, len(trace), clock)
            simulation = simulate_calling(calls, job.cluster, trace, times, job.resolution)
        sys.stdout.flush()
        doing = "write"
        simulation.write(folder, seed, csv=job.request_metrics)
        status = 0
    except BaseException as error:
        os.write(telling, classify(error, doing, job.limits).encoded())
    finally:
        os._exit(status)


def _calls(job: Job, seed: int, num_requests: int, clock: Clock) -> Calls:
    """The candidate, here or in the process at the end of standard input."""
    if job.isolated:
        # Late: few simulations need this.
        from openglia.problems.routing.simulator.remote import (
            RemoteRouter,
            RemoteSchedulers,
            introduce,
        )
        from openglia.problems.routing.simulator.wire import Link

        link = Link(0)
        introduce(link, job.scheduler, job.cluster, job.limits, seed, job.hook)
        remote = RemoteRouter if job.hook == ROUTER.name else RemoteSchedulers
        return remote(job.cluster, link, num_requests, job.limits, clock)
    clock[0] = perf_counter()  # a candidate's file may hang while it is imported, too
    if job.hook == ROUTER.name:
        router: type[BaseGlobalScheduler] = resolve(job.scheduler)
    elif job.scheduler == f"builtin:{REPLICA_SCHEDULER.yardstick}":
        router = LlqRouter  # and no hook at all
    else:
        policy = resolve_policy(job.scheduler)
        return SchedulersHere(job.cluster, policy, num_requests, job.limits, clock)
    return calls_of(job.cluster, router, num_requests, job.limits, clock)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
