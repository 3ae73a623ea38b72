"""A benchmark's constraints, for what was measured on some of its seeds."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from openglia.problems.constraints import Held, held
from openglia.problems.routing.benchmark.definition import BASELINE_WORDS, Constraint
from openglia.problems.routing.benchmark.objectives import OBJECTIVES


def constrained(
    constraint: Constraint,
    metrics: Mapping[str, float | None],
    reference: Sequence[float | None] | None,
) -> Held:
    """A constraint for an evaluation.

    Args:
        metrics: of the evaluation, means over seeds.
        reference: the metric of what the bound is relative to, on the same seeds; None: not known.
    """
    bound: float | None = constraint.bound
    of = ""
    if (router := constraint.relative_to) is not None:
        times = "" if bound == 1 else f"{constraint.bound:g} x "
        of = f"({times}{BASELINE_WORDS.get(router, router)}'s)"
        known = [one for one in reference or () if one is not None]
        bound = constraint.bound * fmean(known) if known else None
    metric, value = OBJECTIVES[constraint.metric], metrics[constraint.metric]
    return held(metric, value, bound, at_least=constraint.at_least is not None, of=of)
