"""Giving an evaluation up after a few seeds, where whoever asked needs no more of a bad router."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from openglia.problems.routing.evaluation.simulation import Simulations

FEW = 4  # seeds


class GivingUp:
    """Ends simulations with the first ``FEW`` seeds if their mean response time is above a bound.

    Only these decide, and only these are left, so that it does not depend on the timing.
    """

    def __init__(self, work: Simulations, bound: float | None) -> None:
        """``bound`` in seconds; None: it never does."""
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

        traces = self._work.traces
        try:
            read = [read_seed(done[seed], traces[seed]) for seed in self._first]
        except InvalidResultError:  # said when the figures are made
            read = []
        mean = fmean(float(seed["request_e2e_time"].mean()) for seed in read) if read else 0.0
        if mean > self._bound:
            self.why = (
                f"the mean response time of {FEW} seeds, {mean:.2f} s, is above {self._bound:g} s"
            )
        self._bound = None  # asked once
        return self.why is not None

    def rest(self) -> Simulations:
        """What is left: the others' folders are removed, whole or not."""
        for seed in self._work.traces.keys() - set(self._first):
            shutil.rmtree(self._work.folder / f"seed_{seed}", ignore_errors=True)
        return replace(self._work, traces={seed: self._work.traces[seed] for seed in self._first})
