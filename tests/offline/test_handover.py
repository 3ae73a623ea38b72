"""What a generation of the offline researcher tells the next, and what that makes of it."""

import json
from random import Random

import pytest
from test_offline_discovery import run
from test_search import objective
from test_search import run as searched
from test_tuning import SPACE as NUMBERS
from test_tuning import run as tuned

from openglia.discovery import digests
from openglia.discovery.offline import handover
from openglia.discovery.offline.account import Account, Notebook
from openglia.discovery.offline.researcher import begun
from openglia.discovery.offline.search import Search
from openglia.discovery.prompts import prompt
from openglia.presenting.objective import Rank
from openglia.problems.routing.family.space import ROUTERS
from openglia.problems.routing.family.task import TASK
from openglia.problems.scheduling.family.task import SCHEDULERS


def digest_of(search, inherited=()):
    return handover.digest(Account(Notebook(), TASK, search, None), inherited)


def points_in(message):
    return [point for _, point in handover.inherited(message, ROUTERS)]


@pytest.mark.parametrize("space", [ROUTERS, SCHEDULERS, NUMBERS])
def test_settings_that_went_through_a_digest_are_the_same_point(space):
    random = Random(3)
    for number in range(40):
        point = space.neighbour(space.explore(number, random), random, 0.2)
        kept = json.loads(json.dumps(dict(space.settings(point))))
        found = space.point(kept)
        assert (found, space.render(found)) == (point, space.render(point))
    assert space.point(space.settings(point) | {"another": 1}) is None


@pytest.mark.parametrize(
    "change",
    [{"order": "alphabetical"}, {"order": 3}, {"margin": "a lot"}, {"margin": 0.9}, {"cap": 5}],
)
def test_settings_of_no_router(change):
    settings = ROUTERS.settings(ROUTERS.sample(Random(1), admission="projected"))
    assert ROUTERS.point(settings) is not None
    assert ROUTERS.point(settings | change) is None
    assert ROUTERS.point({}) is None


def test_a_number_that_was_taken_out_is_handed_over():
    point = ROUTERS.sample(Random(1), admission="projected")
    without = dict(ROUTERS.alternatives(point, Random(0)))
    name = next(words for words in without if words.startswith("without caution"))
    assert ROUTERS.point(ROUTERS.settings(without[name])) == without[name]


def test_the_digest_has_its_form_and_tells_the_best_points():
    search = Search(ROUTERS, seed=1, budget=60)
    searched(search)
    text = digest_of(search)
    assert digests.problem(text) is None
    points = [point for _, point in search.ranking(full=True)[: handover.HANDED_OVER]]
    assert points_in(f"A task.\n\n{text}\n") == points
    assert digests.problem(digest_of(Search(ROUTERS, seed=1, budget=0))) is None


def test_what_several_hand_over_is_told_by_rank():
    searches = [Search(ROUTERS, seed=seed, budget=40) for seed in (1, 2)]
    for search in searches:
        searched(search)
    joined = "\n".join(f"# Of context {n}\n\n{digest_of(s)}" for n, s in enumerate(searches))
    ranks = [
        rank for search in searches for rank, _ in search.ranking(full=True)[: handover.HANDED_OVER]
    ]
    found = handover.inherited(joined, ROUTERS)
    assert [Rank(0.0, objective(point, True)) for _, point in found] == sorted(ranks)
    assert [rank for rank, _ in found] == sorted(ranks)


def test_the_best_that_was_inherited_is_handed_on_by_who_finds_nothing_better():
    first = Search(ROUTERS, seed=1, budget=60)
    searched(first)
    found = handover.inherited(digest_of(first), ROUTERS)
    begun_alone = Search(ROUTERS, seed=2, budget=15)  # and broken off before anything was measured
    assert handover.inherited(digest_of(begun_alone, found), ROUTERS) == found
    poor = Search(ROUTERS, seed=3, budget=4)
    searched(poor)
    assert handover.inherited(digest_of(poor, found), ROUTERS)[0] == found[0]


