"""The end of every run, however it ended: final candidate, verification, results, solution, report.

Each step is saved before the next begins, so a run that is killed here can be finished later.
"""

import time
from collections.abc import Mapping
from pathlib import Path

from openglia import interrupts
from openglia.errors import OpenGliaError
from openglia.files import sha256, write_atomically
from openglia.presenting.presentation import Presentation
from openglia.problems.problem import Problem, Say
from openglia.report.verdict import constraint_words, no_gain_words
from openglia.runs import judgement, provenance, solution, transfer, verification
from openglia.runs.ahead import REPORT, load_ahead
from openglia.runs.folder import RunFolder
from openglia.runs.record import Record
from openglia.runs.results import Final, Leader, Results, Verification, now, save

EXIT_STATUS = {"completed": 0, "limit": 0, "failed": 1, "interrupted": 130}


def complete(
    folder: RunFolder,
    results: Results,
    record: Record,
    problem: Problem | None,
    shown: Presentation,
    say: Say,
    snapshot: Mapping[str, str] | None = None,
) -> int:
    """Finish a run and return its exit status.

    Args:
        results: with ``outcome``: how the discovery ended.
        problem: None if what the run was scored on cannot be had any more: then there is no
            verification.
        snapshot: the harness's files as the run began.
    """
    assert results.outcome is not None
    status, reason = results.outcome.status, results.outcome.reason
    choose_final(folder, results, record, problem, shown)
    if results.final is None and status in ("completed", "limit"):
        nothing = f"no candidate was evaluated cleanly on all evaluation {shown.case}s"
        status, reason = "failed", nothing + (f" ({reason})" if reason else "")
    results.evaluations = record.counts()
    save(folder, results)
    _write_solution(folder, results, shown)
    load_ahead(REPORT)
    if results.final is not None and problem is not None:
        begun = time.monotonic()
        try:
            interrupts.release()
            _verify(folder, results, problem, say)
        except KeyboardInterrupt:
            results.warn(f"the verification was interrupted; openglia verify {folder.path}")
            status, reason = "interrupted", "interrupted during the verification"
        except OpenGliaError as error:
            results.warn(f"the verification failed: {error}")
            status, reason = "failed", f"the verification failed: {error}"
        interrupts.hold()
        results.timings["verification"] = round(time.monotonic() - begun, 3)
    if (checked := results.verification) is not None:
        if checked.agreement is not None and not checked.agreement["agrees"]:
            status, reason = "failed", checked.agreement["disagreement"]
        if checked.isolation is not None and checked.isolation.outcome == "failed":
            status, reason = "failed", checked.isolation.evidence
    if problem is not None and results.final is not None and status in ("completed", "limit"):
        _transfer(folder, results, record, problem, say)
    _check_integrity(results, record, problem, snapshot)
    results.status, results.reason, results.ended = status, reason, now()
    save(folder, results)
    give_account(folder, results, shown, say)
    return EXIT_STATUS[status]


def give_account(folder: RunFolder, results: Results, shown: Presentation, say: Say) -> None:
    """Write what people read: the plots, solution.md, and last report.html."""
    _write_solution(folder, results, shown, _plots(folder, results, shown))
    _report(folder, results, shown, say)
    save(folder, results)


def choose_final(
    folder: RunFolder,
    results: Results,
    record: Record,
    problem: Problem | None,
    shown: Presentation,
) -> None:
    """Stand behind the best clean full evaluation, whatever the working file holds.

    Without one there is no final candidate: the stub is a starting point, not a result.
    """
    final, best = folder.path / shown.final_name, record.best()
    if best is None:
        results.final = None
        final.unlink(missing_ok=True)
        return
    source = record.source(best)
    write_atomically(final, source)
    if problem is not None:
        results.say_too(problem.of_line(best.result))
    results.final = Final(
        candidate=best.candidate,
        number=best.number,
        sha256=sha256(source),
        evaluation=best.result,
    )
    for line in shown.score(best.result).warnings:
        results.warn(f"the final {shown.noun}, {line}")
    results.leaders = _leaders(record, shown) if results.contexts > 1 else []


def _leaders(record: Record, shown: Presentation) -> list[Leader]:
    """The best of each context."""
    contexts = sorted({one.context for one in record.records if one.context is not None})
    found = []
    for context in contexts:
        best = record.best(context)
        if best is not None:
            clean = sum(one.full and shown.score(one.result).ok for one in record.of(context))
            found.append(
                Leader(
                    context=context,
                    number=best.number,
                    candidate=best.candidate,
                    chosen_from=clean,
                    evaluation=best.result,
                )
            )
    return found


