"""What the offline researcher searches in a folder: the numbers in its initial program."""

import ast
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from openglia.problems.folder.marks import inside
from openglia.problems.space import Range, Settings

Point = tuple[float, ...]
_WIDTH = 3.0  # of the logarithm of a number, over the whole range
_FACTOR = 10  # by which a number may become smaller and larger
# What is beyond stands for something else, such as infinity, or keeps a division from failing.
_SMALLEST, _LARGEST = 1e-9, 1e9
_UNCHANGED: Settings = {"program": "as it was"}


@dataclass(frozen=True)
class Literal:
    """One number of the source."""

    name: str
    start: int  # of its text, in characters
    end: int
    value: float
    whole: bool

    @property
    def range(self) -> Range:
        """What it may become; of 0 the order of magnitude is not known."""
        if not self.value:
            return Range(-_FACTOR, _FACTOR, self.whole)
        low = self.value / _FACTOR
        return Range(max(low, 1) if self.whole else low, self.value * _FACTOR, self.whole, log=True)

    def moved(self, value: float, random: Random, step: float) -> float:
        """Another value near one."""
        scale = value if value else self.value or 1.0
        moved = value + scale * (math.exp(random.gauss(0, _WIDTH * step)) - 1)
        if random.random() < 0.02:
            moved = -moved
        if not self.whole:
            return float(f"{moved:.6g}")
        near = round(moved)
        return near if near != value else value + random.choice((-1, 1))


@dataclass(frozen=True)
class Literals:
    """``openglia.problems.space.Space``: a point is a value for each of the numbers."""

    source: str
    numbers: tuple[Literal, ...]
    choices: dict[str, tuple[str, ...]] = field(default_factory=dict)
    caveat: str = "It changed numbers of the initial program alone: no new idea is in it."

    @property
    def start(self) -> Point:
        """As the program has them."""
        return tuple(number.value for number in self.numbers)

    @property
    def ranges(self) -> list[Range]:
        """Of each number."""
        return [number.range for number in self.numbers]

    def sample(self, random: Random) -> Point:
        """All numbers moved far."""
        return tuple(n.moved(n.value, random, 0.3) for n in self.numbers)

    def explore(self, number: int, random: Random) -> Point:
        """One number after the other moved far."""
        place = number % len(self.numbers)
        chosen = self.numbers[place]
        return self._with(self.start, place, chosen.moved(chosen.value, random, 0.3))

    def neighbour(self, point: Point, random: Random, step: float) -> Point:
        """One or two numbers moved."""
        for _ in range(random.choice((1, 1, 2))):
            place = random.randrange(len(point))
            moved = self.numbers[place].moved(point[place], random, step)
            point = self._with(point, place, moved)
        return point

    def alternatives(self, point: Point, random: Random) -> Iterator[tuple[str, Point]]:
        """Each number that was changed, put back."""
        del random
        for place, number in enumerate(self.numbers):
            if point[place] != number.value:
                words = f"{number.name} {number.value:g} as before"
                yield words, self._with(point, place, number.value)

    def settings(self, point: Point) -> Settings:
        """The numbers that differ from the initial program's."""
        changed = {
            number.name: value
            for number, value in zip(self.numbers, point, strict=True)
            if value != number.value
        }
        return changed or _UNCHANGED

    def point(self, settings: Settings) -> Point | None:
        """The program's numbers with these in the place of some."""
        names = {number.name for number in self.numbers}
        given = {} if settings == _UNCHANGED else settings
        if not all(name in names and not isinstance(v, str) for name, v in given.items()):
            return None
        return tuple(float(given.get(number.name, number.value)) for number in self.numbers)

    def render(self, point: Point) -> str:
        """The program with these numbers."""
        text = self.source
        for number, value in reversed(list(zip(self.numbers, point, strict=True))):
            spelled = repr(int(value) if number.whole else float(value))
            if value != number.value:
                spelled = f"({spelled})" if value < 0 else spelled
                text = text[: number.start] + spelled + text[number.end :]
        return text

    def explain(self, point: Point) -> str:
        """What was changed."""
        rows = [
            f"| {number.name} | {number.value:g} | {value:g} |"
            for number, value in zip(self.numbers, point, strict=True)
            if value != number.value
        ]
        if not rows:
            return "## The program\n\nThe initial program, unchanged."
        table = "\n".join(["| number | before | now |", "|---|---|---|", *rows])
        return f"## The program\n\nThe initial program with other numbers.\n\n{table}"

    def _with(self, point: Point, place: int, value: float) -> Point:
        return (*point[:place], value, *point[place + 1 :])


def literals(source: str) -> Literals | None:
    """The numbers of a Python program that may change; None: it has none, or is not Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return None
    free, starts = inside(source), [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    lines = source.splitlines()
    found: list[tuple[int, int, int, int | float]] = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or node.end_lineno != node.lineno:
            continue
        value, row = node.value, node.lineno - 1
        if isinstance(value, bool) or not isinstance(value, int | float) or not free[row]:
            continue
        if not value or _SMALLEST <= value <= _LARGEST:
            ends = [
                starts[row] + len(lines[row].encode()[:offset].decode())
                for offset in (node.col_offset, node.end_col_offset or 0)
            ]
            found.append((ends[0], ends[1], node.lineno, value))
    counted: Counter[int] = Counter()
    numbers = []
    for start, end, row, value in sorted(found):
        counted[row] += 1
        name = f"line {row}" + (f" ({counted[row]})" if counted[row] > 1 else "")
        numbers.append(Literal(name, start, end, float(value), isinstance(value, int)))
    return Literals(source, tuple(numbers)) if numbers else None
