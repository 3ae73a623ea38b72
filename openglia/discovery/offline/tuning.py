"""The search where a candidate is numbers alone: Optuna's TPE in the place of climbing.

Draws move one number after the other, far. From then on the tree-structured Parzen estimator
(Bergstra et al. 2011), told what was measured so far, proposes values for all numbers that a draw
could change without a failure. The others, such as an index, stay as they are.

Imports inside functions are of Optuna, which takes most of a second: only who gets there waits.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openglia.discovery.offline.search import (
    CONFIRM,
    FIRST_STEP,
    SCREENED,
    Measurement,
    Search,
    Trial,
    Trials,
)
from openglia.problems.space import Numbers, Range

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution

DRAWS = 2  # of each number
DRAWN = 1 / 3  # of the evaluations, at most
ABLATE = 0.1  # of the evaluations of a round
PROPOSALS = 50  # after which nothing new is to be expected


@dataclass
class Tuning(Search):
    """A ``Search`` of numbers."""

    space: Numbers

    method = "Draws that moved one number each, and then proposals of Optuna's TPE,"

    def _plan(self, budget: int) -> Trials:
        draws = min(DRAWS * len(self.space.ranges), int(DRAWN * budget))
        yield from self._round(budget, max(1, draws))

    def _refine(self, evaluations: int) -> Trials:
        yield from self._round(evaluations, 0)

    def _round(self, budget: int, draws: int) -> Trials:
        few = self.screens and budget >= SCREENED
        confirm = max(1, round(CONFIRM * budget)) if few else 0
        ablate = int(ABLATE * budget)
        yield from self._explore(draws, full=not few)
        yield from self._climb(budget - draws - confirm - ablate, full=not few)
        yield from self._confirm(confirm)
        yield from self._ablate(ablate)

    def _climb(self, count: int, first_step: float = FIRST_STEP, *, full: bool = False) -> Trials:
        yield None
        places = self._movable()
        if not places:
            yield from super()._climb(count, first_step, full=full)
            return
        from optuna.trial import TrialState

        ranges = {str(place): _distribution(self.space.ranges[place]) for place in places}
        study = self._study(ranges, full=full)
        for _ in range(count):
            known = self._known(full=full)
            for _ in range(PROPOSALS):
                # One that is known is left unanswered, which keeps TPE away from it.
                proposal = study.ask(ranges)
                point = self._point(proposal.params)
                if point not in known:
                    break
            else:
                return
            yield Trial(point, full, "climb", "proposed by TPE")
            yield None
            cost = _cost(self.measurements[-1])
            study.tell(proposal, cost, TrialState.PRUNED if cost is None else None)

    def _movable(self) -> list[int]:
        """The places of numbers that were changed in a candidate that did not fail."""
        start = self.space.start
        alive = [m.trial.point for m in self.measurements if m.score is not None]
        return [
            place
            for place, value in enumerate(start)
            if any(point[place] != value for point in alive)
        ]

    def _study(self, ranges: Mapping[str, "BaseDistribution"], *, full: bool) -> "Study":
        """TPE, told what was measured at one fidelity; a failure is the worst that there is."""
        import optuna
        from optuna.trial import TrialState, create_trial

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.TPESampler(n_startup_trials=1, seed=self._random.getrandbits(32))
        study = optuna.create_study(sampler=sampler)
        for measured in self.measurements:
            values = {name: measured.trial.point[int(name)] for name in ranges}
            if measured.trial.full == full and self._within(measured.trial.point, ranges):
                cost = _cost(measured)
                study.add_trial(
                    create_trial(
                        state=TrialState.PRUNED if cost is None else TrialState.COMPLETE,
                        value=cost,
                        params=values,
                        distributions=dict(ranges),
                    )
                )
        return study

    def _within(self, point: Sequence[float], ranges: Container[str]) -> bool:
        """Whether TPE could have proposed it."""
        return all(
            allowed.low <= value <= allowed.high if str(place) in ranges else value == start
            for place, (value, start, allowed) in enumerate(
                zip(point, self.space.start, self.space.ranges, strict=True)
            )
        )

    def _point(self, values: Mapping[str, float]) -> tuple[float, ...]:
        """The start with other values at some places, of six digits."""
        point = list(self.space.start)
        for name, value in values.items():
            point[int(name)] = float(f"{value:.6g}")
        return tuple(point)


def _cost(measured: Measurement) -> float | None:
    """What TPE lowers; None: it failed, or breaks a constraint."""
    score = measured.score
    return None if score is None or score.violation > 0 else score.cost


def _distribution(numbers: Range) -> "BaseDistribution":
    from optuna.distributions import FloatDistribution, IntDistribution

    if numbers.whole:
        return IntDistribution(int(numbers.low), int(numbers.high), log=numbers.log)
    return FloatDistribution(numbers.low, numbers.high, log=numbers.log)
