"""What the offline researcher says to the shell, and how it reads the answers."""

import json
from typing import Any

FOLDER = "environment/vidur"
SCHEDULER = f"{FOLDER}/vidur/scheduler/global_scheduler/ai_global_scheduler.py"

LOOK = f"cat {SCHEDULER}"


def evaluate(source: str | None, seeds: list[int] | None) -> str:
    """The command that writes a scheduler file and measures it.

    Args:
        source: the file's text; None leaves the file as it is.
        seeds: the seeds to measure on; None stands for all evaluation seeds.
    """
    prepare = "" if source is None else write(source) + "\n"
    chosen = "" if seeds is None else f" --seeds {','.join(map(str, seeds))}"
    return f"{prepare}cd {FOLDER} && ./run_all.sh --json{chosen}"


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


def score(measured: dict[str, Any]) -> float | None:
    """The mean response time in seconds; None if the evaluation failed."""
    value = measured.get("mean_response_time")
    return float(value) if measured["status"] == "ok" and value is not None else None


def write(source: str) -> str:
    """The command that makes ``source`` the working scheduler."""
    return f"cat > {SCHEDULER} <<'END_OF_SCHEDULER'\n{source}END_OF_SCHEDULER"
