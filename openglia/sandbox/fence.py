"""The ladder of fences around what is not trusted: bubblewrap, else Landlock, else none.

Commands of agents (``openglia.sandbox.choosing``) and workers that simulate
(``openglia.measuring.worker_fence``) stand on the same one.
"""

from collections.abc import Callable
from dataclasses import dataclass

from openglia.sandbox import bubblewrap, landlock
from openglia.sandbox.layout import View


@dataclass(frozen=True)
class Rung:
    """One kind of fence."""

    name: str
    problem: Callable[[], str | None]  # why it cannot be used here, in one line
    command: Callable[[View, list[str]], list[str]]  # that runs another one behind the fence
    gaps: tuple[str, ...] = ()  # what it does not deny
    overlays: bool = False  # a file can appear at the path of another


LADDER = (
    Rung("bubblewrap", bubblewrap.problem, bubblewrap.command, overlays=True),
    Rung("landlock", landlock.problem, landlock.command, landlock.GAPS),
)


@dataclass(frozen=True)
class Found:
    """The highest rung that works here, and why those above it do not."""

    rung: Rung | None
    problems: tuple[str, ...] = ()

    @property
    def why(self) -> str:
        """One line on the problems; empty if there were none."""
        return "; ".join(self.problems)


def find(name: str = "auto") -> Found:
    """The highest rung that works, or the one called ``name``; each is tried once a process."""
    problems: list[str] = []
    for rung in LADDER:
        if name in ("auto", rung.name):
            problem = rung.problem()
            if problem is None:
                return Found(rung, tuple(problems))
            problems.append(problem)
    return Found(None, tuple(problems))
