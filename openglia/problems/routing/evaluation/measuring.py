"""Measuring a scheduler on a benchmark.

Imports inside functions are late ones: what makes the figures loads while the simulations run.
"""

import shutil
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openglia.errors import OpenGliaError, UsageError
from openglia.files import folder_for_output, is_sealed, sha256, sparing
from openglia.paths import CACHE
from openglia.problems.constraints import Held
from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.evaluation.giving_up import GivingUp
from openglia.problems.routing.evaluation.simulation import Progress, Simulations, simulate
from openglia.problems.routing.exchange import Failure, Summary
from openglia.problems.routing.hooks import ROUTER, Hook
from openglia.problems.routing.simulators import Simulator, find, require

if TYPE_CHECKING:
    from openglia.problems.routing.evaluation.statistics import Statistics

BUILTIN = "builtin:"


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The outcome of one evaluation: either ``statistics`` or ``failure`` is there, never both."""

    scheduler: str  # "builtin:llq", or 12 hexadecimal digits of the file's SHA-256
    benchmark: str
    benchmark_hash: str
    simulator: Simulator
    seeds: tuple[int, ...]
    full: bool  # all evaluation seeds at the benchmark's own duration
    wall_seconds: float
    failure: Failure | None = None
    statistics: "Statistics | None" = None
    execution_times: str | None = None  # where the simulator had them from
    kv_use_mean: float | None = None  # share of the KV-cache blocks, mean over time and replicas
    router_ms_mean: float | None = None  # the router's own time per call
    hook: Hook = ROUTER  # what the scheduler is
    ratio: float | None = None  # the objective over the yardstick's on the same seeds
    ratio_note: str | None = None  # why there is no ratio
    constraints: tuple[Held, ...] = ()
    stopped: str | None = None  # why it was given up before the last seed
    warnings: tuple[str, ...] = ()  # of the scheduler's file; they change no score

    @property
    def ok(self) -> bool:
        return self.statistics is not None

    def to_json(self) -> dict[str, Any]:
        """The machine-readable line. A failed evaluation has a reason and no figures."""
        head: dict[str, Any] = {
            "status": "ok" if self.ok else "failed",
            "scheduler": self.scheduler,
            "benchmark": self.benchmark,
            "benchmark_hash": self.benchmark_hash,
            "simulator": self.simulator.name,
            "execution_times": self.execution_times,
            "seeds": list(self.seeds),
            "full": self.full,
        }
        tail: dict[str, Any] = {"wall_seconds": round(self.wall_seconds, 3)}
        if self.stopped is not None:
            tail["stopped"] = self.stopped
        if self.warnings:
            tail["warnings"] = list(self.warnings)
        if self.failure is not None:
            return head | asdict(self.failure) | tail
        figures = {} if self.statistics is None else self.statistics.to_json()
        figures |= {
            "kv_use_mean": self.kv_use_mean,
            f"ratio_to_{self.hook.yardstick}": self.ratio,
            "router_ms_mean": self.router_ms_mean,
        }
        if self.constraints:
            figures["constraints"] = [one.to_json() for one in self.constraints]
        if self.ratio_note is not None:
            figures["ratio_note"] = self.ratio_note
        return head | figures | tail


def measure(
    scheduler: str,
    benchmark: Benchmark,
    *,
    seeds: Sequence[int] | None = None,
    simulator: str | Simulator = "auto",
    output_dir: Path | None = None,
    request_metrics: bool = True,
    jobs: int | None = None,
    progress: Progress | None = None,
    resolution: float | None = None,
    stop_if_worse: float | None = None,
    hook: Hook = ROUTER,
    isolated: bool = False,
    rules: bool = True,
    cancelled: threading.Event | None = None,
) -> Evaluation:
    """Simulate a scheduler and make the figures, without a comparison to the yardstick.

    Args:
        scheduler: path of a file with the hook's class, or ``builtin:`` and one of its built-ins.
        seeds: default all evaluation seeds.
        simulator: or its name; auto is the embedded one, vidur must be installed.
        output_dir: keep ``seed_N/request_metrics.csv`` and the rest there; results of an earlier
            evaluation in it are removed first.
        request_metrics: whether ``request_metrics.csv`` is kept too, which takes time to write.
        jobs: worker processes; default one per core.
        progress: called with (seeds done, seeds in all).
        resolution: also write time series of the replicas, sampled every so many seconds.
        stop_if_worse: a value of the objective; see ``giving_up``.
        hook: what the scheduler is, a router or that of the replicas.
        isolated: it runs in a process that holds neither trace nor results
            (``simulator.wire``); on the embedded simulator alone.
        rules: whether the static rules are in force; off for what is planted to test the rest.
        cancelled: once set, the workers are killed and CancelledError is raised.

    Raises:
        UsageError: no such scheduler, no seeds.
        OpenGliaError: the simulator is not installed, or a file of the benchmark is missing.
    """
    begun = time.monotonic()
    chosen = tuple(benchmark.seeds if seeds is None else seeds)
    if not chosen:
        raise UsageError("no seeds to evaluate on; name some, such as 0-2")
    source = _source(scheduler, hook)
    require(find(simulator), benchmark)
    head = Evaluation(
        scheduler=scheduler if source is None else sha256(source)[:12],
        benchmark=benchmark.name,
        benchmark_hash=benchmark.hash,
        simulator=find(simulator),
        seeds=chosen,
        full=benchmark.is_full_length and set(chosen) == set(benchmark.seeds),
        wall_seconds=0.0,
        hook=hook,
    )
    if source is not None and rules:
        if failure := broken_rule(source, Path(scheduler).name, hook):
            return _ended(head, begun, failure=failure)
        from openglia.problems.routing.rules.unused import uncalled_methods

        head = replace(head, warnings=tuple(uncalled_methods(source.decode(), hook)))
    with ExitStack() as stack:
        folder = output_dir
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="openglia-")))
        folder = folder_for_output(folder.resolve())
        clear_results(folder)
        private = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="openglia-")))
        if source is not None:
            # A snapshot: the file may be edited while it is measured.
            snapshot = private / "scheduler" / Path(scheduler).name
            snapshot.parent.mkdir()
            snapshot.write_bytes(source)
            scheduler = str(snapshot)
        work = Simulations(
            scheduler=scheduler,
            benchmark=benchmark,
            simulator=head.simulator,
            traces={seed: _trace(benchmark, seed, private) for seed in chosen},
            folder=folder,
            resolution=resolution,
            request_metrics=output_dir is not None and request_metrics,
            hook=hook,
            isolated=isolated,
        )
        giving_up = GivingUp(work, stop_if_worse)
        where = simulate
        if work.simulator.cluster is not None and not isolated:  # a router apart is beside it
            from openglia.problems.routing.evaluation.elsewhere import simulate_on_cluster as where
        failure = where(
            work,
            jobs=jobs,
            progress=progress,
            meanwhile=partial(_prepare_figures, work),
            enough=giving_up,
            cancelled=cancelled,
        )
        if failure is not None:
            return _ended(head, begun, failure=failure)
        if (why := giving_up.why) is not None:
            work = giving_up.rest()
            head = replace(head, seeds=tuple(work.traces), full=False, stopped=why)
        return _scored(head, begun, work)


def broken_rule(source: bytes, name: str, hook: Hook = ROUTER) -> Failure | None:
    """The first static rule that a scheduler's source breaks, as a failure."""
    from openglia.problems.routing.rules.checking import check

    try:
        text = source.decode()
    except UnicodeDecodeError:
        return Failure(rule="rules", reason=f"{name} is not UTF-8 text: save it as UTF-8")
    violations = check(text, name, hook)
    if not violations:
        return None
    more = len(violations) - 1
    reason = f"{name}: {violations[0]}" + (f" (and {more} more)" if more else "")
    lines = [str(violation) for violation in violations[:20]]
    return Failure(rule="rules", reason=reason, detail="\n".join(lines))


