"""What a benchmark asks for, in words for those who are to discover a router."""

from openglia.problems.routing.benchmark.definition import (
    BASELINE_WORDS,
    Benchmark,
    Constraint,
    Slo,
)
from openglia.problems.routing.benchmark.objectives import OBJECTIVES

_MEANING = {
    "response_time": "completion minus arrival",
    "ttft": "time to first token: the first output token minus arrival",
    "tpot": "time per output token after the first, of requests that have two or more",
}


def goal(benchmark: Benchmark) -> str:
    """Objective, SLO and constraints, as Markdown."""
    objective = OBJECTIVES[benchmark.objective]
    better = "Lower" if objective.lower_is_better else "Higher"
    parts = [
        f"The **{objective.words}** ({_meaning(benchmark.objective, benchmark.slo)}) of all "
        f"requests of a seed, averaged over the benchmark's evaluation seeds. {better} is better."
    ]
    if benchmark.constraints:
        parts.append(
            "Candidates are held to constraints, averaged over seeds in the same way. One that "
            "breaks a constraint, by however little, is ranked below all that keep them, and the "
            "lower the more it breaks:"
        )
        parts.append("\n".join(f"- {_bound(one, benchmark.slo)}" for one in benchmark.constraints))
    return "\n\n".join(parts)


def _bound(constraint: Constraint, slo: Slo | None) -> str:
    objective = OBJECTIVES[constraint.metric]
    side, bound = "at most" if constraint.at_least is None else "at least", constraint.bound
    limit = f"{bound:g} {objective.unit}".rstrip()
    if (router := constraint.relative_to) is not None:
        own = f"{BASELINE_WORDS.get(router, router)}'s on the same seeds"
        limit = own if bound == 1 else f"{bound:g} times {own}"
    return f"{objective.words} ({_meaning(constraint.metric, slo)}): {side} {limit}"


def _meaning(metric: str, slo: Slo | None) -> str:
    if slo is not None and metric == "goodput":
        return f"requests, per second in which requests arrive, {_within(slo)}"
    if slo is not None and metric == "slo_attainment":
        return f"the share of the requests {_within(slo)}"
    return next(words for name, words in _MEANING.items() if metric.endswith(name)) + ", in seconds"


def _within(slo: Slo) -> str:
    bounds = {"TTFT": slo.ttft, "TPOT": slo.tpot}
    named = [f"a {name} of at most {s:g} s" for name, s in bounds.items() if s is not None]
    return f"that have {' and '.join(named)}"
