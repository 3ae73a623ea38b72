"""``solution.md``: what the Researcher says, and what the harness measured."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from openglia import paths
from openglia.presenting.presentation import Group, Presentation
from openglia.presenting.score import Score
from openglia.presenting.spent import told
from openglia.problems.problem import Check
from openglia.quantities import spelled
from openglia.report import transferred
from openglia.report.verdict import constraint_words, no_gain_words, worse_words
from openglia.runs import judgement, together
from openglia.runs.folder import RunFolder
from openglia.runs.results import Results, Verification
from openglia.tables import markdown


def render(
    folder: RunFolder, results: Results, shown: Presentation, plots: Sequence[str] = ()
) -> str:
    """The Markdown of solution.md; ``plots`` are the lines that show the plots."""
    raw = results.to_json()
    seen, unseen = shown.cases(raw)
    parts = [
        f"# {shown.title} discovered in {folder.id}",
        verdict(results, shown),
        _worse(results, shown),
        _ending(results, shown),
        "## The Researcher's account",
        results.account.strip() or "The Researcher left no account.",
        "## Measured by the harness",
        _group(
            f"Evaluation {shown.listed(seen)}, which the agents could use",
            results.on_evaluation_cases,
            shown,
        ),
        _group(
            f"Held-out {shown.listed(unseen)}, which they never saw" if unseen
            else f"There are no held-out {shown.case}s",
            results.on_held_out_cases,
            shown,
        ),
        _transferred(raw, shown),
        _provenance(results, raw, shown),
        together.section(folder, results, shown),
        *(["### Warnings", _bullets(results.warnings)] if results.warnings else []),
        *(["## Plots", "\n".join(plots).strip()] if plots else []),
        "## How to reproduce it",
        _reproduction(folder, results, raw, shown),
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part is not None) + "\n"


def verdict(results: Results, shown: Presentation) -> str:
    """One line: what the verification and the integrity checks say."""
    words = []
    checked = results.verification
    held_out = f"held-out {shown.case}s"
    if results.final is None:
        words.append(f"no candidate was evaluated cleanly on all {shown.case}s: no result")
    elif checked is None or (checked.gain_held_out is None and not checked.ratio_seeds):
        words.append(f"not verified on {held_out}: nothing was verified on unseen cases")
        if checked is not None and checked.no_gain:
            words.append("NO GAIN SHOWN: within the noise of what was seen")
    else:
        words.append(f"verified on {held_out}: {_headline(checked, shown)}")
        if checked.no_gain:
            words.append(f"NO GAIN SHOWN: {no_gain_words(checked.model_dump(), shown.case)}")
        if checked.overfitting:
            words.append(f"OVERFITTING: less than 80 % of the gain holds on {held_out}")
    if checked is not None and results.final is not None:
        words.append(worse_words(checked.model_dump(), shown.yardstick_label, shown.case))
    if results.final is not None:
        words.append(constraint_words(*final_scores(results, shown), shown)[1])
    if checked is not None and results.final is not None:
        if checked.deterministic is False:
            words.append(f"NOT DETERMINISTIC: {checked.repeat_reason}")
        if checked.isolation is not None:
            words.append(_isolated(checked.isolation))
        words.append(shown.confirmed(results.to_json())[0])
        words.append(transferred.sentence(results.to_json()))
    if (integrity := results.integrity) is not None:
        failed = [check.name for check in integrity.checks if check.outcome == "failed"]
        passed = sum(check.outcome == "passed" for check in integrity.checks)
        words.append(
            f"INTEGRITY: failed {', '.join(failed)}"
            if failed
            else f"integrity: {passed} check{'s' * (passed != 1)} ok"
        )
    return f"**Verification:** {'; '.join(word for word in words if word)}."


def final_scores(results: Results, shown: Presentation) -> tuple[Score, Score]:
    """The final candidate's scores on the evaluation cases and on the held-out ones."""
    groups = (results.on_evaluation_cases, results.on_held_out_cases)
    seen, unseen = (shown.score(group.get("final")) for group in groups)
    return seen, unseen


def _isolated(check: Check) -> str:
    match check.outcome:
        case "passed":
            return check.evidence
        case "failed":
            return f"NOT THE SAME IN ISOLATION: {check.evidence}"
    return f"not measured in isolation: {check.evidence}"


def worse_lines(results: Results) -> list[str]:
    """What the final candidate made worse than the yardstick on the held-out cases."""
    return judgement.lines(results.verification)


def _worse(results: Results, shown: Presentation) -> str | None:
    lines = worse_lines(results)
    if not lines:
        return None
    return (
        f"**On the held-out {shown.case}s, compared with {shown.yardstick_label} {shown.case} by "
        f"{shown.case}:**\n\n{_bullets(lines)}"
    )


