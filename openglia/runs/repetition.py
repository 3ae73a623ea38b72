"""A run's verification once more, set beside what the run recorded."""

from collections.abc import Mapping

from openglia.errors import OpenGliaError
from openglia.files import sha256
from openglia.presenting.presentation import Group, Presentation
from openglia.presenting.score import Line
from openglia.problems.problem import Say
from openglia.problems.registry import kind_of
from openglia.runs import judgement, verification
from openglia.runs.folder import RunFolder
from openglia.runs.results import load
from openglia.tables import markdown


def repeat(folder: RunFolder, simulator: str, say: Say) -> int:
    """Measure everything anew, print it, and return 0 if it is what the run recorded.

    Figures must be equal to the last bit where they are comparable (routing: on the simulator and
    with the execution times of the run); else they are set side by side only.

    Raises:
        OpenGliaError: the run has no final candidate, or what it was scored on cannot be restored.
    """
    results = load(folder)
    recorded = results.to_json()
    problem = kind_of(recorded).restore(folder.path, recorded, simulator)
    shown = problem.presentation
    if line := problem.remark(recorded):
        say(line)
    if results.final is None:
        raise OpenGliaError(
            f"{folder.id} has no final {shown.noun} to verify; see {folder.solution}"
        )
    final = folder.path / shown.final_name
    try:
        source = final.read_bytes()
    except OSError as error:
        raise OpenGliaError(f"{final} cannot be read: {error.strerror}") from None
    if sha256(source) != results.final.sha256:
        raise OpenGliaError(
            f"{final} is not what the run wrote; restore it from "
            f"{folder.path / results.final.candidate}"
        )
    say(f"verification: everything on the evaluation {shown.case}s")
    candidates = {"stub": problem.start, "final": final}
    seen = verification.measure(problem, problem.everything, candidates, say)
    unseen: dict[str, dict[str, object]] = {}
    isolated = None
    if problem.held_out_cases:
        unseen, isolated = verification.measure_held_out(problem, final, say)
    _show(f"evaluation {shown.case}s", seen, shown, say)
    _show(f"held-out {shown.case}s", unseen, shown, say)
    judged = judgement.judge(seen, unseen, shown)
    if (words := judgement.ratio_words(judged, shown.case)) is not None:
        by_case = f"{shown.case} by {shown.case}"
        say(f"{shown.objective.words}, {by_case}, to {shown.yardstick_label}'s: {words}")
    for name in ("gain_evaluation", "gain_held_out", "overfitting", "no_gain"):
        value = getattr(judged, name)
        say(f"{name}: {f'{value:.1%}' if isinstance(value, float) else value}")
    for line in shown.score((unseen or seen).get("final")).constraints:
        say(line)
    for line in judgement.lines(judged):
        say(line)
    differing = [
        *_differing(f"evaluation {shown.case}s", results.on_evaluation_cases, seen, shown),
        *_differing(f"held-out {shown.case}s", results.on_held_out_cases, unseen, shown),
    ]
    for line in differing:
        say(line)
    if isolated is not None:
        say(f"isolation {isolated.outcome}: {isolated.evidence}")
        if isolated.outcome == "failed":
            return 1
    if not problem.comparable(recorded, seen["final"]):
        say("other simulator or execution times than the run's: equality is not expected")
        return 0
    say("not what the run recorded" if differing else "all figures are those that the run recorded")
    return 1 if differing else 0


def _show(title: str, measured: Group, shown: Presentation, say: Say) -> None:
    if measured:
        say(f"\n{title}\n\n{markdown(shown.table(measured))}")


def _differing(
    title: str, recorded: Mapping[str, Line], measured: Group, shown: Presentation
) -> list[str]:
    """One line for every candidate whose figures are not the recorded ones."""
    lines = []
    for name, line in measured.items():
        if name not in recorded:
            lines.append(f"{title}: {name}: the run has no record of it")
            continue
        scores = [shown.score(recorded[name]), shown.score(line)]
        if scores[0].by_case != scores[1].by_case:
            figures = [
                f"{score.value!r} {shown.objective.unit}".rstrip() if score.ok else "failed"
                for score in scores
            ]
            lines.append(f"{title}: {name}: {figures[0]} in the record, {figures[1]} now")
    return lines
