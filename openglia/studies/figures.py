"""What runs show together: a row for each, and a line for each method on each problem."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from openglia.measuring.bootstrap import bootstrap_interval
from openglia.measuring.pairs import compare
from openglia.presenting import spent
from openglia.presenting.objective import Objective
from openglia.presenting.score import Keys
from openglia.presenting.tolerant import at, number
from openglia.report import comparing, verdict
from openglia.report.data import Run
from openglia.studies.conducting import DONE
from openglia.studies.definition import Planned

SHARE = 0.9  # of the best gain on a problem, whose reaching is told

Begun = Sequence[tuple[Planned, Run]]


def rows(begun: Begun) -> pd.DataFrame:
    """One row for each run that has begun, in the order of the plan.

    ``reached`` is the evaluation after which the run had ``SHARE`` of the best gain that any run
    of the study has on the problem, on the evaluation cases; ``reached_seconds`` the time of
    discovery until then. Missing: not reached.
    """
    found = [_row(planned, run) for planned, run in begun]
    for row, (planned, run) in zip(found, begun, strict=True):
        target = SHARE * _best_gain(other for which, other in begun if _same(which, planned))
        entry = _first(run, target) if target > 0 else None
        row["reached"] = None if entry is None else entry + 1
        row["reached_seconds"] = None if entry is None else run.entries[entry].elapsed
    return pd.DataFrame(found)


def summary(table: pd.DataFrame, objective: Objective, reference: str) -> list[dict[str, Any]]:
    """A line for each method in the rows of one problem: its runs that are done.

    ``interval`` is that of the mean (90 %, bootstrap over runs). ``against`` compares with the
    method ``reference`` in pairs of the same seed; None where there are none. Half of the runs
    reach their goal with ``reached`` evaluations; infinite where fewer than half do.
    """
    by_method = {
        method: runs[runs["status"].isin(DONE)]
        for method, runs in table.groupby("method", sort=False)
    }
    return [
        _line(str(method), runs, by_method.get(reference, runs.iloc[:0]), objective)
        for method, runs in by_method.items()
    ]


def path(run: Run) -> pd.Series:
    """The best value so far after 0, 1, 2, ... evaluations; the first is the start's.

    What breaks a constraint is none.
    """
    objective = run.objective
    scores = [run.score("stub", "evaluation")]
    scores += [entry.score if entry.full else Keys().of(None) for entry in run.entries]
    values = [None if score.broken else score.value for score in scores]
    costs = pd.Series([math.nan if v is None else objective.cost(v) for v in values])
    best = costs.cummin().ffill()
    return best if objective.lower_is_better else -best


def bands(runs: Iterable[Run]) -> pd.DataFrame:
    """Median and quartiles of the best value so far by the number of evaluations.

    A run that ended keeps its best as long as others of the method go on.
    """
    paths = pd.concat([path(run) for run in runs], axis=1).ffill()
    bounds = paths.quantile([0.25, 0.5, 0.75], axis=1).T
    return bounds.set_axis(["low", "median", "high"], axis=1)


def _row(planned: Planned, run: Run) -> dict[str, Any]:
    held_out = comparing.held_out(run)
    used = spent.total(run.results)
    low, high = (held_out and held_out.interval) or (None, None)
    return {
        "method": planned.method,
        "problem": planned.problem,
        "seed": planned.seed,
        "run": run.name,
        "status": run.status,
        "evaluations": len(run.entries),
        "ratio_held_out": held_out.value if held_out else None,
        "low": low,
        "high": high,
        "ratio_evaluation": verdict.ratio_to_yardstick(run, "evaluation"),
        "overfitting": at(run.results, "verification", "overfitting"),
        "broken": _broken(run),
        "seconds": number(run.results, "elapsed_seconds"),
        "tokens": used.tokens,
        "usd": used.usd if used.priced_calls else None,
    }


def _broken(run: Run) -> bool | None:
    """Whether the final candidate breaks a constraint, on held-out cases; None: there is none."""
    found = [run.score("final", group) for group in ("held_out", "evaluation")]
    constrained = [score for score in found if score.constraints]
    return bool(constrained[0].broken) if constrained else None


def _same(one: Planned, other: Planned) -> bool:
    return one.problem == other.problem


def _gains(run: Run) -> pd.Series:
    """What is gained on the yardstick after 1, 2, ... evaluations, in units of the objective."""
    yardstick = run.mean(run.yardstick, "evaluation")
    sign = -1 if run.objective.lower_is_better else 1
    base = math.nan if yardstick is None else yardstick
    return (sign * (path(run) - base)).iloc[1:].reset_index(drop=True)


def _best_gain(runs: Iterable[Run]) -> float:
    best = [gains.max() for run in runs if len(gains := _gains(run).dropna())]
    return float(max(best, default=0.0))


def _first(run: Run, target: float) -> int | None:
    """The index of the evaluation that reached the target."""
    gains = _gains(run)
    reached = gains[gains >= target]
    return None if reached.empty else int(str(reached.index[0]))


def _line(
    method: str, runs: pd.DataFrame, reference: pd.DataFrame, objective: Objective
) -> dict[str, Any]:
    scores = runs.dropna(subset=["ratio_held_out"]).set_index("seed")["ratio_held_out"]
    others = reference.dropna(subset=["ratio_held_out"]).set_index("seed")["ratio_held_out"]
    shared = scores.index.intersection(others.index)
    compared = not runs.empty and not reference.empty and method != reference["method"].iloc[0]
    told, broken = runs["overfitting"].dropna(), runs["broken"].dropna()
    kept = runs[~runs["broken"].eq(True)].dropna(subset=["ratio_held_out"])["ratio_held_out"]
    return {
        "method": method,
        "runs": len(runs),
        "scored": len(scores),
        "best": min(kept, key=objective.cost, default=None),
        "median": scores.median(),
        "mean": scores.mean(),
        "interval": bootstrap_interval(scores.tolist()),
        "against": compare(scores[shared].tolist(), others[shared].tolist())
        if compared and len(shared)
        else None,
        "evaluations": runs["evaluations"].median(),
        "reached": runs["reached"].astype(float).fillna(math.inf).median(),
        "reached_seconds": runs["reached_seconds"].astype(float).fillna(math.inf).median(),
        "reached_share": runs["reached"].notna().mean(),
        "overfitting": told.astype(float).mean() if len(told) else None,
        "broken": broken.astype(float).mean() if len(broken) else None,
        "seconds": runs["seconds"].median(),
        "usd": runs["usd"].astype(float).mean(),
    }
