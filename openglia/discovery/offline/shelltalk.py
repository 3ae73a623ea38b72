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
    return f"cat > {task.file} <<'END_OF_CANDIDATE'\n{source}END_OF_CANDIDATE"


def evaluate(task: OfflineTask, source: str | None, cases: Sequence[Case] | None) -> str:
    """The command that writes a candidate and measures it.

    Args:
        task: says how.
        source: the file's text; None leaves the file as it is.
        cases: to measure on; None stands for all evaluation cases.
    """
    prepare = "" if source is None else write(task, source) + "\n"
    chosen = "" if cases is None else f" {task.subset} {','.join(map(str, cases))}"
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
