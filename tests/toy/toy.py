"""A problem of a few numbers, measured in microseconds: it proves the door, and tests the harness.

A candidate is JSON, two numbers; its score on case k is 8 - (x - 1 - k / 100)^2 - (y + 2)^2, and
higher is better. ``"endless"`` in their place is never done, ``"crash"`` fails. Installed into the
project that is under test as a package with an entry point, as a user's own problem would be.
"""

import json
import math
import random
from pathlib import Path
from statistics import fmean

from openglia import paths
from openglia.files import sha256
from openglia.measuring.bootstrap import bootstrap_interval
from openglia.measuring.processes import CancelledError
from openglia.presenting.objective import Objective
from openglia.presenting.presentation import Figure, Presentation
from openglia.problems.problem import Check, Problem, source_of
from openglia.problems.registry import Kind
from openglia.problems.space import OfflineTask
from openglia.sandbox.layout import Workplace

FOLDER = paths.ROOT / "toy"
CASES = (0, 1, 2, 3, 4)
HELD_OUT = (50, 51, 52)
BASELINES = {"zero": [0, 0], "poor": [-3, 3]}


class Shown(Presentation):
    title = "Point"
    objective = Objective("height", "height", "m", lower_is_better=False)
    yardstick = "zero"
    yardstick_label = "the origin"
    columns = (("Height (m)", lambda line: f"{line['value']:.3f}"),)
    figures = (Figure("distance", "distance", "{:.2f} m".format),)
    final_name = "final_point.json"
    start = FOLDER / "start.json"


class Points:
    """See ``openglia.problems.space.Space``; a point is (x, y)."""

    choices = {"side": ("left", "right")}  # noqa: RUF012
    caveat = "The hill may move."

    def sample(self, random):
        return (random.uniform(-4, 4), random.uniform(-4, 4))

    def explore(self, number, random):
        return self.sample(random)

    def neighbour(self, point, random, step):
        return tuple(value + random.gauss(0, 8 * step) for value in point)

    def alternatives(self, point, random):
        yield "without x (0 instead)", (0.0, point[1])
        yield "without y (0 instead)", (point[0], 0.0)

    def settings(self, point):
        return {"side": "left" if point[0] < 0 else "right", "x": point[0], "y": point[1]}

    def point(self, settings):
        return (settings["x"], settings["y"]) if "x" in settings else None

    def render(self, point):
        return json.dumps(list(point)) + "\n"

    def explain(self, point):
        return f"## The point\n\nIt is at {point[0]:.2f}, {point[1]:.2f}."


class Toy(Problem):
    kind = "toy"
    presentation = Shown()
    name = "hill"
    hash = "0123456789ab"
    cases = CASES
    held_out_cases = HELD_OUT
    baselines = tuple(BASELINES)
    working_file = FOLDER / "point.json"
    sources = ("toy.py",)
    offline = OfflineTask(
        space=Points(),
        file="toy/point.json",
        command=".venv/bin/python -m openglia score toy/point.json --json",
        several=".venv/bin/python -m openglia score --json",
        subset="--cases",
        presentation=presentation,
    )

    def statement(self, measured):
        return f"# Find the top of the hill\n\nMeasured here:\n\n{measured}"

    @property
    def workplace(self):
        return Workplace(working_file=Path("toy/point.json"), readable=[Path("toy")])

    def measure(self, candidate, look, *, output=None, jobs=None, progress=None, cancelled=None):
        source = source_of(Path(candidate))
        try:
            point = json.loads(source)
        except ValueError:
            return self.failed("rules", "not JSON", look, source)
        if point == "endless":
            cancelled.wait()
            raise CancelledError
        if not isinstance(point, list) or len(point) != 2:
            return self.failed("crash", "not two numbers", look, source)
        line = self._line(point, look)
        if output is not None:
            output.mkdir(parents=True, exist_ok=True)
            (output / "heights.json").write_text(json.dumps(line["by_case"]))
        return line | {"candidate": sha256(source)[:12]}

    def measure_baseline(self, name, look):
        return self._line(BASELINES[name], look) | {"candidate": name}

    def _line(self, point, look):
        x, y = point
        if x == "luck":  # not deterministic
            x = random.random()
        values = [8 - (x - 1 - case / 100) ** 2 - (y + 2) ** 2 for case in look.cases]
        far = [math.hypot(x, y)] * len(values)
        return {
            "status": "ok",
            "cases": list(look.cases),
            "full": set(look.cases) == set(CASES),
            "value": fmean(values),
            "interval": bootstrap_interval(values),
            "by_case": values,
            "distance": far[0],
            "figures_by_case": {"distance": far},
        }

    def examine(self):
        whole = self.start.read_text() == "[0, 0.5]\n"
        return [Check("hill", "passed" if whole else "failed", "the start is as it was")]


class ToyKind(Kind):
    name = "toy"
    summary = "find the top of a hill"
    presentation = Toy.presentation

    def open(self, benchmark, simulator, place=None):
        return Toy()

    def restore(self, folder, results, simulator="auto"):
        return Toy()


KIND = ToyKind()
