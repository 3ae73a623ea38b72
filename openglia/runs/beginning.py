"""How a run begins, or goes on: its folder, the first results.json, the working copy."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from openglia import __version__
from openglia.errors import UsageError
from openglia.runs import provenance, scored_on, workspace
from openglia.runs.folder import RunFolder, create, existing
from openglia.runs.record import Record
from openglia.runs.results import UNFINISHED, Results, load, now, save, warn

if TYPE_CHECKING:
    from openglia.runs.conduct import Options


def begin(
    options: "Options", sandbox: Any, snapshot: Mapping[str, str]
) -> tuple[RunFolder, Results]:
    """Make or reopen the run's folder and put the working copy in its first state.

    Raises:
        UsageError: the run to resume was another benchmark's or simulator's.
        OpenGliaError: folder or working copy cannot be written.
    """
    if options.resume is not None:
        return _resume(options, sandbox, snapshot)
    workspace.prepare()
    folder = create()
    results: Results = {
        "openglia": __version__,
        "run_id": folder.id,
        "status": UNFINISHED,
        "reason": None,
        "started": now(),
        "ended": None,
        "elapsed_seconds": 0.0,
        "benchmark": provenance.benchmark(options.benchmark, options.benchmark_file),
        "simulator": options.simulator,
        "execution_times": None,
        "baselines": {},
        "stub": None,
        "final": None,
        "verification": None,
        "integrity": None,
        "evaluations": {"total": 0, "clean": 0, "failed": 0, "full": 0},
        "usage": {},
        "timings": {},
        "warnings": [],
        "account": "",
        "outcome": None,
    }
    _describe(results, options, sandbox, snapshot)
    save(folder, results)
    scored_on.keep(folder, options.benchmark)
    return folder, results


def _resume(
    options: "Options", sandbox: Any, snapshot: Mapping[str, str]
) -> tuple[RunFolder, Results]:
    assert options.resume is not None
    folder = existing(options.resume)
    results = load(folder)
    recorded, named = results["benchmark"], options.benchmark
    if (recorded["hash"], recorded["seeds"]) != (named.hash, list(named.seeds)):
        raise UsageError(
            f"{folder.id} was scored on benchmark {recorded['name']} (hash {recorded['hash']}, "
            f"{len(recorded['seeds'])} seeds) and not on {named.name} (hash {named.hash}, "
            f"{len(named.seeds)} seeds): the scores do not compare; leave out --benchmark, or "
            f"start a new run"
        )
    if results["simulator"] != options.simulator:
        raise UsageError(
            f"{folder.id} was scored on the {results['simulator']} simulator; resume it with "
            f"--simulator {results['simulator']}"
        )
    folder.remove_half_files()
    if not folder.benchmark.exists():
        scored_on.keep(folder, options.benchmark)
    if line := scored_on.remark(results, options.benchmark):
        warn(results, line)
    record = Record(folder)
    records = record.records
    workspace.prepare(record.source(records[-1]) if records else None)
    folder.scratch.mkdir(exist_ok=True)
    results |= {"status": UNFINISHED, "reason": None, "ended": None, "outcome": None}
    results |= {"verification": None, "integrity": None}
    before = results.get("harness_sha256")
    _describe(results, options, sandbox, snapshot)
    results.setdefault("resumed", []).append(now())
    if before != results["harness_sha256"]:
        warn(results, "the harness was changed before the run was resumed")
    save(folder, results)
    return folder, results


def _describe(
    results: Results, options: "Options", sandbox: Any, snapshot: Mapping[str, str]
) -> None:
    """What may be another when a run goes on."""
    results |= {
        "model": options.choice.model,
        "model_why": options.choice.why,
        "seed": options.seed,
        "limits": asdict(options.limits),
        "vidur": provenance.vidur(),
        "versions": provenance.versions(),
        "sandbox": {"name": sandbox.name, "why": sandbox.why, "gaps": list(sandbox.gaps)},
        "harness_sha256": provenance.harness_hash(snapshot),
    }
    if sandbox.warning:
        warn(results, sandbox.warning)
