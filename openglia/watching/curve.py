"""The best so far as a small curve of block characters."""

from collections.abc import Sequence

from openglia.presenting import units
from openglia.report.data import Run

_BLOCKS = " ▁▂▃▄▅▆▇█"
_ABOVE = 1.25  # of the yardstick: a hopeless beginning would squeeze the rest


def curve(run: Run, width: int, height: int = 4) -> list[str]:
    """Lines of at most ``width`` characters; none where nothing was scored yet."""
    steps, last = run.best_so_far(), max((entry.number for entry in run.entries), default=0)
    if not steps:
        return []
    values = _over_evaluations(steps, last)
    low, high = min(values), max(values)
    mark = run.mean(run.yardstick, "evaluation")
    if mark is not None and run.objective.lower_is_better and low < _ABOVE * mark < high:
        high = _ABOVE * mark
    names = [units.figure(high), units.figure(low)]
    edge = max(map(len, names))
    columns = min(len(values), max(width - edge - 2, 1))
    picked = [values[(k + 1) * len(values) // columns - 1] for k in range(columns)]
    steps_up = height * (len(_BLOCKS) - 1)
    span = (high - low) or 1.0
    levels = [1 + round((min(v, high) - low) / span * (steps_up - 1)) for v in picked]
    lines = []
    for row in reversed(range(height)):
        name = names[0] if row == height - 1 else names[1] if row == 0 else ""
        bars = (max(min(level - row * 8, 8), 0) for level in levels)
        lines.append(f"{name:>{edge}} ▕" + "".join(_BLOCKS[bar] for bar in bars))
    first, final = str(steps[0][0]), str(last)
    room = columns - len(first)
    below = first + final.rjust(room) if room > len(final) else final.rjust(columns)
    lines.append(" " * (edge + 2) + below)
    return lines


def _over_evaluations(steps: Sequence[tuple[int, float]], last: int) -> list[float]:
    """The best after each evaluation, from the first that has one."""
    values = []
    for (number, value), (until, _) in zip(steps, [*steps[1:], (last + 1, 0.0)], strict=True):
        values += [value] * (until - number)
    return values