def _headline(checked: Verification, shown: Presentation) -> str:
    label, words = shown.yardstick_label, shown.objective.words
    mean = (
        f"{_change(checked, shown)} than {label}'s ({_percent(checked.gain_evaluation)} gain on "
        f"the evaluation {shown.case}s)"
    )
    paired = judgement.ratio_words(checked, shown.case)
    if paired is None:  # of a version that did not compare in pairs
        return f"the {words} is {mean}"
    compared = f"is {paired} of {label}'s"
    if checked.ratio_held_out is None:
        compared = f"minus {label}'s is {paired}"
    case, over = shown.case, f"over all {shown.case}s"
    told = f"{label}'s is 0 {over}" if checked.gain_held_out is None else f"{over} it is {mean}"
    return f"the {words}, {case} by {case}, {compared}; {told}"


def _change(checked: Verification, shown: Presentation) -> str:
    gain = checked.gain_held_out or 0.0
    return f"{_percent(abs(gain))} {shown.objective.change(gain)}"


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{100 * value:.1f} %"


def _ending(results: Results, shown: Presentation) -> str:
    status = {
        "completed": "The run completed: the Supervisor was content."
        if results.supervised
        else "The run completed.",
        "limit": "The run ended at a limit",
        "failed": "The run FAILED",
        "interrupted": "The run was INTERRUPTED",
    }.get(results.status, "The run is not finished")
    reason = results.reason
    sentence = f"{status}: {reason}." if reason and results.status != "completed" else status
    counts = results.evaluations
    return (
        f"{sentence.removesuffix('.')}. Evaluations: {counts.total}, of these {counts.clean} "
        f"clean and {counts.failed} failed; {counts.full} on all evaluation {shown.case}s. "
        f"{_who(results)}{f': {spent}' if (spent := told(results.to_json())) else '.'}"
    )


def _who(results: Results) -> str:
    """Who discovered it."""
    if results.agent is None:
        return f"Model: `{results.model}`{'' if results.supervised else ', without a Supervisor'}"
    supervisor = f"supervised by `{results.model}`" if results.supervised else "unsupervised"
    return f"Agent: `{results.agent.command}`, {supervisor}"


def _group(title: str, measured: Group, shown: Presentation) -> str:
    if not measured:
        return f"{title}: nothing was measured."
    return f"{title}:\n\n{markdown(shown.table(measured)).strip()}"


def _transferred(raw: Any, shown: Presentation) -> str | None:
    rows = transferred.table(raw, shown)
    if not rows:
        return None
    return f"### On other settings\n\n{markdown(rows).strip()}\n\n{transferred.note(raw, shown)}"


def _provenance(results: Results, raw: Any, shown: Presentation) -> str:
    lines = [shown.origin(raw)]
    if (final := results.final) is not None:
        lines.append(
            f"The final {shown.noun} is evaluation {final.number} (`{final.candidate}`, SHA-256 "
            f"`{final.sha256[:12]}`): the best clean one on all evaluation {shown.case}s"
            f"{_among(results, shown)}."
        )
    lines.append(shown.confirmed(raw)[1])
    return "\n".join(line for line in lines if line)


def _among(results: Results, shown: Presentation) -> str:
    seen = final_scores(results, shown)[0]
    return ", of those that keep the constraints" if seen.constraints and not seen.broken else ""


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _reproduction(folder: RunFolder, results: Results, raw: Any, shown: Presentation) -> str:
    commit = results.versions.get("openglia_commit") or "unknown"
    path = shlex.quote(str(paths.shown(folder.path)))
    commands = ["./setup.sh"]
    if results.final is not None:
        if evaluate := shown.evaluating(folder.path, raw):
            commands.append(f".venv/bin/{evaluate}   # evaluation {shown.case}s")
        commands.append(
            f".venv/bin/openglia verify {path}   # all of it, held-out {shown.case}s too"
        )
    commands.append(
        f"{run_command(results, shown.options(folder.path, raw))}   # the whole experiment"
    )
    lines = "\n".join(f"    {command}" for command in commands)
    return f"With OpenGLIA {results.openglia} (commit `{commit}`), in its folder:\n\n{lines}"


def run_command(results: Results, options: Sequence[str]) -> str:
    """The command line of the run; ``options`` are the problem's."""
    words = ["./run.sh", *_agent_options(results), *options, "--seed", str(results.seed)]
    if results.transfer_to is not None:
        words += ["--transfer", ",".join(results.transfer_to) or "none"]
    for key, value in asdict(results.limits).items():
        words += [f"--{key.replace('_', '-')}", spelled(value)]
    return shlex.join(words)


def _agent_options(results: Results) -> list[str]:
    """The options that say who works."""
    words = ["--model", results.model] if results.model else []
    if (agent := results.agent) is not None:
        words += ["--agent", agent.command]
        words += ["--agent-network"] if agent.network else []
        words += [word for name in agent.variables for word in ("--agent-env", name)]
        words += [word for path in agent.readable for word in ("--agent-read", path)]
    words += [] if results.supervised else ["--no-supervisor"]
    for name in ("contexts", "generations"):
        words += [f"--{name}", str(value)] if (value := getattr(results, name)) > 1 else []
    for name, value in (("stagnation", results.stagnation), ("review-every", results.review_every)):
        words += [f"--{name}", str(value)] if value is not None else []
    return [*words, "--share-digest"] if results.share_digest else words
