"""One experiment from its start to its end: measure, discover, finish."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openglia import interrupts, paths
from openglia.discovery.experiment import Experiment, Limits, Outcome
from openglia.discovery.models import Choice
from openglia.errors import OpenGliaError
from openglia.files import exclusive_lock
from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.family.task import TASK
from openglia.runs import announcements, beginning, finish, scored_on
from openglia.runs.evaluator import Evaluator
from openglia.runs.folder import RunFolder
from openglia.runs.record import Record
from openglia.runs.results import UNFINISHED, Results, load, on_evaluation_seeds, save, warn
from openglia.runs.spending import Spending, add_usage, used
from openglia.runs.verification import Say, fill_ratios

if TYPE_CHECKING:
    from openglia.discovery.preflight import Trial

LOCK = paths.CACHE / "run.lock"
LOCKED = "a run (it has the working copy to itself)"

Discover = Callable[[Experiment], Awaitable[Outcome]]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line settles; see ``openglia run --help``."""

    choice: Choice
    benchmark: Benchmark
    simulator: str  # "embedded" or "vidur"
    limits: Limits
    seed: int
    sandbox: str
    resume: Path | None = None
    benchmark_file: Path | None = None  # absolute; None if the benchmark was named
    preflight: bool = True  # try the model before anything is measured; the offline one never


def conduct(options: Options, say: Say, discover: Discover | None = None) -> int:
    """Run one experiment and return the exit status.

    Raises:
        OpenGliaError: it could not begin, or its folder cannot be written any more.
    """
    from openglia.runs import tree
    from openglia.sandbox import choosing as sandbox

    chosen = sandbox.choose(options.sandbox, trusted_model=options.choice.model == "offline")
    with _locked(), interrupts.handled():
        interrupts.hold()  # but in the phases that may end early: what there is is finished then
        os.chdir(paths.ROOT)  # a stray .env of the caller's folder must not configure the agents
        snapshot = tree.snapshot()
        trial = _preflight(options, say)  # before anything is written or measured
        folder, results = beginning.begin(options, chosen, snapshot)
        if trial is not None:
            add_usage(results, "preflight", trial.usage)
            save(folder, results)
        record = Record(folder)
        announcements.introduce(folder, options, chosen, results, say)
        if options.resume is not None:
            announcements.go_on(options, record, used(results, record), say)
        begun = time.monotonic() - float(results["elapsed_seconds"])
        problem: Exception | None = None
        try:
            interrupts.release()
            measure_start(folder, results, options.benchmark, say)
            record = Record(folder, on_evaluation_seeds(results))
            outcome = _discover(folder, results, record, options, chosen, say, discover)
        except KeyboardInterrupt:
            outcome = _ended("interrupted", "interrupted")
        except OpenGliaError as error:
            outcome = _ended("failed", str(error))
        except Exception as error:
            problem = error
            outcome = _ended("failed", f"a bug of OpenGLIA: {type(error).__name__}: {error}")
        interrupts.hold()
        _keep(results, outcome)
        results["elapsed_seconds"] = round(time.monotonic() - begun, 3)
        save(folder, results)
        announcements.discovery_ended(outcome, record, say)
        status = finish.complete(folder, results, record, options.benchmark, say, snapshot)
        results["elapsed_seconds"] = round(time.monotonic() - begun, 3)
        save(folder, results)
        announcements.conclude(folder, results, say)
        if problem is not None:
            raise problem  # its traceback belongs to the user, after all is saved
        return status


def _preflight(options: Options, say: Say) -> "Trial | None":
    if not options.preflight or options.choice.model == "offline":
        return None
    from openglia.discovery.preflight import preflight  # late: it takes fast-agent along

    say(f"trying model {options.choice.model} once (--no-preflight leaves it out)")
    interrupts.release()
    trial = asyncio.run(preflight(options.choice.model, paths.ROOT))
    interrupts.hold()
    if trial.warning:
        say(f"!! the model is in trouble that may pass, so the run begins: {trial.warning}")
    return trial


def measure_start(folder: RunFolder, results: Results, benchmark: Benchmark, say: Say) -> None:
    """Measure the baselines and the stub on the evaluation seeds, unless a resumed run has them.

    Raises:
        OpenGliaError: the yardstick, LLQ, cannot be measured.
    """
    from openglia.problems.routing.benchmark.baselines import YARDSTICK, measure_baselines
    from openglia.problems.routing.benchmark.evaluation import evaluate

    if results["baselines"] and results["stub"]:
        return
    begun = time.monotonic()
    simulator = results["simulator"]
    say(f"measuring the baselines ({', '.join(benchmark.baselines)}) and the stub")
    measured = {
        name: evaluation.to_json()
        for name, evaluation in measure_baselines(benchmark, simulator=simulator).items()
    }
    stub = evaluate(str(paths.STUB), benchmark, simulator=simulator).to_json()
    fill_ratios(measured | {"stub": stub})
    results["baselines"] = {
        name: {"evaluation": result, "held_out": None} for name, result in measured.items()
    }
    results["stub"] = {"evaluation": stub, "held_out": None}
    results["execution_times"] = stub.get("execution_times")
    results["timings"]["baselines"] = round(time.monotonic() - begun, 3)
    save(folder, results)
    for name, result in [*measured.items(), ("stub", stub)]:
        if result["status"] != "ok":
            warn(results, f"{name} failed on the evaluation seeds: {result['reason']}")
    llq = measured.get(YARDSTICK)
    if llq is not None and llq["status"] != "ok":
        raise OpenGliaError(
            f"the baseline {YARDSTICK} failed: {llq['reason']}; see openglia doctor"
        )


