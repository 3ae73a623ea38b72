"""How long a process may take, on a machine that others use too.

Wall time, less what it waited for a core: a good candidate does not fail because a machine is busy,
and one that sleeps or hangs still ends in time. Where the system does not tell the waits (anything
but Linux), it is wall time alone.
"""

from contextlib import suppress
from pathlib import Path
from time import monotonic

from openglia import interrupts

MOST = 5  # times the allowance, in wall time, however busy the machine is


class Allowance:
    """Of ``seconds`` for what the process does from now on, its descendants included."""

    def __init__(self, pid: int, seconds: float) -> None:
        self._pid = pid
        self._seconds = seconds
        self._begun = monotonic()
        self._waited = _waits(pid)

    def left(self) -> float:
        """Seconds until it is worth another look; 0 or less when they are used up."""
        left = self._begun + self._seconds - monotonic()
        if left > 0:  # the usual case, and the waits take a look at every process
            return left
        # The longest, not the sum: while one computes, those that started it wait for it.
        starved = max(
            (waited - self._waited.get(pid, 0.0) for pid, waited in _waits(self._pid).items()),
            default=0.0,
        )
        return left + min(starved, (MOST - 1) * self._seconds)


def _waits(pid: int) -> dict[int, float]:
    """What a process and each of its descendants has waited for a core since it began, seconds."""
    found: dict[int, float] = {}
    with suppress(OSError, ValueError, IndexError):  # gone, or a system that does not tell
        found[pid] = int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    for child in interrupts.children(pid):
        found |= _waits(child)
    return found
