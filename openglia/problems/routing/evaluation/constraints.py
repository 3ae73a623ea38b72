"""Whether an evaluation keeps its benchmark's constraints, and by how much it does not."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from openglia.problems.routing.benchmark.definition import BASELINE_WORDS, Constraint
from openglia.problems.routing.benchmark.objectives import OBJECTIVES


@dataclass(frozen=True, kw_only=True)
class Held:
    """A constraint with what was measured; means over seeds."""

    metric: str
    value: float | None
    bound: float | None  # None: what it is relative to is not measured
    violation: float | None  # by what share of the bound it is broken; 0: kept; None: not known
    words: str

    def to_json(self) -> dict[str, Any]:
        """As the line of an evaluation has it; see ``openglia.presenting.score``."""
        return asdict(self)


def held(
    constraint: Constraint,
    metrics: Mapping[str, float | None],
    reference: Sequence[float | None] | None,
) -> Held:
    """A constraint for an evaluation.

    Args:
        metrics: of the evaluation, means over seeds.
        reference: the metric of what the bound is relative to, on the same seeds; None: not known.
    """
    objective, value = OBJECTIVES[constraint.metric], metrics[constraint.metric]
    factor = constraint.at_most if constraint.at_least is None else constraint.at_least
    assert factor is not None
    known = [one for one in reference or () if one is not None]
    bound: float | None = factor
    if constraint.relative_to is not None:
        bound = factor * fmean(known) if known else None
    side = "at least" if constraint.at_most is None else "at most"
    violation = _violation(constraint, value, bound)
    if bound is None or violation is None:
        words = "not known"
    elif violation == 0:
        words = "kept"
    else:
        words = f"BROKEN by {100 * violation:.1f} %"
    measured = "not measured" if value is None else objective.shown(value)
    limit = "" if bound is None else f" {objective.shown(bound)}"
    if (router := constraint.relative_to) is not None:
        times = "" if factor == 1 else f"{factor:g} x "
        limit += f" ({times}{BASELINE_WORDS.get(router, router)}'s)"
    return Held(
        metric=constraint.metric,
        value=value,
        bound=bound,
        violation=violation,
        words=f"{objective.words} {measured}, {side}{limit}: {words}",
    )


def _violation(constraint: Constraint, value: float | None, bound: float | None) -> float | None:
    if value is None or bound is None:
        return None
    excess = value - bound if constraint.at_least is None else bound - value
    # Of a bound of zero, which a router relative to has: what is there at all is too much.
    return max(excess / bound if bound else excess, 0.0)
