"""The family of routers and the files that it is rendered to."""

from dataclasses import asdict
from random import Random

import pytest

from openglia.discovery.offline import policy
from openglia.discovery.offline.rendering import render
from openglia.problems.routing.rules.checking import check


def test_every_router_of_the_family_obeys_the_rules(family):
    for parameters in family:
        source = render(parameters)
        compile(source, "router.py", "exec")
        assert check(source) == [], parameters
        assert all(len(line) <= 100 for line in source.splitlines())


def test_numbers_stay_in_their_ranges_and_unused_ones_are_zero(family):
    ranges = {number.name: number for number in policy.NUMBERS}
    for parameters in family:
        used = {dimension.name for dimension in policy.in_use(parameters)}
        for name, number in ranges.items():
            value = asdict(parameters)[name]
            assert number.low <= value <= number.high if name in used else value == 0


@pytest.mark.parametrize("number", policy.NUMBERS, ids=lambda number: number.name)
def test_numbers_are_drawn_from_all_of_their_range(number):
    random = Random(3)
    drawn = [number.sample(random) for _ in range(400)]
    middle = (number.low * number.high) ** 0.5 if number.log else (number.low + number.high) / 2
    assert 120 < sum(value < middle for value in drawn) < 280  # no half is favoured
    value = drawn[0]
    for _ in range(400):
        value = number.move(value, random, 0.3)
        assert number.low <= value <= number.high


def test_routers_that_behave_alike_are_equal():
    common = {"load": "in_flight", "admission": "none"}
    first = policy.Parameters(order="arrival", overtaking="yes", margin=0.3, **common)
    second = policy.Parameters(order="arrival", overtaking="no", cap=9, **common)
    assert policy.canonical(first) == policy.canonical(second)


def test_a_neighbour_differs_a_little(family):
    random = Random(5)
    for parameters in family[:40]:
        near = policy.neighbour(parameters, random, 0.1)
        shared = {d.name for d in policy.in_use(parameters)} & {d.name for d in policy.in_use(near)}
        changed = [n for n in shared if getattr(parameters, n) != getattr(near, n)]
        assert len(changed) <= 2


def test_an_ablation_changes_one_dimension(family):
    for parameters in family[:20]:
        used = {dimension.name for dimension in policy.in_use(parameters)}
        changes = list(policy.alternatives(parameters, Random(1)))
        assert changes
        for words, changed in changes:
            shared = used & {dimension.name for dimension in policy.in_use(changed)}
            differing = [n for n in shared if getattr(parameters, n) != getattr(changed, n)]
            assert len(differing) == 1, words
            assert differing[0] in words
