"""One experiment from its start to its end: measure, discover, finish."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from openglia import interrupts, paths
from openglia.discovery.activity import alive
from openglia.discovery.cost import require_price
from openglia.discovery.experiment import Outcome
from openglia.errors import OpenGliaError
from openglia.files import exclusive_lock
from openglia.presenting.score import Line, with_ratios
from openglia.problems.problem import Problem, Say
from openglia.problems.registry import kind_of
from openglia.runs import announcements, beginning, finish, tree
from openglia.runs.ahead import AGENTS, load_ahead
from openglia.runs.cache import Cache
from openglia.runs.discovering import Discover, Discovering
from openglia.runs.folder import RunFolder
from openglia.runs.options import Options
from openglia.runs.record import Record
from openglia.runs.results import UNFINISHED, Contestant, Ended, Results, load, save
from openglia.runs.spending import add_usage, used
from openglia.sandbox import choosing as sandbox

if TYPE_CHECKING:
    from openglia.discovery.preflight import Trial

LOCK = paths.CACHE / "run.lock"
LOCKED = "a run (it has the working copy to itself)"


def conduct(
    options: Options,
    say: Say,
    discover: Discover | None = None,
    on_begin: Callable[[Path], None] | None = None,
) -> int:
    """Run one experiment and return the exit status.

    Args:
        on_begin: told the run's folder once there is one.

    Raises:
        OpenGliaError: it could not begin, or its folder cannot be written any more.
    """
    problem, shown = options.problem, options.problem.presentation
    if options.limits.max_cost is not None:
        require_price(options.model)
    chosen = sandbox.choose(options.sandbox, trusted_model=options.offline)
    with _locked(), interrupts.handled(), ExitStack() as under_way:
        interrupts.hold()  # but in the phases that may end early: what there is is finished then
        os.chdir(paths.ROOT)  # a stray .env of the caller's folder must not configure the agents
        snapshot = tree.snapshot(problem.sources)
        # Before anything is written or measured.
        away = _away(options, under_way, say)
        trial = _preflight(options, say)
        folder, results = beginning.begin(options, chosen, snapshot)
        under_way.enter_context(alive(folder.path))
        if on_begin is not None:
            on_begin(folder.path)
        if trial is not None:
            add_usage(results, "preflight", trial.usage)
            save(folder, results)
        record = Record(folder, shown)
        announcements.introduce(folder, options, chosen, results, say)
        if options.resume is not None:
            announcements.go_on(options, record, used(results, record), say)
        begun = time.monotonic() - results.elapsed_seconds
        bug: Exception | None = None
        try:
            interrupts.release()
            if discover is None:
                load_ahead(AGENTS)
            cache = Cache(
                problem,
                results.harness_sha256,
                results.versions,
                used=options.cache and chosen.name != "none",
            )
            measure_start(folder, results, away.problem, say, cache)
            record = Record(folder, shown, results.on_evaluation_cases)
            begin = discover or _agents()
            discovering = Discovering(folder, results, record, away, chosen, say, begin, cache)
            outcome = discovering.run()
        except KeyboardInterrupt:
            outcome = _ended("interrupted", "interrupted")
        except OpenGliaError as error:
            outcome = _ended("failed", str(error))
        except Exception as error:
            bug = error
            outcome = _ended("failed", f"a bug of OpenGLIA: {type(error).__name__}: {error}")
        interrupts.hold()
        _keep(results, outcome)
        results.elapsed_seconds = round(time.monotonic() - begun, 3)
        save(folder, results)
        announcements.discovery_ended(outcome, record, say)
        status = finish.complete(folder, results, record, problem, shown, say, snapshot)
        results.elapsed_seconds = round(time.monotonic() - begun, 3)
        save(folder, results)
        announcements.conclude(folder, results, shown, say)
        if bug is not None:
            raise bug  # its traceback belongs to the user, after all is saved
        return status


def _away(options: Options, under_way: ExitStack, say: Say) -> Options:
    """With the problem as the discovery measures it, perhaps on a cluster's machines."""
    if options.cluster is None:
        return options
    from openglia.measuring.cluster import connect  # late: few runs need it

    interrupts.release()
    cluster = under_way.enter_context(connect(options.cluster, say))
    problem = options.problem.on(cluster)
    interrupts.hold()
    say(f"the cluster at {cluster.address} measures, {problem.room} cases at a time")
    return replace(options, problem=problem)


