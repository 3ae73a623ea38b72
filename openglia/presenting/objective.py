"""What a problem's candidates are scored by: one number, and which way is better."""

from dataclasses import dataclass
from typing import NamedTuple

from openglia.presenting.score import Score


class Rank(NamedTuple):
    """What orders two scores of a problem, wherever one is chosen: the lower, the better.

    Whoever keeps all constraints comes before whoever breaks one; among those that break some, the
    one that breaks them least.
    """

    violation: float  # see ``Score.violation``
    cost: float  # the objective, as something to be lowered


@dataclass(frozen=True)
class Objective:
    """The number that decides between candidates that keep the problem's constraints alike."""

    name: str  # its key in the JSON line of a score
    words: str  # mean response time
    unit: str  # s; empty for a bare number
    lower_is_better: bool = True
    decimals: int = 2  # in lines of text

    @property
    def direction(self) -> str:
        """Which way is better, in words."""
        return f"{'lower' if self.lower_is_better else 'higher'} is better"

    @property
    def titled(self) -> str:
        """The words with the unit."""
        return f"{self.words} ({self.unit})" if self.unit else self.words

    def rank(self, score: Score) -> Rank | None:
        """What a score is compared by; None: there is no score."""
        return None if score.value is None else Rank(score.violation, self.cost(score.value))

    def cost(self, value: float) -> float:
        """The value as something to be lowered, whatever the direction."""
        return value if self.lower_is_better else -value

    def better(self, first: float, second: float) -> bool:
        """Whether the first value is better than the second."""
        return self.cost(first) < self.cost(second)

    def worsened(self, value: float, factor: float) -> float:
        """A positive value that is so many times as bad."""
        return value * factor if self.lower_is_better else value / factor

    def gain(self, value: float, yardstick: float) -> float | None:
        """How much better than the yardstick's, as a share of that; None where that is zero."""
        if yardstick == 0:
            return None
        gained = self.cost(1 - value / yardstick)
        return gained if yardstick > 0 else -gained

    def change(self, gain: float) -> str:
        """A gain as what happened to the value: lower or higher."""
        return "lower" if (gain >= 0) == self.lower_is_better else "higher"

    def figure(self, value: float) -> str:
        """The value without its unit: 26.44."""
        return f"{value:.{self.decimals}f}"

    def shown(self, value: float) -> str:
        """The value with its unit, as lines of text give it: 26.44 s."""
        return f"{self.figure(value)} {self.unit}".rstrip()
