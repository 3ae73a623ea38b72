"""The keys of a benchmark's file that say what counts; ``environment/benchmarks/README.md``."""

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from openglia.errors import shown
from openglia.problems.refusals import Model, refusal
from openglia.problems.routing.benchmark.definition import BASELINES, OF_SLO
from openglia.problems.routing.benchmark.objectives import OBJECTIVES
from openglia.problems.routing.benchmark.scalars import Number, Seconds, Text


def _metric(value: Any) -> str:
    if not isinstance(value, str) or value not in OBJECTIVES:
        raise refusal("", f"must be one of {', '.join(OBJECTIVES)}, not {shown(value)}")
    return value


Metric = Annotated[str, BeforeValidator(_metric)]


class Slo(Model):
    """See ``definition.Slo``."""

    ttft: Seconds | None = None
    tpot: Seconds | None = None

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        if self.ttft is None and self.tpot is None:
            raise refusal("", "needs ttft or tpot, in seconds")
        return self


class Constraint(Model):
    """See ``definition.Constraint``."""

    metric: Metric
    at_most: Number | None = Field(None, gt=0)
    at_least: Number | None = Field(None, gt=0)
    relative_to: Text | None = None

    @model_validator(mode="after")
    def _has_one_bound(self) -> Self:
        if (self.at_most is None) == (self.at_least is None):
            raise refusal("", "needs either at_most or at_least")
        return self


class Scoring(Model):
    """What a router is scored by, held to, and compared with."""

    objective: Metric
    slo: Slo | None = None
    constraints: list[Constraint] = Field(default_factory=list)
    baselines: list[Any] = Field(min_length=1)

    @model_validator(mode="after")
    def _can_be_measured(self) -> Self:
        for baseline in self.baselines:
            if baseline not in BASELINES:
                reason = f"{shown(baseline)} is none of {', '.join(BASELINES)}"
                raise refusal("baselines", reason)
        metrics = {"objective": self.objective}
        for place, constraint in enumerate(self.constraints):
            key = f"constraints[{place}]"
            metrics[f"{key}.metric"] = constraint.metric
            if constraint.relative_to not in (None, *self.baselines):
                reason = f"{shown(constraint.relative_to)} is none of this file's baselines"
                raise refusal(f"{key}.relative_to", reason)
        for key, metric in metrics.items():
            if metric in OF_SLO and self.slo is None:
                raise refusal(key, f"{metric} needs slo, such as {{ttft: 5, tpot: 0.1}}")
        return self
