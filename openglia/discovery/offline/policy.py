"""The family of routers that the offline researcher searches: its dimensions and their ranges.

Ranges are broad and sampled uniformly, or log-uniformly where a quantity spans orders of magnitude.
No value in them is preferred: what is good is found by evaluation. ``rendering`` turns a point of
the family into a scheduler file.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from random import Random
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """One router of the family. A number that the choices leave unused is 0."""

    order: str  # who is looked at first in the global queue
    load: str  # which of the replicas that admit a request takes it: the one with the least
    admission: str  # when a replica admits a request; otherwise it is held back
    overtaking: str  # whether those behind a request that is held back may go first
    age_weight: float = 0.0  # order aged_prompt: tokens by which a second of waiting shortens
    cap: int = 0  # admission cap: requests in flight on a replica
    reservation: float = 0.0  # admission head_room: room for the output, share of the prompt
    constant: int = 0  # admission head_room: room for the output, tokens
    factor: float = 0.0  # admission learned: room for the output, share of the mean output
    horizon: int = 0  # projection: how far it looks ahead, tokens per request
    caution: float = 0.0  # admission projected: standard deviations added to the projection
    margin: float = 0.0  # share of the blocks that an admission leaves free

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
    """A dimension with alternatives; what each means stands in ``MEANING``."""

    name: str
    options: tuple[str, ...]

    def sample(self, random: Random) -> str:
        return random.choice(self.options)

    def move(self, value: Any, random: Random, step: float) -> str:
        """Another alternative; ``step`` plays no part."""
        del step
        return random.choice([option for option in self.options if option != value])


@dataclass(frozen=True)
class Number:
    """A dimension with a range; ``log`` samples it log-uniformly."""

    name: str
    low: float
    high: float
    log: bool = False
    whole: bool = False

    def sample(self, random: Random) -> float:
        return self._at(random.random())

    def move(self, value: Any, random: Random, step: float) -> float:
        """A value near ``value``: a normal step of ``step`` times the range, reflected."""
        position = (self._warp(value) - self._warp(self.low)) / self._span
        position = abs(position + random.gauss(0.0, step))
        return self._at(1 - abs(1 - position) if position < 2 else 0.5)

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


ORDER = Choice("order", ("arrival", "latest", "shortest_prompt", "longest_prompt", "aged_prompt"))
LOAD = Choice(
    "load", ("waiting", "in_flight", "allocated_blocks", "predicted_work", "projected_blocks")
)
ADMISSION = Choice("admission", ("none", "cap", "head_room", "learned", "projected"))
OVERTAKING = Choice("overtaking", ("no", "yes"))
CHOICES = (ORDER, LOAD, ADMISSION, OVERTAKING)
NUMBERS = (
    Number("age_weight", 0.1, 1000.0, log=True),
    Number("cap", 8, 256, log=True, whole=True),
    Number("reservation", 0.0, 2.0),
    Number("constant", 1, 1024, log=True, whole=True),
    Number("factor", 0.0, 2.0),
    Number("horizon", 8, 8192, log=True, whole=True),
    Number("caution", 0.0, 3.0),
    Number("margin", 0.0, 0.3),
)

MEANING = {
    ("order", "arrival"): "first come, first served",
    ("order", "latest"): "last come, first served",
    ("order", "shortest_prompt"): "the shortest prompt first",
    ("order", "longest_prompt"): "the longest prompt first",
    ("order", "aged_prompt"): "the shortest prompt first, waiting counted in its favour",
    ("load", "waiting"): "fewest requests waiting at the replica",
    ("load", "in_flight"): "fewest requests in flight (waiting and running)",
    ("load", "allocated_blocks"): "fewest KV-cache blocks allocated or about to be",
    ("load", "predicted_work"): "fewest tokens still to be produced, by the mean output seen",
    ("load", "projected_blocks"): "lowest projected peak of KV-cache blocks",
    ("admission", "none"): "every request is placed at once",
    ("admission", "cap"): "at most so many requests in flight on a replica",
    ("admission", "head_room"): "the prompt and a fixed room for its output must fit",
    ("admission", "learned"): "prompt and mean output seen so far must fit for all in flight",
    ("admission", "projected"): "the projected peak of KV-cache blocks must fit",
    ("overtaking", "no"): "all wait behind a request that is held back",
    ("overtaking", "yes"): "requests behind one that is held back may go first",
}


def in_use(parameters: Parameters) -> list[Choice | Number]:
    """The dimensions that make a difference for this router."""
    admission = parameters.admission
    unused = set()
    if parameters.order != "aged_prompt":
        unused.add("age_weight")
    if admission != "cap":
        unused.add("cap")
    if admission != "head_room":
        unused |= {"reservation", "constant"}
    if admission != "learned":
        unused.add("factor")
    if admission != "projected":
        unused.add("caution")
    if not parameters.projects:
        unused.add("horizon")
    if admission in ("none", "cap"):
        unused.add("margin")
    if admission == "none":
        unused.add("overtaking")  # nobody is held back
    return [dimension for dimension in (*CHOICES, *NUMBERS) if dimension.name not in unused]


def sample(random: Random, **fixed: Any) -> Parameters:
    """A router drawn from the whole family, or from the part of it with ``fixed`` choices."""
    drawn = {dimension.name: dimension.sample(random) for dimension in (*CHOICES, *NUMBERS)}
    return canonical(Parameters(**{**drawn, **fixed}))


def neighbour(parameters: Parameters, random: Random, step: float) -> Parameters:
    """A router that differs in one dimension, at times in two.

    Args:
        step: size of a move of a number, as a share of its range; a choice moves with a
            probability that shrinks with it.
    """
    dimensions = in_use(parameters)
    weights = [1.0 if isinstance(d, Number) else min(1.0, 4 * step) for d in dimensions]
    moved: dict[str, Any] = {}
    for dimension in random.choices(dimensions, weights, k=random.choice((1, 1, 2))):
        moved[dimension.name] = dimension.move(getattr(parameters, dimension.name), random, step)
        if isinstance(dimension, Choice):
            # What the new choice brings into use has no value yet.
            before = {d.name for d in dimensions}
            candidate = _with(parameters, moved)
            for fresh in in_use(candidate):
                if fresh.name not in before:
                    moved.setdefault(fresh.name, fresh.sample(random))
    return canonical(_with(parameters, moved))


def alternatives(parameters: Parameters, random: Random) -> Iterator[tuple[str, Parameters]]:
    """Ablations: each choice replaced by each of its others, each number taken out (0).

    Yields pairs of what was changed, in words, and the router.
    """
    for dimension in in_use(parameters):
        value = getattr(parameters, dimension.name)
        if isinstance(dimension, Number):
            if dimension.low == 0 and value:
                yield (
                    f"without {dimension.name} (0 instead of {value:g})",
                    canonical(_with(parameters, {dimension.name: 0})),
                )
            continue
        for option in dimension.options:
            if option == value:
                continue
            changed = _with(parameters, {dimension.name: option})
            before = {d.name for d in in_use(parameters)}
            fresh = {d.name: d.sample(random) for d in in_use(changed) if d.name not in before}
            yield f"{dimension.name} {option}", canonical(_with(changed, fresh))


def canonical(parameters: Parameters) -> Parameters:
    """The same router with every unused dimension at its default, so that equals compare equal."""
    used = {dimension.name for dimension in in_use(parameters)}
    changed = {
        field.name: "no" if field.name == "overtaking" else 0
        for field in fields(parameters)
        if field.name not in used
    }
    return _with(parameters, changed)


def _with(parameters: Parameters, values: dict[str, Any]) -> Parameters:
    return replace(parameters, **values)


def describe(parameters: Parameters) -> str:
    """The router in a line, for logs and tables."""
    values = asdict(parameters)
    choices = [f"{d.name} {values[d.name]}" for d in in_use(parameters) if isinstance(d, Choice)]
    numbers = [f"{d.name} {values[d.name]:g}" for d in in_use(parameters) if isinstance(d, Number)]
    return "; ".join((*choices, *numbers))
