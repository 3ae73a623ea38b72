"""What the offline researcher says to the shell, and how it reads the answers."""

import json
from typing import Any

from openglia.problems.space import OfflineTask


def look(task: OfflineTask) -> str:
    """The command that shows the working file."""
    return f"cat {task.file}"


def write(task: OfflineTask, source: str) -> str:
    """The command that makes ``source`` the working file."""
    return f"cat > {task.file} <<'END_OF_CANDIDATE'\n{source}END_OF_CANDIDATE"


def evaluate(task: OfflineTask, source: str | None, seeds: list[int] | None) -> str:
    """The command that writes a candidate and measures it.

    Args:
        task: says how.
        source: the file's text; None leaves the file as it is.
        seeds: the seeds to measure on; None stands for all evaluation seeds.
    """
    prepare = "" if source is None else write(task, source) + "\n"
    chosen = "" if seeds is None else f" {task.subset} {','.join(map(str, seeds))}"
    return f"{prepare}{task.command}{chosen}"


def result(output: str) -> dict[str, Any] | None:
    """The last line that is a JSON object with a status; None if there is none."""
    for line in reversed(output.splitlines()):
        if line.startswith("{"):
            try:
                value = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(value, dict) and "status" in value:
                return value
    return None


def score(task: OfflineTask, measured: dict[str, Any]) -> float | None:
    """The objective; None if the evaluation failed."""
    value = measured.get(task.objective)
    return float(value) if measured["status"] == "ok" and value is not None else None
