"""What the offline researcher says to the shell, and how it reads the answers."""

import json
from collections.abc import Sequence
from typing import Any

from openglia.presenting.score import Case
from openglia.problems.space import OfflineTask


def look(task: OfflineTask) -> str:
    """The command that shows the working file."""
    return f"cat {task.file}"


def write(task: OfflineTask, source: str) -> str:
    """The command that makes ``source`` the working file."""
    return _write(task.file, source)


def evaluate_several(
    task: OfflineTask,
    sources: Sequence[str],
    cases: Sequence[Case] | None,
    bound: float | None = None,
) -> str:
    """The command that writes candidates into the scratch folder and measures them in turn."""
    folder, suffix = '"$OPENGLIA_SCRATCH_DIR"/candidates', task.presentation.suffix
    files = [f"{folder}/{number}{suffix}" for number in range(1, len(sources) + 1)]
    written = [_write(file, source) for file, source in zip(files, sources, strict=True)]
    words = [str(task.several), *files, *_chosen(task, cases, bound)]
    return "\n".join([f"mkdir -p {folder}", *written, " ".join(words)])


def evaluate(
    task: OfflineTask,
    source: str | None,
    cases: Sequence[Case] | None,
    bound: float | None = None,
) -> str:
    """The command that writes a candidate and measures it.

    Args:
        task: says how.
        source: the file's text; None leaves the file as it is.
        cases: to measure on; None stands for all evaluation cases.
        bound: see ``GivingUp``.
    """
    prepare = "" if source is None else write(task, source) + "\n"
    return prepare + " ".join([task.command, *_chosen(task, cases, bound)])


def _write(file: str, source: str) -> str:
    return f"cat > {file} <<'END_OF_CANDIDATE'\n{source}END_OF_CANDIDATE"


def _chosen(task: OfflineTask, cases: Sequence[Case] | None, bound: float | None) -> list[str]:
    words = [] if cases is None else [task.subset, ",".join(map(str, cases))]
    if task.giving_up is not None and bound is not None:
        words += [task.giving_up.option, f"{bound:.4g}"]
    return words


def results(output: str) -> list[dict[str, Any]]:
    """The lines that are a JSON object with a status, in their order."""
    found = []
    for line in output.splitlines():
        if line.startswith("{"):
            try:
                value = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(value, dict) and "status" in value:
                found.append(value)
    return found
