"""The discovery of a run: one context, or several side by side, each a chain of generations."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

from openglia import paths
from openglia.discovery.activity import Activity
from openglia.discovery.experiment import Experiment, Outcome, Used
from openglia.discovery.redaction import redactor
from openglia.errors import OpenGliaError
from openglia.problems.problem import Say
from openglia.runs import handing_over
from openglia.runs.cache import Cache
from openglia.runs.client import VARIABLE, WORKING_FILE
from openglia.runs.contexts import Stage, is_stagnant
from openglia.runs.doors import Door
from openglia.runs.evaluator import Evaluator
from openglia.runs.folder import RunFolder
from openglia.runs.options import Options
from openglia.runs.record import Record, Share
from openglia.runs.results import Ended, Results, StageResult
from openglia.runs.spending import Spending, used
from openglia.runs.standing import Standing
from openglia.sandbox.choosing import Sandbox
from openglia.sandbox.layout import Layout
from openglia.tables import markdown

Discover = Callable[[Experiment], Awaitable[Outcome]]


class Discovering:
    """One run's discovery under way."""

    def __init__(
        self,
        folder: RunFolder,
        results: Results,
        record: Record,
        options: Options,
        sandbox: Sandbox,
        say: Say,
        discover: Discover,
        cache: Cache,
    ) -> None:
        self._folder, self._results, self._record = folder, results, record
        self._options, self._sandbox, self._say = options, sandbox, say
        self._discover = discover
        self._cache = cache
        self._before = used(results, record)
        self._spending = Spending(folder, results, self._before)
        self._shown = shown = options.problem.presentation
        known = {n: line for n, line in results.on_evaluation_cases.items() if n != "final"}
        self._problem = options.problem.statement(markdown(shown.table(known)))

    def run(self) -> Outcome:
        """Discover to the end, and keep what it spent however it ends."""
        options, standing = self._options, Standing(self._folder, self._record)
        doors = [Door()]
        if options.several:
            views = [self._stage(n, 1).view for n in range(1, options.contexts + 1)]
            doors = [Door(n, view) for n, view in enumerate(views, start=1)]
        evaluator = Evaluator(
            self._record,
            options.problem,
            max_evaluations=options.limits.max_evaluations,
            evaluated=standing.evaluated,
            doors=doors,
            cache=self._cache,
        )
        try:
            with standing, evaluator:
                work = self._several(doors) if options.several else self._one(doors[0])
                return asyncio.run(work)
        finally:
            self._spending.keep_time()
            for line in evaluator.trouble:
                self._results.warn(line)

    async def _one(self, door: Door) -> Outcome:
        folder = self._folder
        experiment = self._experiment(door, folder.path, folder.scratch, self._record)
        experiment = replace(experiment, limits=self._options.limits, used=self._before)
        outcome = await self._discover(experiment)
        self._spending.keep(outcome.usage, outcome.rounds)
        return outcome

    async def _several(self, doors: Sequence[Door]) -> Outcome:
        """All contexts; one that fails does not stop the others."""
        redact = redactor(os.environ, paths.ROOT)
        activity = Activity(self._folder.path, redact)
        activity.began(self._before.seconds)
        options = self._options
        if options.share_digest:
            for generation in range(1, options.generations + 1):
                await asyncio.gather(*(self._generation(door, generation) for door in doors))
                handing_over.join(
                    [self._stage(n, generation) for n in range(1, options.contexts + 1)]
                )
        else:
            await asyncio.gather(*(self._chain(door) for door in doors))
        activity.ended()
        return self._together()

    async def _chain(self, door: Door) -> None:
        for generation in range(1, self._options.generations + 1):
            await self._generation(door, generation)

    async def _generation(self, door: Door, generation: int) -> None:
        """One generation of one context, unless it is over or its chain has ended."""
        assert door.context is not None
        stage = self._stage(door.context, generation)
        earlier = [self._results.stage(one.context, one.generation) for one in stage.before]
        if any(one is None or one.ends_chain for one in earlier):
            return
        kept = self._results.stage(stage.context, generation)
        if kept is not None and kept.outcome is not None and not kept.goes_on:
            return
        resumed = kept is not None
        kept = kept or StageResult(context=stage.context, generation=generation)
        if not resumed:
            self._results.stages.append(kept)
        door.generation = generation
        try:
            outcome = await self._stage_outcome(stage, kept, door, resumed=resumed)
        except OpenGliaError as error:
            outcome = _failed(str(error))
        except Exception as error:  # a bug: the other contexts go on, and it is said
            outcome = _failed(f"a bug of OpenGLIA: {type(error).__name__}: {error}")
        kept.outcome = Ended(status=outcome.status, reason=outcome.reason)
        kept.account = outcome.account or kept.account
        for line in outcome.warnings:
            self._results.warn(f"context {stage.context}: {line}")
        self._spending.of(kept)(outcome.usage, outcome.rounds)
        handing_over.hand_over(stage, outcome, self._record, self._shown)

    async def _stage_outcome(
        self, stage: Stage, kept: StageResult, door: Door, *, resumed: bool
    ) -> Outcome:
        options, limits = self._options, self._options.limits
        door.most = stage.share(limits.max_evaluations, options.contexts)
        seconds = self._spending.seconds
        time = limits.time_limit
        if time is not None:
            time = time * stage.generation / stage.generations - seconds
            if time <= 0:
                return _ended(f"the time limit is reached ({limits.time_limit:g} s)")
        stage.scratch.mkdir(parents=True, exist_ok=True)
        best = self._record.best(stage.context)
        options.problem.prepare(None if best is None else self._record.source(best), stage.view)
        share = Share(self._record, stage.context)
        experiment = self._experiment(door, stage.path, stage.scratch, share, stage)
        begun = share.evaluations_used

        def enough() -> str | None:
            records, most = self._record.of(stage.context), options.stagnation
            if stage.is_last or not is_stagnant(records, begun, most, self._shown):
                return None
            return f"{most} evaluations in a row brought nothing"

        return await self._discover(
            replace(
                experiment,
                shared_dir=self._folder.path,
                context=stage.context,
                inherited=handing_over.inherited(stage, self._record, self._shown),
                hands_over=stage.generations > 1,
                limits=replace(limits, max_evaluations=door.most, time_limit=time),
                used=Used(rounds=kept.rounds),
                elsewhere=lambda: self._spending.elsewhere(kept),
                spent=self._spending.of(kept),
                seed=stage.seed(options.seed),
                resume=resumed,
                enough=enough,
            )
        )

    def _experiment(
        self,
        door: Door,
        run_dir: Path,
        scratch: Path,
        record: Record | Share,
        stage: Stage | None = None,
    ) -> Experiment:
        options, sandbox, problem = self._options, self._sandbox, self._options.problem
        agent = options.agent
        before = [] if stage is None else stage.before
        layout = Layout(
            scratch=scratch,
            socket_dir=door.folder,
            workplace=problem.workplace,
            root=paths.ROOT,
            view=None if stage is None else stage.view,
            readable=[stage.archive, *(one.scratch for one in before)] if stage and before else [],
            own=None if agent is None else agent.program(paths.ROOT),
        )
        handed_over = agent.variables if agent is not None else ()
        working_file = sandbox.seen(layout, problem.working_file)
        variables = {
            **{name: os.environ[name] for name in handed_over if name in os.environ},
            "OPENGLIA_SCRATCH_DIR": str(scratch),
            "OPENGLIA_RUN_ID": self._folder.id,
            VARIABLE: str(door.socket_path),
            WORKING_FILE: str(working_file),
        }
        named = str(problem.working_file.relative_to(paths.ROOT))
        offline, statement = problem.offline, self._problem
        if working_file != problem.working_file:  # the sandbox shows it elsewhere
            statement = statement.replace(named, str(working_file))
            if offline is not None:
                command = offline.command.replace(named, str(working_file))
                offline = replace(offline, file=str(working_file), command=command)
        return Experiment(
            run_dir=run_dir,
            root=paths.ROOT,
            problem=statement,
            case=problem.presentation.case,
            model=options.model,
            agent=agent,
            supervised=options.supervised,
            review_every=options.review_every,
            record=record,
            sandbox=sandbox,
            layout=layout,
            environment=sandbox.environment(layout, variables),
            spent=self._spending.save,
            say=self._say,
            offline=offline,
            seed=options.seed,
            resume=options.resume is not None,
        )

    def _stage(self, context: int, generation: int) -> Stage:
        return Stage(self._folder, context, generation, self._options.generations)

    def _together(self) -> Outcome:
        """How the run as a whole ended, in the words of the context with the best candidate."""
        stages = self._results.stages
        last = {one.context: one for one in stages}
        ends = {n: one.outcome for n, one in last.items() if one.outcome is not None}
        failed = {n: end for n, end in ends.items() if end.status == "failed"}
        for context, end in failed.items():
            self._results.warn(f"context {context} failed: {end.reason}")
        statuses = [end.status for end in ends.values()]
        order = ("interrupted", "limit", "completed", "failed")
        status = next((one for one in order if one in statuses), "failed")
        best = self._record.best()
        leading = last.get(best.context or 0) if best is not None else None
        reasons = dict.fromkeys(end.reason for end in ends.values() if end.status == status)
        return Outcome(
            status=status,  # type: ignore[arg-type]  # one of ``order``
            reason="; ".join(reason for reason in reasons if reason) or None,
            account=leading.account if leading is not None else "",
            usage={},
        )


def _failed(reason: str) -> Outcome:
    return Outcome(status="failed", reason=" ".join(reason.split()), account="", usage={})


def _ended(reason: str) -> Outcome:
    return Outcome(status="limit", reason=reason, account="", usage={})