@pytest.mark.parametrize("block", ["{}", "[1]", '[{"cost": 1, "settings": {}}]', "[", "[]"])
def test_a_digest_of_another_researcher_hands_over_nothing(block):
    assert handover.inherited(f"Look:\n\n```json\n{block}\n```\n", ROUTERS) == []


def test_where_the_family_of_ideas_is_to_be_left_nothing_is_inherited():
    search = Search(ROUTERS, seed=1, budget=20)
    searched(search)
    told = prompt(
        "generation", generation=5, generations=6, archive="archive", leave=prompt("leave"),
        digest=digest_of(search),
    )  # fmt: skip
    assert handover.inherited(told, ROUTERS) == []
    assert handover.inherited(told.replace(prompt("leave"), ""), ROUTERS)


def test_the_loop_asks_for_a_digest_in_words_that_a_digest_does_not_hold():
    words = {"longest": "6,000", "headings": "\n".join(digests.HEADINGS)}
    assert handover.is_asked_for(prompt("digest", record="-", **words))
    assert handover.is_asked_for(prompt("digest_again", problem="text lacks a heading", **words))
    assert not handover.is_asked_for(digest_of(Search(ROUTERS, seed=1, budget=0)))


def distance(point):
    return sum(map(abs, point))


@pytest.mark.parametrize("screens", [True, False])
@pytest.mark.parametrize("budget", [1, 2, 3, 6, 8, 30])
@pytest.mark.parametrize("space", [ROUTERS, NUMBERS])
def test_a_search_begins_with_what_it_inherits_and_keeps_to_its_budget(space, budget, screens):
    random = Random(5)
    handed = [space.sample(random) for _ in range(3)]
    search = begun(space, 0, budget, handed, screens=screens)
    trials = searched(search) if space is ROUTERS else tuned(search, cost=distance)
    assert len(trials) == budget
    inherited = [trial.point for trial in trials if trial.phase == "inherit"]
    assert inherited == handed[: len(inherited)]
    assert [trial.point for trial in trials[: len(inherited)]] == inherited
    drawn = sum(trial.phase == "explore" for trial in trials)
    assert len(inherited) == 3 or 0 <= len(inherited) - drawn <= 1
    assert search.best is not None  # some were measured on everything


def test_a_chain_goes_on_from_the_best_and_not_from_nothing():
    kept = {True: 0, False: 0}  # how often the second search ends no worse than the first
    for seed in range(12):
        first = Search(ROUTERS, seed=seed, budget=40)
        searched(first)
        for told in kept:
            found = points_in(digest_of(first)) if told else []
            second = Search(ROUTERS, seed=100 + seed, budget=20, inherited=found)
            searched(second)
            kept[told] += second.best[0] <= first.best[0]
    assert kept[True] >= 11
    assert kept[False] <= 6


def test_in_the_loop_a_generation_hands_over_and_the_next_goes_on(make_bench):
    bench = make_bench()
    outcome = run(bench, max_evaluations=30, hands_over=True)
    assert outcome.warnings == []
    assert digests.problem(outcome.digest) is None
    (best, *_) = points_in(outcome.digest)
    assert ROUTERS.render(best) == bench.scheduler.read_text()
    before = len(bench.evaluations)
    later = make_bench()
    later.scheduler.write_text(bench.scheduler.read_text())
    run(later, seed=2, max_evaluations=20, told=outcome.digest)
    assert before == 30
    start, *rest = later.evaluations
    assert start["source"] == ROUTERS.render(best)
    assert rest[0]["source"] == ROUTERS.render(best)  # now on a few seeds, to compare with
    full = [e for e in later.evaluations if e["status"] == "ok" and len(e["seeds"]) == 5]
    scores = [e["mean_response_time"] for e in full]
    assert min(scores) <= scores[0]
