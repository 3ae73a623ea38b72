"""A run's verification once more, set beside what the run recorded."""

from collections.abc import Mapping
from typing import Any

from openglia import paths
from openglia.errors import OpenGliaError
from openglia.files import sha256
from openglia.problems.routing.benchmark.baselines import measure_baselines
from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.benchmark.evaluation import evaluate
from openglia.problems.routing.benchmark.tables import comparison_table, markdown
from openglia.problems.routing.simulators import find
from openglia.runs import judgement, scored_on, verification
from openglia.runs.folder import RunFolder
from openglia.runs.results import load, on_evaluation_seeds, on_held_out_seeds
from openglia.runs.verification import Say

Group = Mapping[str, Mapping[str, Any]]


def repeat(folder: RunFolder, simulator: str, say: Say) -> int:
    """Measure everything anew, print it, and return 0 if it is what the run recorded.

    Figures must be equal to the last bit on the simulator and with the execution times of the
    run; with others they are set side by side only.

    Raises:
        OpenGliaError: the run has no final scheduler, or its benchmark cannot be restored.
    """
    results = load(folder)
    benchmark = scored_on.restore(folder.path, results)
    if line := scored_on.remark(results, benchmark):
        say(line)
    if results["final"] is None:
        raise OpenGliaError(f"{folder.id} has no final scheduler to verify; see {folder.solution}")
    try:
        source = folder.final_scheduler.read_bytes()
    except OSError as error:
        raise OpenGliaError(f"{folder.final_scheduler} cannot be read: {error.strerror}") from None
    if sha256(source) != results["final"]["sha256"]:
        raise OpenGliaError(
            f"{folder.final_scheduler} is not what the run wrote; restore it from "
            f"{folder.path / results['final']['candidate']}"
        )
    chosen = find(results["simulator"] if simulator == "auto" else simulator).name
    final = folder.final_scheduler
    say("verification: everything on the evaluation seeds")
    seen = _measure(benchmark, chosen, final)
    unseen: dict[str, dict[str, Any]] = {}
    if benchmark.held_out_seeds:
        unseen = verification.measure_held_out(benchmark, chosen, final, say)
    _show("evaluation seeds", seen, say)
    _show("held-out seeds", unseen, say)
    judged = judgement.judge(seen, unseen)
    if judged["ratio_held_out"] is not None:
        say(f"mean response time, seed by seed, to LLQ's: {judgement.ratio_words(judged)}")
    for name in ("gain_evaluation", "gain_held_out", "overfitting", "no_gain"):
        value = judged[name]
        say(f"{name}: {f'{value:.1%}' if isinstance(value, float) else value}")
    for line in judgement.lines(judged):
        say(line)
    differing = [
        *_differing("evaluation seeds", on_evaluation_seeds(results), seen),
        *_differing("held-out seeds", on_held_out_seeds(results), unseen),
    ]
    for line in differing:
        say(line)
    if _other_times(results, seen, chosen):
        say("other simulator or execution times than the run's: equality is not expected")
        return 0
    say("not what the run recorded" if differing else "all figures are those that the run recorded")
    return 1 if differing else 0


def _measure(benchmark: Benchmark, simulator: str, final: Any) -> dict[str, dict[str, Any]]:
    found = {
        name: evaluation.to_json()
        for name, evaluation in measure_baselines(benchmark, simulator=simulator).items()
    }
    for name, path in {"stub": paths.STUB, "final": final}.items():
        found[name] = evaluate(str(path), benchmark, simulator=simulator).to_json()
    verification.fill_ratios(found)
    return found


def _show(title: str, measured: Group, say: Say) -> None:
    if measured:
        rows = [{"name": name, **result} for name, result in measured.items()]
        say(f"\n{title}\n\n{markdown(comparison_table(rows))}")


def _differing(title: str, recorded: Group, measured: Group) -> list[str]:
    """One line for every router whose figures are not the recorded ones."""
    lines = []
    for name, result in measured.items():
        before = recorded.get(name)
        if before is None:
            lines.append(f"{title}: {name}: the run has no record of it")
        elif before.get("per_seed") != result.get("per_seed"):
            figures = [_mean(before), _mean(result)]
            lines.append(f"{title}: {name}: {figures[0]} in the record, {figures[1]} now")
    return lines


def _mean(result: Mapping[str, Any]) -> str:
    return f"{result['mean_response_time']!r} s" if result["status"] == "ok" else "failed"


def _other_times(results: Mapping[str, Any], measured: Group, simulator: str) -> bool:
    times = measured["final"].get("execution_times")
    return simulator != results["simulator"] or (
        times is not None and times != results["execution_times"]
    )