def _verify(folder: RunFolder, results: Results, problem: Problem, say: Say) -> None:
    assert results.final is not None
    shown = problem.presentation
    final = folder.path / shown.final_name
    isolated = None
    if problem.held_out_cases:
        others = {
            f"context {leader.context}": folder.path / leader.candidate
            for leader in results.leaders
            if leader.number != results.final.number
        }
        held_out, isolated = verification.measure_held_out(problem, final, say, others)
        for leader in results.leaders:
            name = f"context {leader.context}"
            leader.held_out = held_out.pop(name) if name in others else held_out["final"]
        for name, baseline in results.baselines.items():
            baseline.held_out = held_out.get(name)
        if results.stub is not None:
            results.stub.held_out = held_out["stub"]
        results.final.held_out = held_out["final"]
        for name, line in held_out.items():
            if not shown.score(line).ok:
                results.warn(
                    f"{name} failed on the held-out {shown.case}s: {shown.score(line).reason}"
                )
    else:
        results.warn(
            f"{problem.name} has no held-out {shown.case}s: nothing was verified on unseen ones"
        )
    checked = judgement.judge(results.on_evaluation_cases, results.on_held_out_cases, shown)
    setattr(checked, shown.keys.cases, list(problem.held_out_cases))
    checked.isolation = isolated
    results.verification = checked
    if not problem.noisy:
        repeated = verification.check_repeats(problem, final, results.final.evaluation, say)
        checked.deterministic, checked.repeat_reason = repeated.deterministic, repeated.reason
    save(folder, results)
    checked.agreement = problem.confirm(final, say)
    _warn_of_verdict(results, checked, shown)


def _transfer(
    folder: RunFolder, results: Results, record: Record, problem: Problem, say: Say
) -> None:
    """Measure the final candidate on other settings; a run loses nothing if it cannot be done."""
    save(folder, results)
    begun = time.monotonic()
    try:
        interrupts.release()
        results.transfer = transfer.of_run(
            problem, results, [one.result for one in record.records], folder.path, say
        )
    except KeyboardInterrupt:
        results.warn("the transfer to other settings was interrupted")
    except OpenGliaError as error:
        results.warn(f"the transfer to other settings failed: {error}")
    interrupts.hold()
    if results.transfer is not None:
        results.timings["transfer"] = round(time.monotonic() - begun, 3)
        save(folder, results)


def _warn_of_verdict(results: Results, checked: Verification, shown: Presentation) -> None:
    kept, words = constraint_words(*solution.final_scores(results, shown), shown)
    if not kept:
        results.warn(words)
    if checked.no_gain:
        results.warn(f"no gain is shown: {no_gain_words(checked.model_dump(), shown.case)}")
    if checked.overfitting:
        results.warn(
            f"overfitting: the gain is {checked.gain_held_out:.1%} on held-out {shown.case}s and "
            f"{checked.gain_evaluation:.1%} on the evaluation {shown.case}s"
        )
    if checked.deterministic is False:
        results.warn(f"the final {shown.noun} is not deterministic: {checked.repeat_reason}")


def _check_integrity(
    results: Results,
    record: Record,
    problem: Problem | None,
    snapshot: Mapping[str, str] | None,
) -> None:
    results.integrity = provenance.integrity(
        problem, snapshot, results.harness_sha256, record.damaged()
    )
    if results.verification is not None and results.verification.isolation is not None:
        results.integrity.add(results.verification.isolation)
    for check in results.integrity.checks:
        if check.outcome == "failed":
            results.warn(f"integrity, {check.name}: {check.evidence}")


def _write_solution(
    folder: RunFolder, results: Results, shown: Presentation, plots: list[str] | None = None
) -> None:
    try:
        write_atomically(folder.solution, solution.render(folder, results, shown, plots or []))
    except OSError as error:
        raise OpenGliaError(
            f"{folder.solution} cannot be written: {error.strerror}; make room, then run: "
            f"openglia finish {folder.path}"
        ) from None


def _plots(folder: RunFolder, results: Results, shown: Presentation) -> list[str]:
    """Draw the plots; without them the run loses nothing."""
    try:
        from openglia.report import draw_plots  # late: matplotlib, and a failure of it is borne

        return draw_plots(folder.path, shown)
    except Exception as error:
        results.warn(f"the plots could not be drawn: {_one_line(error)}")
        return []


def _report(folder: RunFolder, results: Results, shown: Presentation, say: Say) -> Path | None:
    try:
        from openglia import report  # late, likewise

        begun = time.monotonic()
        path = report.write(folder.path, shown, images=False)
        results.timings["report"] = round(time.monotonic() - begun, 3)
    except Exception as error:
        results.warn(f"the report could not be written: {_one_line(error)}")
        say(f"the report could not be written: {_one_line(error)}")
        return None
    return path


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
