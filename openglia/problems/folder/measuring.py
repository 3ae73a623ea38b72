"""One evaluation of a program: its evaluator called in a fenced process, and what that returned."""

import json
import math
import shutil
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from openglia.files import write_json
from openglia.measuring import worker_fence
from openglia.measuring.processes import BASE_MEMORY_MB, Command, Workers, worker_environment
from openglia.paths import ROOT
from openglia.problems.folder.source import Source

WORKER = Path(__file__).with_name("worker.py")
_DETAIL = 4000  # characters


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one call of the evaluator gave: a value, or a rule and a reason why there is none."""

    value: float | None = None
    by_case: Sequence[float] = ()  # the value on each case; the value alone where there are none
    metrics: Mapping[str, Any] = field(default_factory=dict)
    rule: str = ""
    reason: str = ""
    detail: str = ""
    warning: str | None = None


def call(
    source: Source,
    program: Path,
    *,
    python: Path,
    function: str = "evaluate",
    split: str | None = None,
    cancelled: threading.Event | None = None,
) -> Measured:
    """Call the evaluator on a program.

    Args:
        python: the interpreter, of the environment that the evaluator needs.
        split: a name of ``settings.splits``.

    Raises:
        CancelledError: ``cancelled`` was set; all processes are gone.
        OpenGliaError: the process cannot be started.
    """
    with tempfile.TemporaryDirectory(prefix="openglia-") as temporary:
        folder = Path(temporary).resolve()
        work = folder / "problem"
        shutil.copytree(source.folder, work)
        candidate = folder / "candidate" / f"program{source.initial.suffix}"
        candidate.parent.mkdir()
        candidate.write_bytes(program.read_bytes())
        arguments, variables = _of_split(source, split)
        job = {
            "evaluator": str(work / source.evaluator.relative_to(source.folder)),
            "program": str(candidate),
            "function": function,
            "arguments": arguments,
            "result": str(folder / "result.json"),
        }
        write_json(folder / "job.json", job)
        environment = {k: v for k, v in worker_environment(ROOT).items() if k != "PYTHONPATH"}
        command = Command(
            argv=worker_fence.command(
                [str(python), "-P", str(WORKER), str(folder / "job.json")],
                folder=folder,
                sources=[WORKER],
                readable=[python.parent.parent],
                memory_mb=source.settings.memory_mb + BASE_MEMORY_MB,
                network=source.settings.network,
            ),
            folder=folder,
            environment=environment | variables,
            steps=0,
            step_seconds=source.timeout,
            start_seconds=0,
            memory_mb=source.settings.memory_mb,
        )
        with Workers([command], cancelled) as workers:
            for _ in workers.events():
                pass
            (worker,) = workers.workers
        if worker.timed_out:
            reason = f"the evaluation took longer than {source.timeout:g} s"
            return Measured(rule="timeout", reason=reason, detail=worker.stderr()[-_DETAIL:])
        try:
            written = (folder / "result.json").read_text()
            # Files as the problem's folder has them: this copy of it is gone when one reads that.
            for place in (work, candidate.parent):
                written = written.replace(f"{place}/", "")
            told = json.loads(written)
        except (OSError, ValueError):
            reason = f"the evaluator's process ended with status {worker.status} and no result"
            return Measured(rule="crash", reason=reason, detail=worker.stderr()[-_DETAIL:])
    cases = source.settings.cases if function == "evaluate" else None  # a first look has none
    return understood(told, source.settings.objective.name, None if cases is None else cases.key)


def understood(told: Any, objective: str, cases: str | None = None) -> Measured:
    """The value in what the worker wrote, or why there is none; ``cases``: the key of a list."""
    if not isinstance(told, Mapping) or "metrics" not in told:
        error = str(told.get("error") if isinstance(told, Mapping) else "no result")
        detail = str(told.get("detail") or "") if isinstance(told, Mapping) else ""
        return Measured(rule="crash", reason=_line(error), detail=detail)
    metrics = told["metrics"]
    artifacts = told.get("artifacts", {}).items()
    detail = "\n".join(f"{key}: {value}" for key, value in artifacts)[-_DETAIL:]
    error = metrics.get("error")
    if isinstance(error, str) and error.strip():
        return Measured(rule="error", reason=_line(error), metrics=metrics, detail=detail)
    warning = None
    value = metrics.get(objective)
    if value is None and objective == "combined_score":
        numbers = [v for v in metrics.values() if _is_number(v)]
        if numbers:
            value = fmean(numbers)
            warning = (
                f"there is no combined_score: the mean of {len(numbers)} numbers is the score; "
                f"name one in openglia.yaml (objective: {{name: ...}})"
            )
    if value is None:
        named = ", ".join(sorted(metrics)) or "nothing"
        reason = f"evaluate() gave no {objective}; it gave {named}"
        return Measured(rule="score", reason=_line(reason), metrics=metrics)
    if not _is_number(value):
        reason = f"evaluate() gave {objective} = {value!r}, which is no finite number"
        return Measured(rule="score", reason=_line(reason), metrics=_finite(metrics))
    by_case = [value] if cases is None else metrics.get(cases)
    if not isinstance(by_case, list) or not by_case or not all(map(_is_number, by_case)):
        reason = f"evaluate() gave no list of finite numbers as {cases}"
        return Measured(rule="score", reason=reason, metrics=_finite(metrics))
    return Measured(
        value=float(value),
        by_case=[float(each) for each in by_case],
        metrics={key: each for key, each in _finite(metrics).items() if key != cases},
        detail=detail,
        warning=warning,
    )


def _of_split(source: Source, split: str | None) -> tuple[dict[str, str], dict[str, str]]:
    """Arguments and variables that tell the evaluator what to measure on."""
    if split is None or (splits := source.settings.splits) is None:
        return {}, {}
    return ({"split": split}, {}) if splits.by == "argument" else ({}, {splits.by: split})


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value)


def _finite(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """JSON knows no NaN."""
    return {
        k: str(v) if isinstance(v, float) and not math.isfinite(v) else v
        for k, v in metrics.items()
    }


def _line(words: str) -> str:
    return " ".join(words.split())[:500]
