"""How a run begins, or goes on: its folder, the first results.json, the working copy."""

from collections.abc import Mapping

from openglia.errors import UsageError
from openglia.presenting.spent import table
from openglia.problems.registry import kind_of
from openglia.runs import provenance, tree
from openglia.runs.folder import RunFolder, create, existing
from openglia.runs.options import Options
from openglia.runs.record import Record
from openglia.runs.results import FORMAT, UNFINISHED, Fence, Results, load, now, save
from openglia.sandbox.choosing import Sandbox


def begin(
    options: Options, sandbox: Sandbox, snapshot: Mapping[str, str]
) -> tuple[RunFolder, Results]:
    """Make or reopen the run's folder and put the working copy in its first state.

    Raises:
        UsageError: the run to resume was scored on something else.
        OpenGliaError: folder or working copy cannot be written.
    """
    if options.resume is not None:
        folder, results = _resume(options)
    else:
        options.problem.prepare()
        folder = create()
        results = Results(format=FORMAT, run_id=folder.id, started=now(), outcome=None)
        results.say_too(options.problem.describe() | options.problem.of_line({}))
    before = results.harness_sha256
    _describe(results, options, sandbox, snapshot)
    if options.resume is not None:
        results.resumed = [*results.resumed, now()]
        if before != results.harness_sha256:
            results.warn("the harness was changed before the run was resumed")
    save(folder, results)
    options.problem.keep(folder.path)
    return folder, results


def _resume(options: Options) -> tuple[RunFolder, Results]:
    assert options.resume is not None
    folder, problem = existing(options.resume), options.problem
    results = load(folder)
    recorded = results.to_json()
    if (kind := kind_of(recorded).name) != problem.kind:
        raise UsageError(f"{folder.id} is about {kind} and not about {problem.kind}")
    if difference := problem.differs(recorded):
        raise UsageError(f"{folder.id} {difference}, or start a new run")
    folder.remove_half_files()
    if line := problem.remark(recorded):
        results.warn(line)
    record = Record(folder, problem.presentation)
    records = record.records
    problem.prepare(record.source(records[-1]) if records else None)
    folder.scratch.mkdir(exist_ok=True)
    results.status, results.reason, results.ended, results.outcome = UNFINISHED, None, None, None
    results.verification = results.transfer = results.integrity = None
    return folder, results


def _describe(
    results: Results, options: Options, sandbox: Sandbox, snapshot: Mapping[str, str]
) -> None:
    """What may be another when a run goes on."""
    results.model, results.model_why = options.model, options.choice.why
    results.agent, results.supervised = options.agent, options.supervised
    results.seed = options.seed
    results.contexts, results.generations = options.contexts, options.generations
    results.stagnation = options.stagnation if options.generations > 1 else None
    results.share_digest, results.review_every = options.share_digest, options.review_every
    results.limits, results.cluster = options.limits, options.cluster
    results.transfer_to = None if options.transfer is None else list(options.transfer)
    results.prices = table() if options.asks_model else None
    results.versions = provenance.versions()
    results.sandbox = Fence(name=sandbox.name, why=sandbox.why, gaps=list(sandbox.gaps))
    results.harness_sha256 = tree.digest(snapshot)
    results.say_too(options.problem.state())
    if sandbox.warning:
        results.warn(sandbox.warning)
