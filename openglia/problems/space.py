"""What the offline researcher searches: the part of a problem that it needs, and no other does."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol, runtime_checkable

from openglia.presenting.objective import Rank
from openglia.presenting.presentation import Presentation
from openglia.presenting.score import Line

Settings = Mapping[str, str | float]  # choices, then numbers, by name


class Space(Protocol):
    """A space of candidates. Its points are hashable, and equal where the candidates are.

    Nobody else looks inside a point. What is drawn comes from ``random`` alone.
    """

    @property
    def choices(self) -> Mapping[str, Sequence[str]]:
        """The dimensions that have alternatives, with these."""

    @property
    def caveat(self) -> str:
        """A sentence on what its candidates take for granted."""

    def sample(self, random: Random) -> Any:
        """A point drawn from the whole space."""

    def explore(self, number: int, random: Random) -> Any:
        """Likewise, as draw ``number`` of many that are to reach everywhere."""

    def neighbour(self, point: Any, random: Random, step: float) -> Any:
        """A point that differs a little; ``step`` is the size of a move, as a share of a range."""

    def alternatives(self, point: Any, random: Random) -> Iterable[tuple[str, Any]]:
        """Ablations: what is changed, in words, and the point with that part changed alone."""

    def settings(self, point: Any) -> Settings:
        """The choices and numbers of a point, as far as they make a difference for it."""

    def point(self, settings: Settings) -> Any | None:
        """The point that has these settings; None: none has them."""

    def render(self, point: Any) -> str:
        """The source of the candidate."""

    def explain(self, point: Any) -> str:
        """The candidate's idea and its policy, as sections in Markdown."""


@dataclass(frozen=True)
class Range:
    """What a number may be."""

    low: float
    high: float
    whole: bool = False
    log: bool = False  # whether its order of magnitude counts


@runtime_checkable
class Numbers(Space, Protocol):
    """A space whose points are tuples of numbers."""

    @property
    def start(self) -> tuple[float, ...]:
        """The point of the starting candidate."""

    @property
    def ranges(self) -> Sequence[Range]:
        """Of each number, around the start's."""


@dataclass(frozen=True)
class GivingUp:
    """How a command is told that it need not go on to the last case of a bad candidate.

    Its line is then of the first few cases, not ``full``, and has the key ``stopped``.
    """

    option: str  # then what the objective's mean on the first few cases is to be worse than
    cases: int  # these few


@dataclass(frozen=True, kw_only=True)
class OfflineTask:
    """A space, and how its candidates are scored."""

    space: Space
    file: str  # that a candidate is written to; commands start in the experiment's folder
    command: str  # scores that file, and ends with a line that is one JSON object
    subset: str  # an option of the command, to be followed by a few cases: 0,1
    presentation: Presentation  # how the JSON object is read, and what its figures are called
    # Scores the files whose absolute paths follow, such a line for each; None: one at a time. Where
    # lines have wall_seconds, long evaluations are asked for one at a time all the same.
    several: str | None = None
    giving_up: GivingUp | None = None  # where the objective is positive
    # What the account's table says of a line besides, by the column's title.
    columns: Mapping[str, Callable[[Line], str]] = field(default_factory=dict)

    def rank(self, line: Line) -> Rank | None:
        """What a measurement is compared by; None if it failed."""
        return self.presentation.objective.rank(self.presentation.score(line))


def described(settings: Settings) -> str:
    """A candidate in a line, for logs and tables."""
    return "; ".join(f"{name} {spelled(value)}" for name, value in settings.items())


def spelled(value: str | float) -> str:
    """A choice or a number, as people read it."""
    return value if isinstance(value, str) else f"{value:g}"
