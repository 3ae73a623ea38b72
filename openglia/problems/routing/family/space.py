"""The family as a space to search: draws, neighbours, ablations."""

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

from openglia.problems.routing.family import policy
from openglia.problems.routing.family.policy import Choice, Number, Parameters, canonical, in_use
from openglia.problems.routing.family.rendering import render
from openglia.problems.routing.family.words import explain


class Routers:
    """``openglia.problems.space.Space``, of ``Parameters``."""

    choices = {choice.name: choice.options for choice in policy.CHOICES}  # noqa: RUF012
    caveat = (
        "The router assumes that future output lengths resemble past ones where it learns from "
        "them."
    )
    settings = staticmethod(policy.settings)
    render = staticmethod(render)
    explain = staticmethod(explain)

    def sample(self, random: Random, **fixed: Any) -> Parameters:
        """A router drawn from the whole family, or from the part of it with ``fixed`` choices."""
        dimensions = (*policy.CHOICES, *policy.NUMBERS)
        drawn = {dimension.name: dimension.sample(random) for dimension in dimensions}
        point = Parameters(**(drawn | fixed))
        further = {n.name: n.sample(random) for n in policy.FURTHER_NUMBERS if n.matters(point)}
        values: dict[str, Any] = drawn | fixed | further
        return canonical(Parameters(**values))

    def explore(self, number: int, random: Random) -> Parameters:
        """A router drawn from the family, each admission in its turn."""
        options = tuple(policy.ADMISSION.meaning)
        return self.sample(random, admission=options[number % len(options)])

    def neighbour(self, point: Parameters, random: Random, step: float) -> Parameters:
        """A router that differs in one dimension, at times in two.

        A choice moves with a probability that shrinks with ``step``.
        """
        dimensions = in_use(point)
        weights = [1.0 if isinstance(d, Number) else min(1.0, 4 * step) for d in dimensions]
        moved: dict[str, Any] = {}
        for dimension in random.choices(dimensions, weights, k=random.choice((1, 1, 2))):
            moved[dimension.name] = dimension.move(getattr(point, dimension.name), random, step)
            if isinstance(dimension, Choice):
                moved = _complete(point, moved, random)
        return canonical(replace(point, **moved))

    def alternatives(self, point: Parameters, random: Random) -> Iterator[tuple[str, Parameters]]:
        """Each choice replaced by each of its others, each number taken out (0)."""
        for dimension in in_use(point):
            name, value = dimension.name, getattr(point, dimension.name)
            others: dict[str, Any] = {}
            if isinstance(dimension, Choice):
                others = {f"{name} {option}": option for option in dimension.options}
            elif dimension.low == 0:
                others = {f"without {name} (0 instead of {value:g})": 0}
            for words, other in others.items():
                if other != value:
                    changed = _complete(point, {name: other}, random)
                    yield words, canonical(replace(point, **changed))


def _complete(point: Parameters, moved: dict[str, Any], random: Random) -> dict[str, Any]:
    """``moved``, and values for the dimensions that these bring into use."""
    known = policy.settings(point)
    fresh = [d for d in in_use(replace(point, **moved)) if d.name not in known]
    return {dimension.name: dimension.sample(random) for dimension in fresh} | moved
