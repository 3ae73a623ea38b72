"""Simulates seeds of one router with Vidur: ``python -P -m (this module) JOB.json``.

The job and what is written are those of the embedded simulator's worker. Each seed is a process of
its own in a pristine copy of Vidur that holds the router under test and nothing else of the
checkout, so nothing that an agent can edit moves a score.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pandas as pd

from openglia.errors import OpenGliaError
from openglia.measuring.allowance import Allowance
from openglia.problems.routing.benchmark.definition import Limits
from openglia.problems.routing.exchange import FAILED, Failure, Job, Summary, last_lines
from openglia.problems.routing.hardware.roofline import profile_hash
from openglia.problems.routing.hooks import HOOKS, REPLICA_SCHEDULER, ROUTER, Hook, policy_file
from openglia.problems.routing.simulator.clock import SLACK, Clock, mapped, over_limit, seconds_left
from openglia.problems.routing.vidur import checkout, command, predictors, tree
from openglia.problems.routing.vidur.task import CLOCK, Observed, Task

LOG_BYTES = 64 * 1024

COLUMNS = (
    "Request Id",
    "request_num_prefill_tokens",
    "arrived_at",
    "routed_at",
    "scheduled_at",
    "first_token_at",
    "completed_at",
    "replica_id",
)
SERIES = (
    "time",
    "replica_id",
    "num_allocated_blocks",
    "memory_usage_percent",
    "num_active_requests",
    "num_pending_requests",
)


class SeedFailedError(Exception):
    """A seed was not simulated, as the router failed."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


def _failed(rule: str, reason: str, detail: str = "") -> SeedFailedError:
    return SeedFailedError(Failure(rule=rule, reason=reason, detail=detail))


def main() -> int:
    """Work off the job named on the command line. Returns 3 if a seed failed."""
    try:
        return work_off(Job.read(Path(sys.argv[1])))
    except OpenGliaError as error:
        print(json.dumps({"status": "error", "reason": str(error)}), flush=True)
        print(f"openglia.problems.routing.vidur.worker: {error}", file=sys.stderr)
        return error.exit_status


def work_off(job: Job) -> int:
    """Simulate the job's seeds in order; stop at the first that fails.

    Raises:
        OpenGliaError: Vidur or its predictors are missing or damaged.
    """
    commit = checkout.Source.from_environment().commit
    work = predictors.verify(job.cluster)
    hook = HOOKS[job.hook]
    router, candidate = _candidate(job, hook)
    job.output_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="openglia-vidur-") as name:
        place = Path(name).resolve()
        tree.compose(place, candidate, commit, hook)
        work = predictors.linked(work, place / "work")
        for seed, trace in job.traces.items():
            try:
                record, output = _run(job, seed, trace, router, candidate, place, work)
                _write_results(job, seed, record, output)
            except SeedFailedError as error:
                replace(error.failure, seed=seed).write(job.output_dir)
                print(json.dumps({"seed": seed, "status": "failed"}), flush=True)
                return FAILED
            print(json.dumps({"seed": seed, "status": "ok"}), flush=True)
    return 0


def _candidate(job: Job, hook: Hook) -> tuple[str, Path | None]:
    """Vidur's type of router, and the candidate's file, unless Vidur has it built in."""
    if hook is ROUTER:
        router = command.router_type(job.scheduler)
        return router, Path(job.scheduler) if router == "ai" else None
    vidurs_own = job.scheduler == f"builtin:{hook.yardstick}"
    return "llq", None if vidurs_own else policy_file(job.scheduler)


