"""Hands every program to the harness of the OpenGLIA run whose agent this optimizer is.

Nothing is measured here. What is asked for more than the run's budget is refused, and scores 0.
"""

from pathlib import Path

from openglia.client import Score, score


def evaluate(program_path: str) -> dict[str, float | str]:
    """``combined_score``: how many times as good as the run's yardstick; 0 for a failed program."""
    found = score(Path(program_path).read_bytes().decode(errors="surrogateescape"))
    if found.value is None:
        detail = str(found.line.get("detail") or "").strip()
        return {"combined_score": 0.0, "error": f"{found.reason}\n{detail}".strip()}
    # As text: of every other number these optimizers tell their models that higher is better.
    shown = f"{found.value:.6g} {found.unit}".strip()
    if found.broken:
        shown += f"; {'; '.join(found.broken)}"
    return {"combined_score": _fitness(found, found.value), found.objective: shown}


def _fitness(found: Score, value: float) -> float:
    """Higher is better; without a yardstick, or where it is not positive, the value itself."""
    if found.gain is not None:
        return found.gain
    return -value if found.lower_is_better else value
