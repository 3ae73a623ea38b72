"""The family of routers and the files that it is rendered to."""

import hashlib
from dataclasses import asdict
from random import Random

import pytest

from openglia.problems.routing.family import policy
from openglia.problems.routing.family.rendering import (
    FAMILY,
    render,
    settled,
    with_values,
    without_unused,
)
from openglia.problems.routing.family.space import ROUTERS
from openglia.problems.routing.rules.checking import check

SPACE = ROUTERS
ALL_NUMBERS = (*policy.NUMBERS, *policy.FURTHER_NUMBERS)


def test_every_router_of_the_family_obeys_the_rules(family):
    for parameters in family:
        source = render(parameters)
        compile(source, "router.py", "exec")
        assert check(source) == [], parameters
        assert all(len(line) <= 100 for line in source.splitlines())


def test_numbers_stay_in_their_ranges_and_unused_ones_are_zero(family):
    ranges = {number.name: number for number in ALL_NUMBERS}
    for parameters in family:
        used = {dimension.name for dimension in policy.in_use(parameters)}
        for name, number in ranges.items():
            value = asdict(parameters)[name]
            assert number.low <= value <= number.high if name in used else value == 0


@pytest.mark.parametrize("number", ALL_NUMBERS, ids=lambda number: number.name)
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
        near = SPACE.neighbour(parameters, random, 0.1)
        shared = {d.name for d in policy.in_use(parameters)} & {d.name for d in policy.in_use(near)}
        changed = [n for n in shared if getattr(parameters, n) != getattr(near, n)]
        assert len(changed) <= 2


def test_an_ablation_changes_one_dimension(family):
    for parameters in family[:20]:
        used = {dimension.name for dimension in policy.in_use(parameters)}
        changes = list(SPACE.alternatives(parameters, Random(1)))
        assert changes
        for words, changed in changes:
            shared = used & {dimension.name for dimension in policy.in_use(changed)}
            differing = [n for n in shared if getattr(parameters, n) != getattr(changed, n)]
            assert len(differing) == 1, words
            assert differing[0] in words


# By admission and load, of routers of every order with and without overtaking. Runs of long ago
# are repeated by their seed: their candidates must not change by a byte.
SOURCES = {
    ("none", "waiting"): "8996cd1aefba7932",
    ("none", "in_flight"): "fffc8e28d79702fe",
    ("none", "allocated_blocks"): "8bc7a253beae78cc",
    ("none", "predicted_work"): "63994eb446128b2d",
    ("none", "projected_blocks"): "02ad20addec544a3",
    ("cap", "waiting"): "d8adad4f94cdbbab",
    ("cap", "in_flight"): "c916f81c341ad5fa",
    ("cap", "allocated_blocks"): "70dcde423b0bca4f",
    ("cap", "predicted_work"): "eb6b5466921c22fb",
    ("cap", "projected_blocks"): "d2a540324f3e599a",
    ("head_room", "waiting"): "a4852aa59edbf21b",
    ("head_room", "in_flight"): "0930f360f41a83ce",
    ("head_room", "allocated_blocks"): "1ff98c161444e36b",
    ("head_room", "predicted_work"): "e0447a644d367d3a",
    ("head_room", "projected_blocks"): "3dfd4d8732bbdebf",
    ("learned", "waiting"): "7c08624fcab8ef2c",
    ("learned", "in_flight"): "3ef935541be30544",
    ("learned", "allocated_blocks"): "125af497c069a43d",
    ("learned", "predicted_work"): "960ca5035798a94b",
    ("learned", "projected_blocks"): "23e8405f92fff63e",
    ("projected", "waiting"): "5cdde7c09d672930",
    ("projected", "in_flight"): "8ebb3f067d852fc1",
    ("projected", "allocated_blocks"): "606f6473a2bb830d",
    ("projected", "predicted_work"): "cc69c2edeb8c603a",
    ("projected", "projected_blocks"): "1044d1c41cd87d64",
}


def test_sources_stay_as_they_are():
    random = Random(11)
    found = {}
    for admission, load in SOURCES:
        digest = hashlib.sha256()
        for order in policy.ORDER.meaning:
            for overtaking in policy.OVERTAKING.options:
                fixed = {"order": order, "load": load, "overtaking": overtaking}
                drawn = SPACE.sample(random, admission=admission, **fixed)
                digest.update(render(drawn).encode())
        found[admission, load] = digest.hexdigest()[:16]
    assert found == SOURCES


def test_further_alternatives_are_tried_around_a_router_and_not_drawn():
    random = Random(4)
    further = {choice.name: set(choice.further) for choice in policy.CHOICES if choice.further}
    assert further == {"order": {"boosted"}, "load": {"two_choices"}, "admission": {"committed"}}
    for number in range(60):
        drawn = SPACE.explore(number, random)
        near = SPACE.neighbour(drawn, random, 0.3)
        for name, options in further.items():
            assert not {getattr(drawn, name), getattr(near, name)} & options
    tried = [changed for _, changed in SPACE.alternatives(drawn, random)]
    for name, options in further.items():
        (found,) = (point for point in tried if getattr(point, name) in options)
        assert check(render(found)) == []
        assert (found.boost > 0) == (name == "order")
        # Once it is the best, steps go on from it.
        near = [SPACE.neighbour(found, random, 0.05) for _ in range(20)]
        assert any(getattr(point, name) in options for point in near)


def test_constants_get_the_values_of_a_point():
    source = "SIZE = 1  # in words\nKIND = 'a'\nOTHER = 2\nclass A:\n    SIZE = 3\n"
    assert with_values(source, {"SIZE": 0.25, "KIND": "b"}) == (
        "SIZE = 0.25  # in words\nKIND = 'b'\nOTHER = 2\nclass A:\n    SIZE = 3\n"
    )


CHOOSES = """\
def answer(given):
    if KIND == "a":
        # Why.
        if BIG:
            given = [
                given,
            ]
        print(given)
    if given and BIG:
        return BIG
    if KIND != "a" or not BIG:
        return None
"""
UNDECIDED = "    if given and BIG:\n        return BIG\n"  # not by the choices alone


@pytest.mark.parametrize(
    ("kind", "big", "before", "after"),
    [
        ("a", True, "    # Why.\n    given = [\n        given,\n    ]\n    print(given)\n", ""),
        ("a", False, "    # Why.\n    print(given)\n", "    return None\n"),
        ("b", True, "", "    return None\n"),
    ],
)
def test_an_alternative_stays_or_goes_as_a_whole(kind, big, before, after):
    left = settled(CHOOSES, {"KIND": kind, "BIG": big})
    assert left == f"def answer(given):\n{before}{UNDECIDED}{after}"


def test_what_nothing_uses_is_left_out():
    source = """\
# What this file is.
\"\"\"A router.\"\"\"

import numpy as np

KIND = "a"

FIRST = 1
SECOND = FIRST + 1
THIRD = np.pi


class Router:
    def schedule(self):
        return self.used(SECOND)

    def used(self, value):
        kept = value
        return kept

    def kept(self):
        return THIRD
"""
    assert (
        without_unused(source)
        == """\
\"\"\"A router.\"\"\"

FIRST = 1
SECOND = FIRST + 1


class Router:
    def schedule(self):
        return self.used(SECOND)

    def used(self, value):
        kept = value
        return kept
"""
    )


def test_the_whole_family_in_one_file_is_a_router_too():
    assert check(FAMILY.read_text()) == []
