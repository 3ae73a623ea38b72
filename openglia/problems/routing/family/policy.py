"""The family of routers that the offline researcher searches: its dimensions and their ranges.

Ranges are broad and sampled uniformly, or log-uniformly where a quantity spans orders of magnitude.
No value in them is preferred: what is good is found by evaluation. ``rendering`` turns a point of
the family into a scheduler file.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """One router of the family. A number that the choices leave unused is 0."""

    order: str  # who is looked at first in the global queue
    load: str  # which of the replicas that admit a request takes it: the one with the least
    admission: str  # when a replica admits a request; otherwise it is held back
    overtaking: str = "no"  # whether those behind a request that is held back may go first
    age_weight: float = 0  # order aged_prompt: tokens by which a second of waiting shortens
    boost: float = 0  # order boosted: seconds of waiting that make up for e times the prompt
    cap: int = 0  # admission cap: requests in flight on a replica
    reservation: float = 0  # admission head_room: room for the output, share of the prompt
    constant: int = 0  # admission head_room: room for the output, tokens
    factor: float = 0  # admission learned: room for the output, share of the mean output
    horizon: int = 0  # projection: how far it looks ahead, tokens per request
    caution: float = 0  # admission projected: standard deviations added to the projection
    margin: float = 0  # share of the blocks that an admission leaves free

    @property
    def projects(self) -> bool:
        """Whether the router projects the memory that its replicas will need."""
        return self.admission == "projected" or self.load == "projected_blocks"

    @property
    def learns(self) -> bool:
        """Whether the router learns output lengths from completed requests."""
        return self.projects or self.admission == "learned" or self.load == "predicted_work"


@dataclass(frozen=True)
class Choice:
    """A dimension with alternatives, and what each means."""

    name: str
    meaning: Mapping[str, str]
    matters: Callable[[Any], bool] = lambda _: True
    # Further alternatives, that are tried in the place of a good router's and never drawn: so they
    # do not thin out a small budget.
    further: Mapping[str, str] = field(default_factory=dict)

    @property
    def options(self) -> tuple[str, ...]:
        return (*self.meaning, *self.further)

    def allows(self, value: Any) -> bool:
        """Whether it is one of the alternatives."""
        return value in self.options

    def means(self, option: str) -> str:
        """An alternative in words."""
        return {**self.meaning, **self.further}[option]

    def sample(self, random: Random) -> str:
        return random.choice(tuple(self.meaning))

    def move(self, value: Any, random: Random, step: float) -> str:
        """Another alternative; ``step`` plays no part."""
        del step
        return random.choice([option for option in self.meaning if option != value])


@dataclass(frozen=True)
class Number:
    """A dimension with a range; ``log`` samples it log-uniformly."""

    name: str
    low: float
    high: float
    matters: Callable[[Any], bool]
    log: bool = False
    whole: bool = False

    def sample(self, random: Random) -> float:
        return self._at(random.random())

    def move(self, value: Any, random: Random, step: float) -> float:
        """A value near ``value``: a normal step of ``step`` times the range, reflected."""
        position = (self._warp(value) - self._warp(self.low)) / self._span
        position = abs(position + random.gauss(0.0, step))
        return self._at(1 - abs(1 - position) if position < 2 else 0.5)

    def allows(self, value: Any) -> bool:
        """Whether it is in the range, or 0: taken out."""
        return isinstance(value, int | float) and (value == 0 or self.low <= value <= self.high)

    @property
    def _span(self) -> float:
        return self._warp(self.high) - self._warp(self.low)

    def _warp(self, value: float) -> float:
        return math.log(value) if self.log else value

    def _at(self, position: float) -> float:
        warped = self._warp(self.low) + position * self._span
        value = math.exp(warped) if self.log else warped
        # Three digits: more would be tuning to the seeds, and less pleasant to read.
        return round(value) if self.whole else float(f"{value:.3g}")


@dataclass(frozen=True)
class Dimensions[P]:
    """Of a family whose points are of type ``point``, with a field for each."""

    point: Callable[..., P]
    choices: Sequence[Choice]
    numbers: Sequence[Number]
    further_numbers: Sequence[Number] = ()  # of the choices' further alternatives

    def in_use(self, point: P) -> list[Choice | Number]:
        """Those that make a difference for this point."""
        numbers = (*self.numbers, *self.further_numbers)
        dimensions: tuple[Choice | Number, ...] = (*self.choices, *numbers)
        return [dimension for dimension in dimensions if dimension.matters(point)]

    def settings(self, point: P) -> dict[str, Any]:
        """The values of these."""
        return {dimension.name: getattr(point, dimension.name) for dimension in self.in_use(point)}

    def at(self, settings: Mapping[str, Any]) -> P | None:
        """The point that has these settings; None: none has them."""
        try:
            point = self.point(**settings)
        except TypeError:
            return None
        used = self.in_use(point)
        if {dimension.name for dimension in used} != set(settings):
            return None
        return point if all(one.allows(settings[one.name]) for one in used) else None

    def canonical(self, point: P) -> P:
        """The same one with every unused dimension at its default, so that equals compare equal."""
        return self.point(**self.settings(point))


ORDER = Choice(
    "order",
    {
        "arrival": "first come, first served",
        "latest": "last come, first served",
        "shortest_prompt": "the shortest prompt first",
        "longest_prompt": "the longest prompt first",
        "aged_prompt": "the shortest prompt first, waiting counted in its favour",
    },
    further={
        "boosted": "first come, first served, with a boost that falls smoothly with the prompt",
    },
)
LOAD = Choice(
    "load",
    {
        "waiting": "fewest requests waiting at the replica",
        "in_flight": "fewest requests in flight (waiting and running)",
        "allocated_blocks": "fewest KV-cache blocks allocated or about to be",
        "predicted_work": "fewest tokens still to be produced, by the mean output seen",
        "projected_blocks": "lowest projected peak of KV-cache blocks",
    },
    further={"two_choices": "fewest requests in flight, of two replicas drawn at random"},
)
ADMISSION = Choice(
    "admission",
    {
        "none": "every request is placed at once",
        "cap": "at most so many requests in flight on a replica",
        "head_room": "the prompt and a fixed room for its output must fit",
        "learned": "prompt and mean output seen so far must fit for all in flight",
        "projected": "the projected peak of KV-cache blocks must fit",
    },
    further={"committed": "the prompt must fit, beside what is there as far as it has come"},
)
OVERTAKING = Choice(
    "overtaking",
    {
        "no": "all wait behind a request that is held back",
        "yes": "requests behind one that is held back may go first",
    },
    lambda p: p.admission != "none",  # else nobody is held back
)
CHOICES = (ORDER, LOAD, ADMISSION, OVERTAKING)
NUMBERS = (
    Number("age_weight", 0.1, 1000, lambda p: p.order == "aged_prompt", log=True),
    Number("cap", 8, 256, lambda p: p.admission == "cap", log=True, whole=True),
    Number("reservation", 0, 2, lambda p: p.admission == "head_room"),
    Number("constant", 1, 1024, lambda p: p.admission == "head_room", log=True, whole=True),
    Number("factor", 0, 2, lambda p: p.admission == "learned"),
    Number("horizon", 8, 8192, lambda p: p.projects, log=True, whole=True),
    Number("caution", 0, 3, lambda p: p.admission == "projected"),
    Number("margin", 0, 0.3, lambda p: p.admission not in ("none", "cap")),
)
FURTHER_NUMBERS = (Number("boost", 0.1, 1000, lambda p: p.order == "boosted", log=True),)


ROUTERS = Dimensions(Parameters, CHOICES, NUMBERS, FURTHER_NUMBERS)
in_use, settings, canonical = ROUTERS.in_use, ROUTERS.settings, ROUTERS.canonical