def _preflight(options: Options, say: Say) -> "Trial | None":
    if not options.preflight or not options.asks_model:
        return None
    from openglia.discovery.preflight import preflight  # late: it takes fast-agent along

    say(f"trying model {options.model} once (--no-preflight leaves it out)")
    interrupts.release()
    trial = asyncio.run(preflight(options.model, paths.ROOT))
    interrupts.hold()
    if trial.warning:
        say(f"!! the model is in trouble that may pass, so the run begins: {trial.warning}")
    return trial


def measure_start(
    folder: RunFolder, results: Results, problem: Problem, say: Say, cache: Cache | None = None
) -> None:
    """Measure the baselines and the stub on the evaluation cases, unless a resumed run has them.

    Raises:
        OpenGliaError: the yardstick cannot be measured.
    """
    if results.stub and set(problem.baselines) <= results.baselines.keys():
        return
    begun = time.monotonic()
    shown, everything = problem.presentation, problem.everything
    named = f"the baselines ({', '.join(problem.baselines)}) and " if problem.baselines else ""
    say(f"measuring {named}the stub")
    measured: dict[str, Line] = {}
    for name in problem.baselines:
        known = cache.get(f"baseline {name}", everything) if cache is not None else None
        measured[name] = known or problem.measure_baseline(name, everything)
        if cache is not None:
            cache.keep(f"baseline {name}", everything, measured[name])
    measured["stub"] = problem.measure(problem.start, everything)
    lines = with_ratios(measured, shown.keys, shown.yardstick)
    results.stub = Contestant(evaluation=lines["stub"])
    results.baselines = {name: Contestant(evaluation=lines[name]) for name in problem.baselines}
    results.say_too(problem.of_line(lines["stub"]))
    results.timings["baselines"] = round(time.monotonic() - begun, 3)
    save(folder, results)
    failed = {n: score.reason for n, line in lines.items() if not (score := shown.score(line)).ok}
    for name, reason in failed.items():
        results.warn(f"{name} failed on the evaluation {shown.case}s: {reason}")
    if (why := failed.get(shown.yardstick)) is not None:
        raise OpenGliaError(f"the baseline {shown.yardstick} failed: {why}; see openglia doctor")


def _agents() -> Discover:
    from openglia.discovery import loop  # late: it takes fast-agent along

    return loop.discover


def _ended(status: Literal["failed", "interrupted"], reason: str) -> Outcome:
    return Outcome(status=status, reason=" ".join(reason.split()), account="", usage={})


def _keep(results: Results, outcome: Outcome) -> None:
    """Add how the discovery ended."""
    results.outcome = Ended(status=outcome.status, reason=outcome.reason)
    results.account = outcome.account or results.account
    for line in outcome.warnings:
        results.warn(line)


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
    with _locked(), interrupts.handled(), alive(folder.path):
        interrupts.hold()
        results = load(folder)
        recorded = results.to_json()
        kind = kind_of(recorded)
        shown = kind.shown(recorded, folder.path)
        folder.remove_half_files()
        if results.status != UNFINISHED:
            if not folder.report.exists():  # killed while it wrote its account
                finish.give_account(folder, results, shown, say)
            say(f"{folder.id} is finished already ({results.status}); see {folder.solution}")
            return finish.EXIT_STATUS[results.status]
        record = Record(folder, shown, results.on_evaluation_cases)
        if results.outcome is None:
            why = "its process was killed; completed by openglia finish"
            results.outcome = Ended(status="interrupted", reason=why)
            results.elapsed_seconds = max(results.elapsed_seconds, record.elapsed_seconds)
        say(f"{folder.id}: {record.evaluations_used} evaluations are on record")
        problem = None
        try:
            problem = kind.restore(folder.path, recorded)
        except OpenGliaError as error:
            results.warn(f"not verified: {error}")
        else:
            if line := problem.remark(recorded):
                results.warn(line)
            problem.keep(folder.path)
            try:
                interrupts.release()
                measure_start(folder, results, problem, say)
            except KeyboardInterrupt:
                results.warn("the baselines were not measured")
            interrupts.hold()
        status = finish.complete(folder, results, record, problem, shown, say)
        announcements.conclude(folder, results, shown, say)
        return status