def clear_results(folder: Path) -> None:
    """Remove what an earlier evaluation left in the folder, and nothing else."""
    for pattern in ("seed_*", "worker_*"):
        for path in folder.glob(pattern):
            shutil.rmtree(path)
    (folder / "router.log").unlink(missing_ok=True)


def _source(scheduler: str, hook: Hook) -> bytes | None:
    """The content of a scheduler's file; None for a built-in one."""
    if scheduler.startswith(BUILTIN):
        if scheduler.removeprefix(BUILTIN) not in hook.builtins:
            names = ", ".join(BUILTIN + name for name in hook.builtins)
            raise UsageError(f"no scheduler {scheduler!r}; built in are {names}")
        return None
    path = Path(scheduler)
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"no scheduler can be read at {scheduler} ({error.strerror}); give the path of a file, "
            f"or run ./setup.sh to restore the working one"
        ) from None


def _trace(benchmark: Benchmark, seed: int, private: Path) -> Path:
    """The trace of a seed: from the cache, unless it is held out, which leaves nothing behind.

    Where it cannot be cached, it is made in the folder of this evaluation.
    """
    kept = seed in benchmark.seeds
    if kept and is_sealed(cached := CACHE / "traces" / benchmark.trace_name(seed)):
        return cached
    from openglia.problems.routing.benchmark.workload import trace_file

    if kept:
        with sparing(CACHE / "traces"):
            return trace_file(benchmark, seed, CACHE / "traces")
    return trace_file(benchmark, seed, private)


def _prepare_figures(work: Simulations) -> None:
    """Load what the figures are made with and of while the simulations run."""
    import openglia.problems.routing.evaluation.statistics  # noqa: F401
    from openglia.problems.routing.evaluation.requests import expected_trace

    with suppress(OpenGliaError):  # a worker says it with more context
        for trace in work.traces.values():
            expected_trace(trace)


def _scored(head: Evaluation, begun: float, work: Simulations) -> Evaluation:
    from openglia.problems.routing.evaluation.requests import InvalidResultError, read_seed
    from openglia.problems.routing.evaluation.statistics import summarise

    requests = []
    summaries: list[Summary] = []
    for seed, trace in work.traces.items():
        folder = work.folder / f"seed_{seed}"
        try:
            requests.append(read_seed(folder, trace))
        except InvalidResultError as error:
            if work.scheduler.startswith(BUILTIN):
                where = f"benchmark {head.benchmark}, seed {seed}"
                raise OpenGliaError(f"{where}: {error}; see openglia doctor") from None
            return _ended(head, begun, failure=Failure(rule="crash", reason=str(error), seed=seed))
        summaries.append(Summary.read(folder))
    times = {summary.execution_times for summary in summaries}
    kv_use = [summary.kv_use_mean for summary in summaries if summary.kv_use_mean is not None]
    calls = sum(summary.router_calls for summary in summaries)
    seconds = sum(summary.router_seconds for summary in summaries)
    return _ended(
        head,
        begun,
        statistics=summarise(requests, work.benchmark),
        execution_times=" and ".join(sorted(times)),
        kv_use_mean=sum(kv_use) / len(kv_use) if len(kv_use) == len(summaries) else None,
        router_ms_mean=1000 * seconds / calls if calls else None,
    )


def _ended(head: Evaluation, begun: float, **outcome: Any) -> Evaluation:
    return replace(head, wall_seconds=time.monotonic() - begun, **outcome)
