"""What a problem's candidates are scored by: one number, and which way is better."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Objective:
    """The number that decides between candidates."""

    name: str  # its key in the JSON line of a score
    words: str  # mean response time
    unit: str  # s; empty for a bare number
    lower_is_better: bool = True

    @property
    def direction(self) -> str:
        """Which way is better, in words."""
        return f"{'lower' if self.lower_is_better else 'higher'} is better"

    def cost(self, value: float) -> float:
        """The value as something to be lowered, whatever the direction."""
        return value if self.lower_is_better else -value

    def better(self, first: float, second: float) -> bool:
        """Whether the first value is better than the second."""
        return self.cost(first) < self.cost(second)

    def gain(self, value: float, yardstick: float) -> float | None:
        """How much better than the yardstick's, as a share of that; None where that is zero."""
        if yardstick == 0:
            return None
        gained = self.cost(1 - value / yardstick)
        return gained if yardstick > 0 else -gained

    def change(self, gain: float) -> str:
        """A gain as what happened to the value: lower or higher."""
        return "lower" if (gain >= 0) == self.lower_is_better else "higher"

    def shown(self, value: float) -> str:
        """The value with its unit, as lines of text give it: 26.44 s."""
        return f"{value:.2f} {self.unit}".rstrip()
