"""The search of a program's numbers by Optuna's TPE, on synthetic objectives."""

import math

import pytest

from openglia.discovery.offline.researcher import begun
from openglia.discovery.offline.search import Search
from openglia.discovery.offline.tuning import Tuning
from openglia.presenting.objective import Rank
from openglia.problems.folder.literals import literals
from openglia.problems.routing.family.space import ROUTERS

SPACE = literals("a, b, c, d = 0.5, 20, 3.0, 100\nindex, length, offset = 0, 2, 1\n")
BEST = (0.05, 60.0, 2.0, 700.0)


def cost(point):
    """0 at best; a change of the last three numbers breaks the program."""
    if point[4:] != (0, 2, 1) or min(point[:4]) <= 0:
        return None
    return sum(math.log(value / best) ** 2 for value, best in zip(point, BEST, strict=False))


def run(search, most=1, cost=cost):
    asked = []
    while trials := search.ask(most):
        for trial in trials:
            asked.append(trial)
            found = cost(trial.point)
            search.tell(trial, None if found is None else Rank(0.0, found))
    return asked


def tuning(seed, budget, *, screens=False):
    return Tuning(SPACE, seed=seed, budget=budget, screens=screens)


def test_what_is_numbers_alone_is_searched_by_tpe():
    assert isinstance(begun(SPACE, 0, 10, screens=False), Tuning)
    assert type(begun(ROUTERS, 0, 10, screens=True)) is Search


@pytest.mark.parametrize("seed", [0, 1])
def test_it_comes_near_though_most_changes_of_some_numbers_fail(seed):
    search = tuning(seed, 75)
    trials = run(search)
    assert len(trials) == 75
    assert search.best[0].cost < 0.2 * cost(SPACE.start)
    proposed = [t for t in trials if t.reason == "proposed by TPE"]
    assert len(proposed) > 45
    assert {t.point[4:] for t in proposed} == {(0, 2, 1)}
    for trial in proposed:
        for value, allowed in zip(trial.point, SPACE.ranges, strict=True):
            assert allowed.low <= value <= allowed.high
    changes = [t.point for t in trials if t.phase == "ablate"]
    assert len(changes) > 3  # the account attributes the gain to its parts


@pytest.mark.parametrize("screens", [False, True])
def test_a_seed_repeats_however_many_are_measured_at_once(screens):
    runs = []
    for seed, most in ((3, 1), (3, 4), (4, 4)):
        search = tuning(seed, 30, screens=screens)
        trials = run(search, most)
        search.extend(10)
        runs.append(trials + run(search, most))
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
    assert any(not trial.full for trial in runs[0]) is screens
    points = [(trial.point, trial.full) for trial in runs[0]]
    assert len(set(points)) == len(points)


@pytest.mark.parametrize("screens", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_any_budget_is_used_to_the_last(screens, fails):
    for budget in (1, 2, 3, 4, 7, 12):
        search = tuning(1, budget, screens=screens)
        price = (lambda point: None) if fails else cost
        assert len(run(search, cost=price)) == budget
        search.extend(5)
        assert len(run(search, cost=price)) == 5
        assert (search.best is None) is fails


def test_few_possibilities_are_no_trouble():
    space = literals("x = 1\n")
    search = Tuning(space, seed=0, budget=20, screens=False)
    trials = run(search, cost=lambda point: abs(point[0] - 7))
    assert len({trial.point for trial in trials}) == len(trials) > 10  # and then ends
    assert search.best == (Rank(0, 0), (7,))


def test_numbers_that_stand_for_something_else_stay():
    space = literals("a, b, c, d, e, f = 1e-12, 1e300, 10**400, 0, 0.25, 4\n" + "g = 1" + "0" * 400)
    assert [number.value for number in space.numbers] == [10, 400, 0, 0.25, 4]
    by_value = dict(zip(space.start, space.ranges, strict=True))
    assert (by_value[0].low, by_value[0].high, by_value[0].log) == (-10, 10, False)
    assert (by_value[0.25].low, by_value[0.25].high, by_value[0.25].whole) == (0.025, 2.5, False)
    assert (by_value[4].low, by_value[4].high, by_value[4].whole) == (1, 40, True)