def _discover(
    folder: RunFolder,
    results: Results,
    record: Record,
    options: Options,
    chosen: Any,
    say: Say,
    discover: Discover | None,
) -> Outcome:
    from openglia.sandbox.layout import Layout

    begin_discovery = discover or _agents()
    evaluator = Evaluator(
        record,
        options.benchmark,
        simulator=results["simulator"],
        max_evaluations=options.limits.max_evaluations,
    )
    before = used(results, record)
    spending = Spending(folder, results, before)
    try:
        with evaluator:
            layout = Layout(scratch=folder.scratch, socket_dir=evaluator.folder, root=paths.ROOT)
            variables = {
                "OPENGLIA_SCRATCH_DIR": str(folder.scratch),
                "OPENGLIA_RUN_ID": folder.id,
                "OPENGLIA_EVALUATOR": str(evaluator.socket_path),
            }
            experiment = Experiment(
                run_dir=folder.path,
                root=paths.ROOT,
                problem=announcements.problem(results),
                model=options.choice.model,
                record=record,
                sandbox=chosen,
                layout=layout,
                environment=chosen.environment(layout, variables),
                limits=options.limits,
                used=before,
                spent=spending.save,
                say=say,
                offline=TASK,
                seed=options.seed,
                resume=options.resume is not None,
            )
            outcome = asyncio.run(_awaited(begin_discovery(experiment)))
            spending.keep(outcome.usage, outcome.rounds)
            return outcome
    finally:
        spending.keep_time()
        for line in evaluator.trouble:
            warn(results, line)


def _agents() -> Discover:
    from openglia.discovery import loop  # late: only who discovers waits for it

    return loop.discover


async def _awaited(outcome: Awaitable[Outcome]) -> Outcome:
    return await outcome


def _ended(status: Any, reason: str) -> Outcome:
    return Outcome(status=status, reason=" ".join(reason.split()), account="", usage={})


def _keep(results: Results, outcome: Outcome) -> None:
    """Add how the discovery ended."""
    results["outcome"] = {"status": outcome.status, "reason": outcome.reason}
    results["account"] = outcome.account or results["account"]
    for line in outcome.warnings:
        warn(results, line)


@contextmanager
def _locked() -> Iterator[None]:
    """The working copy for one run at a time."""
    try:
        LOCK.parent.mkdir(parents=True, exist_ok=True)
        LOCK.touch()
    except OSError as error:
        raise OpenGliaError(
            f"{LOCK} cannot be written: {error.strerror}; make environment/cache writable"
        ) from None
    with exclusive_lock(LOCK, LOCKED):
        yield


def finish_killed(folder: RunFolder, say: Say) -> int:
    """Complete the folder of a run that was killed, and return the run's exit status.

    Raises:
        OpenGliaError: a run is under way, perhaps this one.
    """
    with _locked(), interrupts.handled():
        interrupts.hold()
        results = load(folder)
        folder.remove_half_files()
        if results["status"] != UNFINISHED:
            if not folder.report.exists():  # killed while it wrote its account
                finish.give_account(folder, results, say)
            say(f"{folder.id} is finished already ({results['status']}); see {folder.solution}")
            return finish.EXIT_STATUS[results["status"]]
        record = Record(folder, on_evaluation_seeds(results))
        if results["outcome"] is None:
            results["outcome"] = {
                "status": "interrupted",
                "reason": "its process was killed; completed by openglia finish",
            }
            last = max((r["elapsed_seconds"] for r in record.records), default=0.0)
            results["elapsed_seconds"] = max(results["elapsed_seconds"], last)
        say(f"{folder.id}: {record.evaluations_used} evaluations are on record")
        benchmark = None
        try:
            benchmark = scored_on.restore(folder.path, results)
        except OpenGliaError as error:
            warn(results, f"not verified: {error}")
        else:
            if line := scored_on.remark(results, benchmark):
                warn(results, line)
            if not folder.benchmark.exists():
                scored_on.keep(folder, benchmark)
            try:
                interrupts.release()
                measure_start(folder, results, benchmark, say)
            except KeyboardInterrupt:
                warn(results, "the baselines were not measured")
            interrupts.hold()
        status = finish.complete(folder, results, record, benchmark, say)
        announcements.conclude(folder, results, say)
        return status