def _run(
    job: Job,
    seed: int,
    trace: Path,
    router: str,
    candidate: Path | None,
    place: Path,
    work: Path,
) -> tuple[Observed, Path]:
    """Run one simulation; return its record and the folder with Vidur's own files."""
    output = place / f"seed_{seed}"
    output.mkdir()
    hook = HOOKS[job.hook]
    task = Task(
        arguments=command.arguments(job.cluster, router, trace.resolve(), output, seed),
        router_file=str(place / checkout.PACKAGE / hook.file),
        schedules=hook is REPLICA_SCHEDULER and candidate is not None,
        memory_mb=job.limits.memory_mb,
        router_call_mean_ms=job.limits.router_call_mean_ms,
        resolution=job.resolution,
    )
    task.write(output)
    clock = mapped(output / CLOCK)
    log = output / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "openglia.problems.routing.vidur.runner",
                str(output),
            ],
            cwd=work,
            env=predictors.simulation_environment(place),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = _wait(process, seed, job.limits, clock, hook.noun)
        finally:
            _kill_group(process)
            _append_log(log, job.output_dir / "router.log")
    if failure := Failure.read(output):
        raise SeedFailedError(failure)
    observed = Observed.read(output)
    if status != 0 or observed is None:
        tail = last_lines(log.read_text(errors="replace"))
        raise _failed("crash", f"Vidur ended with status {status} and no result", tail)
    return observed, output


def _wait(
    process: subprocess.Popen[bytes], seed: int, limits: Limits, clock: Clock, noun: str
) -> int:
    """Wait for the simulation's end; return its exit status."""
    allowance = Allowance(process.pid, limits.vidur_simulation_seconds)
    while True:
        of_call = seconds_left(clock, limits.router_call_seconds)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=max(0.0, min(allowance.left(), of_call) + SLACK))
        if allowance.left() <= 0:
            reason = f"seed {seed} was stopped after {limits.vidur_simulation_seconds:g} s"
            raise _failed("timeout", f"{reason}; the {noun} may be endless")
        if seconds_left(clock, limits.router_call_seconds) <= 0:
            raise _failed("timeout", over_limit(limits.router_call_seconds, noun))


def _write_results(job: Job, seed: int, record: Observed, output: Path) -> None:
    """Write the seed's folder: Vidur's request_metrics.csv with our columns, series, summary."""
    found = list(output.glob("*/request_metrics.csv"))
    if len(found) != 1:
        raise _failed("crash", "Vidur wrote no request_metrics.csv")
    metrics = pd.read_csv(found[0])
    ours = pd.DataFrame(record.requests, columns=list(COLUMNS))
    trace = pd.read_csv(job.traces[seed])
    if list(ours["arrived_at"]) != list(trace["arrived_at"]):
        raise _failed("crash", "Vidur did not simulate the requests of the trace")
    metrics = metrics.drop(columns=["request_num_prefill_tokens"])  # ours: before any restart
    joined = ours.merge(metrics, on="Request Id", validate="one_to_one")
    if len(joined) != len(trace):
        raise _failed("crash", f"{len(trace) - len(joined)} requests have no metrics")
    joined["request_num_restarts"] = joined["request_num_restarts"].astype(int)
    joined["request_num_decode_tokens"] = joined["request_num_decode_tokens"].astype(int)

    folder = job.output_dir / f"seed_{seed}"
    folder.mkdir(exist_ok=True)
    joined.to_csv(folder / "request_metrics.csv", index=False)
    if job.resolution:
        series = pd.DataFrame(record.series, columns=list(SERIES))
        series.to_csv(folder / "replica_metrics.csv.gz", index=False)
    Summary(
        seed=seed,
        requests=len(joined),
        end_time=record.end_time,
        router_calls=record.router_calls,
        router_seconds=record.router_seconds,
        engine_seconds=record.engine_seconds,
        kv_use_mean=record.kv_use_mean,
        execution_times=f"vidur-tables:{profile_hash(job.cluster)}",
    ).write(folder)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Whatever the simulation started ends with it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _append_log(log: Path, target: Path) -> None:
    room = LOG_BYTES - (target.stat().st_size if target.exists() else 0)
    with target.open("ab") as stream:
        stream.write(log.read_bytes()[: max(room, 0)])


if __name__ == "__main__":
    sys.exit(main())
