"""Whether a bound on a measured figure is kept, as the line of a score tells it."""

from dataclasses import asdict, dataclass
from typing import Any

from openglia.presenting.objective import Objective


@dataclass(frozen=True, kw_only=True)
class Held:
    """A constraint with what was measured."""

    metric: str
    value: float | None  # None: not measured
    bound: float | None  # None: what it is relative to is not measured
    violation: float | None  # by what share of the bound it is broken; 0: kept; None: not known
    words: str

    def to_json(self) -> dict[str, Any]:
        """As a line has it; see ``openglia.presenting.score``."""
        return asdict(self)


def held(
    metric: Objective, value: float | None, bound: float | None, *, at_least: bool, of: str = ""
) -> Held:
    """A figure beside its bound.

    Args:
        metric: its name, words and unit.
        at_least: whether the figure must not be below the bound, and not above it.
        of: what the bound is relative to, in words.
    """
    violation = _violation(value, bound, at_least=at_least)
    if violation is None:
        words = "not known"
    else:
        words = f"BROKEN by {100 * violation:.1f} %" if violation else "kept"
    measured = "not measured" if value is None else metric.shown(value)
    side = "at least" if at_least else "at most"
    limit = " ".join([side, *([metric.shown(bound)] if bound is not None else []), of]).rstrip()
    return Held(
        metric=metric.name,
        value=value,
        bound=bound,
        violation=violation,
        words=f"{metric.words} {measured}, {limit}: {words}",
    )


def _violation(value: float | None, bound: float | None, *, at_least: bool) -> float | None:
    if value is None or bound is None:
        return None
    excess = bound - value if at_least else value - bound
    # Of a bound of zero there are no shares: what is beyond it counts as it is.
    return max(excess / abs(bound) if bound else excess, 0.0)
