"""A family as a space to search: draws, neighbours, ablations; and that of the routers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from openglia.problems.routing.family import policy
from openglia.problems.routing.family.policy import Choice, Dimensions, Number
from openglia.problems.routing.family.rendering import render
from openglia.problems.routing.family.words import explain


@dataclass(frozen=True)
class Family:
    """``openglia.problems.space.Space``, of the points of ``dimensions``."""

    dimensions: Dimensions[Any]
    explored: Choice  # whose alternatives have their turns in draws that are to reach everywhere
    caveat: str
    render: Callable[[Any], str]
    explain: Callable[[Any], str]

    @property
    def choices(self) -> Mapping[str, Sequence[str]]:
        """The dimensions that have alternatives, with these."""
        return {choice.name: choice.options for choice in self.dimensions.choices}

    def settings(self, point: Any) -> dict[str, Any]:
        """See ``Dimensions.settings``."""
        return self.dimensions.settings(point)

    def point(self, settings: Mapping[str, Any]) -> Any | None:
        """See ``Dimensions.at``."""
        return self.dimensions.at(settings)

    def sample(self, random: Random, **fixed: Any) -> Any:
        """A point drawn from the whole family, or from the part of it with ``fixed`` choices."""
        family = self.dimensions
        dimensions: tuple[Choice | Number, ...] = (*family.choices, *family.numbers)
        drawn = {dimension.name: dimension.sample(random) for dimension in dimensions}
        point = family.point(**(drawn | fixed))
        further = {n.name: n.sample(random) for n in family.further_numbers if n.matters(point)}
        values: dict[str, Any] = drawn | fixed | further
        return family.canonical(family.point(**values))

    def explore(self, number: int, random: Random) -> Any:
        """A point drawn from the family, each alternative of ``explored`` in its turn."""
        options = tuple(self.explored.meaning)
        return self.sample(random, **{self.explored.name: options[number % len(options)]})

    def neighbour(self, point: Any, random: Random, step: float) -> Any:
        """A point that differs in one dimension, at times in two.

        A choice moves with a probability that shrinks with ``step``.
        """
        dimensions = self.dimensions.in_use(point)
        weights = [1.0 if isinstance(d, Number) else min(1.0, 4 * step) for d in dimensions]
        moved: dict[str, Any] = {}
        for dimension in random.choices(dimensions, weights, k=random.choice((1, 1, 2))):
            moved[dimension.name] = dimension.move(getattr(point, dimension.name), random, step)
            if isinstance(dimension, Choice):
                moved = self._complete(point, moved, random)
        return self.dimensions.canonical(replace(point, **moved))

    def alternatives(self, point: Any, random: Random) -> Iterator[tuple[str, Any]]:
        """Each choice replaced by each of its others, each number taken out (0)."""
        for dimension in self.dimensions.in_use(point):
            name, value = dimension.name, getattr(point, dimension.name)
            others: dict[str, Any] = {}
            if isinstance(dimension, Choice):
                others = {f"{name} {option}": option for option in dimension.options}
            elif dimension.low == 0:
                others = {f"without {name} (0 instead of {value:g})": 0}
            for words, other in others.items():
                if other != value:
                    changed = self._complete(point, {name: other}, random)
                    yield words, self.dimensions.canonical(replace(point, **changed))

    def _complete(self, point: Any, moved: dict[str, Any], random: Random) -> dict[str, Any]:
        """``moved``, and values for the dimensions that these bring into use."""
        known = self.dimensions.settings(point)
        used = self.dimensions.in_use(replace(point, **moved))
        fresh = [dimension for dimension in used if dimension.name not in known]
        return {dimension.name: dimension.sample(random) for dimension in fresh} | moved


ROUTERS = Family(
    policy.ROUTERS,
    policy.ADMISSION,
    "The router assumes that future output lengths resemble past ones where it learns from them.",
    render,
    explain,
)
