"""The end of every run, however it ended: final scheduler, verification, results, solution, report.

Each step is saved before the next begins, so a run that is killed here can be finished later.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from openglia import interrupts
from openglia.errors import OpenGliaError
from openglia.files import sha256, write_atomically
from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.presentation import RoutingPresentation
from openglia.report.verdict import no_gain_words
from openglia.runs import judgement, provenance, solution, verification
from openglia.runs.folder import RunFolder
from openglia.runs.record import Record
from openglia.runs.results import (
    Results,
    now,
    on_evaluation_seeds,
    on_held_out_seeds,
    save,
    warn,
)
from openglia.runs.verification import Say

EXIT_STATUS = {"completed": 0, "limit": 0, "failed": 1, "interrupted": 130}
NOTHING_CLEAN = "no candidate was evaluated cleanly on the full benchmark"


def complete(
    folder: RunFolder,
    results: Results,
    record: Record,
    benchmark: Benchmark | None,
    say: Say,
    snapshot: Mapping[str, str] | None = None,
) -> int:
    """Finish a run and return its exit status.

    Args:
        results: with ``outcome``: how the discovery ended.
        benchmark: None if it is no longer the one that the run was scored on: then there is no
            verification.
        snapshot: the harness's files as the run began.
    """
    outcome = results["outcome"]
    status, reason = outcome["status"], outcome["reason"]
    choose_final(folder, results, record)
    if results["final"] is None and status in ("completed", "limit"):
        status, reason = "failed", NOTHING_CLEAN + (f" ({reason})" if reason else "")
    results["evaluations"] = record.counts()
    save(folder, results)
    _write_solution(folder, results)
    if results["final"] is not None and benchmark is not None:
        begun = time.monotonic()
        try:
            interrupts.release()
            _verify(folder, results, benchmark, say)
        except KeyboardInterrupt:
            warn(results, f"the verification was interrupted; openglia verify {folder.path}")
            status, reason = "interrupted", "interrupted during the verification"
        except OpenGliaError as error:
            warn(results, f"the verification failed: {error}")
            status, reason = "failed", f"the verification failed: {error}"
        interrupts.hold()
        results["timings"]["verification"] = round(time.monotonic() - begun, 3)
    agreement = (results["verification"] or {}).get("agreement")
    if agreement is not None and not agreement["agrees"]:
        status, reason = "failed", "the embedded simulator and Vidur disagree on the final router"
    _check_integrity(results, record, snapshot)
    results |= {"status": status, "reason": reason, "ended": now()}
    save(folder, results)
    give_account(folder, results, say)
    return EXIT_STATUS[status]


def give_account(folder: RunFolder, results: Results, say: Say) -> None:
    """Write what people read: the plots, solution.md, and last report.html."""
    _write_solution(folder, results, _plots(folder, results))
    _report(folder, results, say)
    save(folder, results)


def choose_final(folder: RunFolder, results: Results, record: Record) -> None:
    """Stand behind the best clean full evaluation, whatever the working file holds.

    Without one there is no final scheduler: the stub is a starting point, not a result.
    """
    best = record.best()
    if best is None:
        results["final"] = None
        folder.final_scheduler.unlink(missing_ok=True)
        return
    source = record.source(best)
    write_atomically(folder.final_scheduler, source)
    results["execution_times"] = best["result"]["execution_times"]
    results["final"] = {
        "candidate": best["candidate"],
        "number": best["number"],
        "sha256": sha256(source),
        "evaluation": best["result"],
        "held_out": None,
    }
    for line in best["result"].get("warnings") or ():
        warn(results, f"the final scheduler, {line}")


def _verify(folder: RunFolder, results: Results, benchmark: Benchmark, say: Say) -> None:
    simulator, final = results["simulator"], folder.final_scheduler
    checked: dict[str, Any] = {
        "seeds": list(benchmark.held_out_seeds),
        "simulator": simulator,
        "agreement": None,
    }
    if benchmark.held_out_seeds:
        held_out = verification.measure_held_out(benchmark, simulator, final, say)
        for name, baseline in results["baselines"].items():
            baseline["held_out"] = held_out.get(name)
        results["stub"]["held_out"] = held_out["stub"]
        results["final"]["held_out"] = held_out["final"]
        for name, result in held_out.items():
            if result["status"] != "ok":
                warn(results, f"{name} failed on the held-out seeds: {result['reason']}")
    else:
        warn(results, f"the benchmark {benchmark.name} has no held-out seeds")
    checked |= judgement.judge(on_evaluation_seeds(results), on_held_out_seeds(results))
    results["verification"] = checked | {"deterministic": None, "repeat_reason": None}
    repeated = verification.check_repeats(
        benchmark, simulator, final, results["final"]["evaluation"], say
    )
    results["verification"] |= {
        "deterministic": repeated["deterministic"],
        "repeat_reason": repeated["reason"],
    }
    save(folder, results)
    if simulator == "embedded" and results["vidur"]["installed"]:
        agreement = verification.compare_with_vidur(benchmark, final, say)
        results["verification"]["agreement"] = agreement
    _warn_of_verdict(results)


def _warn_of_verdict(results: Results) -> None:
    checked = results["verification"]
    if checked["no_gain"]:
        warn(results, f"no gain is shown: {no_gain_words(checked)}")
    if checked["overfitting"]:
        warn(
            results,
            f"overfitting: the gain is {checked['gain_held_out']:.1%} on held-out seeds and "
            f"{checked['gain_evaluation']:.1%} on the evaluation seeds",
        )
    if checked["deterministic"] is False:
        warn(results, f"the final router is not deterministic: {checked['repeat_reason']}")


def _check_integrity(results: Results, record: Record, snapshot: Mapping[str, str] | None) -> None:
    known = results.get("harness_sha256")
    results["integrity"] = provenance.integrity(snapshot, known, record.damaged())
    for check in results["integrity"]["checks"]:
        if check["outcome"] == "failed":
            warn(results, f"integrity, {check['name']}: {check['evidence']}")


def _write_solution(folder: RunFolder, results: Results, plots: list[str] | None = None) -> None:
    try:
        write_atomically(folder.solution, solution.render(folder, results, plots or []))
    except OSError as error:
        raise OpenGliaError(
            f"{folder.solution} cannot be written: {error.strerror}; make room, then run: "
            f"openglia finish {folder.path}"
        ) from None


def _plots(folder: RunFolder, results: Results) -> list[str]:
    """Draw the plots; without them the run loses nothing."""
    try:
        from openglia.report import draw_plots

        return draw_plots(folder.path, RoutingPresentation())
    except Exception as error:
        warn(results, f"the plots could not be drawn: {_one_line(error)}")
        return []


def _report(folder: RunFolder, results: Results, say: Say) -> Path | None:
    try:
        from openglia import report

        begun = time.monotonic()
        path = report.write(folder.path, RoutingPresentation(), images=False)
        results["timings"]["report"] = round(time.monotonic() - begun, 3)
    except Exception as error:
        warn(results, f"the report could not be written: {_one_line(error)}")
        say(f"the report could not be written: {_one_line(error)}")
        return None
    return path


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
