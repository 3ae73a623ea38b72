"""The search on a synthetic objective."""

import hashlib
import math

import pytest

from openglia.discovery.offline.search import Search
from openglia.presenting.objective import Rank
from openglia.problems.routing.family import policy
from openglia.problems.routing.family.space import ROUTERS
from openglia.problems.space import described

SPACE = ROUTERS


def objective(parameters, full):
    """Best at 5: a projected admission in order of the shortest prompt, caution 1, horizon 300."""
    score = 40.0
    score -= 15 * (parameters.order == "shortest_prompt")
    if parameters.admission == "projected":
        score -= 20 - 5 * abs(parameters.caution - 1) - 3 * abs(math.log(parameters.horizon / 300))
    return score + (0 if full else 0.5 * math.sin(hash_of(parameters)))


def hash_of(parameters):
    return sum(map(ord, repr(parameters).replace("boost=0, ", "")))  # which came later


def run(search, fail=lambda trial: False, most=1):
    asked = []
    while trials := search.ask(most):
        assert len(trials) <= most
        assert len({trial.full for trial in trials}) == 1
        asked += trials
        for trial in trials:
            score = None if fail(trial) else Rank(0.0, objective(trial.point, trial.full))
            search.tell(trial, score)
    return asked


def test_it_climbs_and_keeps_to_its_budget():
    search = Search(SPACE, seed=1, budget=90)
    trials = run(search)
    assert len(trials) == 90
    drawn = [m.score for m in search.measurements if m.trial.phase == "explore"]
    assert search.best[0].cost < min(drawn).cost - 1
    assert search.best[0].cost < 12


def test_the_same_seed_gives_the_same_search_and_another_does_not():
    first, second, third = (run(Search(SPACE, seed=seed, budget=60)) for seed in (4, 4, 5))
    assert first == second
    assert first != third


@pytest.fixture
def family_of_then(monkeypatch):
    """Without the alternatives that ablations have tried since the known routers were measured."""
    for choice in policy.CHOICES:
        for option in list(choice.further):
            monkeypatch.delitem(choice.further, option)


@pytest.mark.parametrize("most", [1, 2, 4, 100])
@pytest.mark.parametrize(
    ("seed", "digest"),
    [(0, "26d2262162faaa88"), (1, "919771fad1dd8742"), (2, "70fd9037a52a41ae")],
)
def test_a_run_of_long_ago_is_repeated_by_its_seed(seed, digest, most, family_of_then):
    """However many are measured side by side."""
    assert trials_of(seed, most) == digest


@pytest.mark.parametrize("most", [1, 4])
def test_a_run_of_today_is_repeated_by_its_seed(most):
    assert trials_of(0, most) == "76dc4c3badfca909"


def trials_of(seed: int, most: int) -> str:
    search = Search(SPACE, seed=seed, budget=60)
    trials = run(search, most=most)
    search.extend(20)
    trials += run(search, most=most)
    lines = [
        f"{trial.full} {trial.phase} {trial.reason}: {described(SPACE.settings(trial.point))}"
        for trial in trials
    ]
    then = "\n".join(lines).replace("on few cases", "on few seeds")  # the word of that time
    return hashlib.sha256(then.encode()).hexdigest()[:16]


def test_no_router_is_measured_twice_at_one_fidelity():
    search = Search(SPACE, seed=2, budget=90)
    trials = run(search)
    search.extend(40)
    trials += run(search)
    keys = [(trial.point, trial.full) for trial in trials]
    assert len(set(keys)) == len(keys)


def test_only_full_measurements_decide():
    search = Search(SPACE, seed=3, budget=60)
    run(search)
    full = {m.trial.point: m.score for m in search.measurements if m.trial.full}
    assert search.best[0] == min(full.values())
    assert {"explore", "climb", "confirm", "ablate"} == {m.trial.phase for m in search.measurements}


def test_a_further_round_goes_on_from_the_best():
    search = Search(SPACE, seed=6, budget=40)
    run(search)
    before = search.best[0]
    search.extend(60)
    assert len(run(search)) > 40
    assert search.best[0] <= before


def test_failed_evaluations_are_not_scores():
    search = Search(SPACE, seed=1, budget=60)
    run(search, fail=lambda trial: trial.point.admission != "cap")
    assert search.best[1].admission == "cap"
    search = Search(SPACE, seed=1, budget=60)
    run(search, fail=lambda trial: True)
    assert search.best is None


@pytest.mark.parametrize("most", [1, 4])
@pytest.mark.parametrize("fail", [False, True])
def test_any_budget_is_used_to_the_last(fail, most):
    for budget in range(25):
        for seed in range(3):
            search = Search(SPACE, seed=seed, budget=budget)
            assert len(run(search, lambda trial: fail, most)) == budget
            search.extend(budget // 2)
            assert len(run(search, lambda trial: fail, most)) == budget // 2


def test_what_does_not_depend_on_another_is_asked_for_together():
    search, sizes = Search(SPACE, seed=1, budget=90), []
    while trials := search.ask(4):
        sizes.append((trials[0].phase, len(trials)))
        for trial in trials:
            search.tell(trial, Rank(0.0, objective(trial.point, trial.full)))
    assert {size for phase, size in sizes if phase == "climb"} == {1}
    assert all(4 in {s for p, s in sizes if p == phase} for phase in ("explore", "ablate"))
    assert len(sizes) < 65


def test_a_tiny_budget_still_finds_a_router():
    for budget in range(1, 6):
        search = Search(SPACE, seed=1, budget=budget)
        run(search)
        assert search.best is not None
