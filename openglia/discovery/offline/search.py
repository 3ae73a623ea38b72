"""The search itself: which candidate to try next, given what was measured. No input, no output.

Successive halving over two fidelities. A *screening* measures a few cases; what looks good there
is measured on the *full* benchmark, and only full measurements decide. The phases:

1. explore: candidates drawn from all over the space;
2. climb: neighbours of the best, with smaller and smaller steps, now and then a fresh start;
3. confirm: the best of the screening on the full benchmark;
4. ablate: around the best, each choice replaced and each number taken out, on the full benchmark.

Where earlier searches have handed over points, the best of these are measured first (*inherit*),
in the place of up to half of the draws.

An ablation that beats the best takes its place: the rest of the budget starts from there. A budget
too small for two fidelities goes into full measurements of such draws, and what the phases leave
over into fine steps around the best.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, ClassVar, Literal

from openglia.presenting.objective import Rank
from openglia.problems.space import Space, described

Phase = Literal["inherit", "explore", "climb", "confirm", "ablate"]

# Shares of the evaluations of a round. Confirmations and ablations get what the others leave.
EXPLORE = 0.38
CLIMB = 0.42
CONFIRM = 0.1
PARENTS = 4  # points that climbing starts from
FRESH_STARTS = 0.15  # of the climbing steps
SCREENED = 4  # evaluations from which on a screening pays
FIRST_STEP, LAST_STEP = 0.25, 0.04  # of a number's range


@dataclass(frozen=True)
class Trial:
    """A candidate to be measured, and why."""

    point: Any
    full: bool  # on all evaluation cases, or on a few
    phase: Phase
    reason: str


Trials = Iterator[Trial | None]  # None: what comes next depends on what those before it gave


@dataclass(frozen=True)
class Measurement:
    """A trial with its rank, the lower the better; None: the evaluation failed."""

    trial: Trial
    score: Rank | None


@dataclass
class Search:
    """Asks for trials and is told their scores; the same seed and scores give the same trials."""

    space: Space
    seed: int
    budget: int  # evaluations that the search may ask for in all
    screens: bool = True  # whether few cases are cheaper than all
    inherited: Sequence[Any] = ()  # points of earlier searches, the best first
    measurements: list[Measurement] = field(default_factory=list)

    method: ClassVar[str] = "Random draws and local moves"  # for the account

    def __post_init__(self) -> None:
        self._random = Random(self.seed)
        self._asked: list[Trial] = []  # and not told yet
        self._trials = self._exactly(self.budget, self._plan(self.budget))

    def ask(self, most: int = 1) -> list[Trial]:
        """The next trials, none when the budget is used up. They are to be told in order; what
        was not told is asked for again.

        There are ``most``, or fewer where those to come depend on what these give. The trials are
        the same ones, in the same order, whatever is asked for at once.
        """
        for trial in self._trials if not self._asked else ():
            if trial is not None:
                self._asked.append(trial)
            if self._asked and (trial is None or len(self._asked) == most):
                break
        return self._asked[:most]

    def tell(self, trial: Trial, score: Rank | None) -> None:
        """Take note of what a trial gave."""
        self._asked.remove(trial)
        self.measurements.append(Measurement(trial, score))

    def extend(self, evaluations: int) -> None:
        """Go on for a further round, from what is known."""
        self.budget += evaluations
        self._trials = self._exactly(evaluations, self._refine(evaluations))

    def ranking(self, *, full: bool) -> list[tuple[Rank, Any]]:
        """Ranks and points measured at one fidelity, the best first."""
        scores = {
            m.trial.point: m.score
            for m in self.measurements
            if m.trial.full == full and m.score is not None
        }
        # Ties go to whichever was measured first: sorting is stable.
        return sorted(((score, p) for p, score in scores.items()), key=lambda pair: pair[0])

    @property
    def best(self) -> tuple[Rank, Any] | None:
        """The best on the full benchmark."""
        return next(iter(self.ranking(full=True)), None)

    def _exactly(self, count: int, trials: Trials) -> Trials:
        """``count`` trials: those given, and fine steps from the best for what they leave over."""
        for trial in trials if count else ():
            yield trial
            count -= trial is not None
            if not count:
                break
        for _ in range(count):
            yield None
            if self.best is None:
                draw, reason = partial(self.space.sample, self._random), "a fresh start"
            else:
                draw = partial(self.space.neighbour, self.best[1], self._random, LAST_STEP)
                reason = "a fine step from the best"
            if drawn := self._fresh(draw, full=True):
                yield Trial(drawn, True, "climb", reason)

    def _plan(self, budget: int) -> Trials:
        if not self.screens:
            explore = max(1, int(EXPLORE * budget))
            yield from self._explore(explore, full=True)
            yield from self._climb(budget - explore, full=True)
            return
        if budget < SCREENED:
            yield from self._explore(budget, full=True)
            return
        explore, climb = int(EXPLORE * budget), int(CLIMB * budget)
        confirm = max(1, round(CONFIRM * budget))
        yield from self._explore(explore)
        yield from self._climb(climb)
        yield from self._confirm(min(confirm, budget - explore - climb))
        yield from self._ablate(budget - explore - climb - confirm)

    def _refine(self, evaluations: int) -> Trials:
        if not self.screens:
            yield from self._climb(evaluations, first_step=FIRST_STEP / 2, full=True)
            return
        climb = int(0.6 * evaluations)
        confirm = max(1, int(0.2 * evaluations))
        yield from self._climb(climb, first_step=FIRST_STEP / 2)
        yield from self._confirm(confirm)
        yield from self._ablate(evaluations - climb - confirm)

    def _explore(self, count: int, *, full: bool = False) -> Trials:
        inherited = self.inherited[: (count + 1) // 2]
        for point in inherited:
            yield Trial(point, full, "inherit", "handed over by an earlier search")
        for number in range(count - len(inherited)):
            drawn = self._fresh(partial(self.space.explore, number, self._random))
            if drawn is not None:
                yield Trial(drawn, full, "explore", "drawn from the whole family")

    def _climb(self, count: int, first_step: float = FIRST_STEP, *, full: bool = False) -> Trials:
        for number in range(count):
            yield None
            parents = [p for _, p in self.ranking(full=full)[:PARENTS]]
            if not parents or self._random.random() < FRESH_STARTS:
                drawn = self._fresh(partial(self.space.sample, self._random))
                reason = "a fresh start"
            else:
                step = first_step * (LAST_STEP / first_step) ** (number / count)
                # The best is tried most; the others keep the search from narrowing too soon.
                weights = [2.0**-rank for rank in range(len(parents))]
                parent = self._random.choices(parents, weights)[0]
                drawn = self._fresh(partial(self.space.neighbour, parent, self._random, step))
                reason = f"near {described(self.space.settings(parent))}"
            if drawn is not None:
                yield Trial(drawn, full, "climb", reason)

    def _confirm(self, count: int) -> Trials:
        yield None
        for _ in range(count):
            done = self._known(full=True)
            waiting = [p for _, p in self.ranking(full=False) if p not in done]
            if not waiting:
                return
            yield Trial(waiting[0], True, "confirm", "among the best on few cases")

    def _ablate(self, count: int) -> Trials:
        spent = 0
        yield None
        while spent < count and self.best is not None:
            base = self.best[1]
            done = self._known(full=True)
            for change, changed in self.space.alternatives(base, self._random):
                if changed in done:
                    continue
                if spent == count:
                    return
                spent += 1
                yield Trial(changed, True, "ablate", change)
            yield None
            if self.best[1] == base:  # all is known around it: fine steps on the full benchmark
                step = LAST_STEP
                while spent < count and self.best[1] == base:
                    near = self._fresh(
                        partial(self.space.neighbour, base, self._random, step), full=True
                    )
                    if near is None:
                        return
                    spent += 1
                    yield Trial(near, True, "climb", "a fine step from the best")
                    yield None

    def _fresh(self, draw: Callable[[], Any], *, full: bool = False) -> Any | None:
        """A point that was not measured yet; None if none is found."""
        known = self._known(full=True)
        if not full:
            known |= self._known(full=False)
        for _ in range(50):
            drawn = draw()
            if drawn not in known:
                return drawn
        return None

    def _known(self, *, full: bool) -> set[Any]:
        """What was asked for at one fidelity."""
        trials = [*(m.trial for m in self.measurements), *self._asked]
        return {trial.point for trial in trials if trial.full == full}
