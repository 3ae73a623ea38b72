"""``solution.md``: what the Researcher says, and what the harness measured."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from openglia import paths
from openglia.problems.routing.benchmark.tables import comparison_table, markdown
from openglia.quantities import spelled
from openglia.report.verdict import no_gain_words
from openglia.runs import judgement
from openglia.runs.folder import RunFolder
from openglia.runs.results import on_evaluation_seeds, on_held_out_seeds
from openglia.runs.scored_on import argument
from openglia.seeds import format_seeds


def render(folder: RunFolder, results: Mapping[str, Any], plots: Sequence[str] = ()) -> str:
    """The Markdown of solution.md; ``plots`` are the lines that show the plots."""
    benchmark = results["benchmark"]
    account = (results.get("account") or "").strip()
    parts = [
        f"# Router discovered in {folder.id}",
        verdict(results),
        _worse(results),
        _ending(results),
        "## The Researcher's account",
        account or "The Researcher left no account.",
        "## Measured by the harness",
        _group(
            f"Evaluation seeds {format_seeds(benchmark['seeds'])}, which the agents could use",
            on_evaluation_seeds(results),
        ),
        _group(
            f"Held-out seeds {format_seeds(benchmark['held_out_seeds'])}, which they never saw",
            on_held_out_seeds(results),
        ),
        _provenance(results),
        *(["### Warnings", _bullets(results["warnings"])] if results["warnings"] else []),
        *(["## Plots", "\n".join(plots).strip()] if plots else []),
        "## How to reproduce it",
        _reproduction(folder, results),
    ]
    return "\n\n".join(part for part in parts if part is not None) + "\n"


def verdict(results: Mapping[str, Any]) -> str:
    """One line: what the verification and the integrity checks say."""
    words = []
    checked = results.get("verification")
    if results.get("final") is None:
        words.append("no candidate was evaluated cleanly on the full benchmark: no result")
    elif checked is None or checked.get("gain_held_out") is None:
        words.append("not verified on held-out seeds")
    else:
        words.append(f"verified on held-out seeds: {_headline(checked)}")
        if checked["no_gain"]:
            words.append(f"NO GAIN SHOWN: {no_gain_words(checked)}")
        if checked["overfitting"]:
            words.append("OVERFITTING: less than 80 % of the gain holds on held-out seeds")
        if checked["deterministic"] is False:
            words.append(f"NOT DETERMINISTIC: {checked['repeat_reason']}")
        words.append(_agreement(checked.get("agreement")))
    integrity = results.get("integrity")
    if integrity is not None:
        failed = [c["name"] for c in integrity["checks"] if c["outcome"] == "failed"]
        passed = sum(c["outcome"] == "passed" for c in integrity["checks"])
        words.append(
            f"INTEGRITY: failed {', '.join(failed)}" if failed else f"integrity: {passed} checks ok"
        )
    return f"**Verification:** {'; '.join(word for word in words if word)}."


def worse_lines(results: Mapping[str, Any]) -> list[str]:
    """What the final router made worse than LLQ on the held-out seeds, one line each."""
    return judgement.lines(results.get("verification") or {})


def _worse(results: Mapping[str, Any]) -> str | None:
    lines = worse_lines(results)
    if not lines:
        return None
    return f"**On the held-out seeds, compared with LLQ seed by seed:**\n\n{_bullets(lines)}"


def _headline(checked: Mapping[str, Any]) -> str:
    mean = (
        f"{_change(checked)} than LLQ's ({_percent(checked['gain_evaluation'])} gain on the "
        f"evaluation seeds)"
    )
    if checked.get("ratio_held_out") is None:  # of a version that did not compare in pairs
        return f"the mean response time is {mean}"
    return (
        f"the mean response time, seed by seed, is {judgement.ratio_words(checked)} of LLQ's; "
        f"over all seeds it is {mean}"
    )


def _change(checked: Mapping[str, Any]) -> str:
    gain = checked["gain_held_out"]
    return f"{_percent(abs(gain))} {'lower' if gain >= 0 else 'higher'}"


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{100 * value:.1f} %"


def _agreement(agreement: Mapping[str, Any] | None) -> str:
    if agreement is None:
        return ""
    seeds = format_seeds(agreement["seeds"])
    if agreement["equal"]:
        return (
            f"Vidur gives all {agreement['requests']} requests of seeds {seeds} the same "
            f"completion times"
        )
    if agreement["required"]:
        return (
            f"THE SIMULATORS DISAGREE on {agreement['requests_differing']} of "
            f"{agreement['requests']} requests of seeds {seeds}"
        )
    means = agreement["mean_response_time"]
    return (
        f"on seeds {seeds} Vidur gives {means['vidur']:.2f} s and the embedded simulator "
        f"{means['embedded']:.2f} s, with other execution times"
    )


def _ending(results: Mapping[str, Any]) -> str:
    status = {
        "completed": "The run completed: the Supervisor was content.",
        "limit": "The run ended at a limit",
        "failed": "The run FAILED",
        "interrupted": "The run was INTERRUPTED",
    }.get(results["status"], "The run is not finished")
    reason = results.get("reason")
    sentence = f"{status}: {reason}." if reason and results["status"] != "completed" else status
    counts = results["evaluations"]
    return (
        f"{sentence.removesuffix('.')}. Evaluations: {counts['total']}, of these {counts['clean']} "
        f"clean and {counts['failed']} failed; {counts['full']} on the full benchmark. "
        f"Model: `{results['model']}`."
    )


def _group(title: str, measured: Mapping[str, Mapping[str, Any]]) -> str:
    if not measured:
        return f"{title}: nothing was measured."
    rows = [{"name": name, **result} for name, result in measured.items()]
    return f"{title}:\n\n{markdown(comparison_table(rows)).strip()}"


def _provenance(results: Mapping[str, Any]) -> str:
    benchmark, vidur = results["benchmark"], results["vidur"]
    final = results.get("final")
    origin = f"hash `{benchmark['hash']}`"
    if benchmark.get("file"):  # perhaps called like one that ships
        origin += f", from the file `{benchmark['file']}`"
    lines = [
        f"Benchmark `{benchmark['name']}` ({origin}), {results['simulator']} "
        f"simulator, execution times `{results['execution_times']}`. Mean response time over "
        f"seeds with its 90 % bootstrap interval; `to LLQ` is the ratio to LLQ on the same seeds."
    ]
    if final is not None:
        lines.append(
            f"The final router is evaluation {final['number']} (`{final['candidate']}`, SHA-256 "
            f"`{final['sha256'][:12]}`): the best clean one on the full benchmark."
        )
    if vidur["installed"]:
        lines.append(f"Vidur is installed at commit `{vidur['commit']}`.")
    else:
        lines.append("Vidur is not installed: nothing here was confirmed on it.")
    return "\n".join(lines)


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _reproduction(folder: RunFolder, results: Mapping[str, Any]) -> str:
    commit = results["versions"].get("openglia_commit") or "unknown"
    path = paths.shown(folder.path)
    name = argument(folder, results)
    commands = ["./setup.sh"]
    if results.get("final") is not None:
        scheduler = shlex.quote(str(path / "final_scheduler.py"))
        commands += [
            f".venv/bin/openglia evaluate {scheduler} --benchmark {name}   # evaluation seeds",
            f".venv/bin/openglia verify {shlex.quote(str(path))}   # all of it, held-out seeds too",
        ]
    commands.append(f"{run_command(results, name)}   # the whole experiment")
    lines = "\n".join(f"    {command}" for command in commands)
    return f"With OpenGLIA {results['openglia']} (commit `{commit}`), in its folder:\n\n{lines}"


def run_command(results: Mapping[str, Any], benchmark: str) -> str:
    """The command line of the run; ``benchmark`` is what --benchmark takes, quoted."""
    limits = results["limits"]
    words = ["--simulator", results["simulator"], "--seed", str(results["seed"])]
    for key, value in limits.items():
        words += [f"--{key.replace('_', '-')}", spelled(value)]
    model = shlex.join(["./run.sh", "--model", results["model"]])
    return f"{model} --benchmark {benchmark} {shlex.join(words)}"
