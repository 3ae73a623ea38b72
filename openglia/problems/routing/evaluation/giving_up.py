"""Giving an evaluation up after a few seeds, where whoever asked needs no more of a bad router."""

import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from openglia.problems.routing.benchmark.objectives import OBJECTIVES
from openglia.problems.routing.evaluation.simulation import Simulations

FEW = 4  # seeds


class GivingUp:
    """Ends simulations with the first ``FEW`` seeds if the objective on them is worse than a bound.

    Only these decide, and only these are left, so that it does not depend on the timing.
    """

    def __init__(self, work: Simulations, bound: float | None) -> None:
        """``bound`` in the objective's unit; None: it never does."""
        self._work = work
        self._bound = bound if len(work.traces) > FEW else None
        self._first = list(work.traces)[:FEW]
        self.why: str | None = None  # once it did

    def __call__(self, done: Mapping[int, Path]) -> bool:
        """Whether to end; ``done``: the seeds that are simulated, with their folders."""
        if self._bound is None or not done.keys() >= set(self._first):
            return False
        # Late: this loads while the simulations run.
        from openglia.problems.routing.evaluation.requests import InvalidResultError, read_seed
        from openglia.problems.routing.evaluation.statistics import metric

        traces, benchmark = self._work.traces, self._work.benchmark
        objective = OBJECTIVES[benchmark.objective]
        values: list[float | None] = []
        with suppress(InvalidResultError):  # said when the figures are made
            for seed in self._first:
                requests = read_seed(done[seed], traces[seed])
                values.append(metric(objective.name, requests, benchmark))
        known = [value for value in values if value is not None]
        if len(known) == FEW and objective.better(self._bound, mean := fmean(known)):
            side = "above" if objective.lower_is_better else "below"
            self.why = (
                f"the {objective.words} of {FEW} seeds, {objective.shown(mean)}, is {side} "
                f"{f'{self._bound:g} {objective.unit}'.rstrip()}"
            )
        self._bound = None  # asked once
        return self.why is not None

    def rest(self) -> Simulations:
        """What is left: the others' folders are removed, whole or not."""
        for seed in self._work.traces.keys() - set(self._first):
            shutil.rmtree(self._work.folder / f"seed_{seed}", ignore_errors=True)
        return replace(self._work, traces={seed: self._work.traces[seed] for seed in self._first})
