"""``openglia.yaml``, which may stand in a problem's folder: what its other files do not say."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from openglia.presenting.objective import Objective
from openglia.problems.constraints import Held, held
from openglia.problems.refusals import Model, refusal, validated
from openglia.problems.yaml_file import read_mapping

FILE = "openglia.yaml"


class Score(Model):
    """The number that decides."""

    name: str = "combined_score"  # a key of what evaluate() returns
    words: str = ""  # default: the name with spaces
    unit: str = ""
    direction: Literal["maximize", "minimize"] = "maximize"

    @property
    def objective(self) -> Objective:
        """As the harness knows it."""
        words = self.words or self.name.replace("_", " ")
        return Objective(self.name, words, self.unit, self.direction == "minimize")


class Constraint(Model):
    """A bound on a number that evaluate() returns, on average over repeats."""

    metric: str
    at_most: float | None = None
    at_least: float | None = None

    @model_validator(mode="after")
    def _has_one_bound(self) -> Self:
        if (self.at_most is None) == (self.at_least is None):
            raise refusal("", "needs either at_most or at_least")
        return self

    def held(self, value: float | None) -> Held:
        """The constraint for what was measured; None: nothing was."""
        metric = Objective(self.metric, self.metric.replace("_", " "), "")
        at_least = self.at_most is None
        return held(metric, value, self.at_least if at_least else self.at_most, at_least=at_least)


class Splits(Model):
    """What evaluate() is told to measure on; ``by`` is ``argument`` or a variable's name."""

    evaluation: str
    held_out: str
    by: str = "argument"  # evaluate(program_path, split=...)


class Cases(Model):
    """What one evaluation repeats over, for paired comparisons with intervals."""

    key: str  # of a list of numbers that evaluate() returns, in the same order on each call
    noun: str = "case"  # what it is called, in the singular


Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Settings(Model):
    """The whole file. All of it may be absent."""

    objective: Score = Score()
    constraints: list[Constraint] = Field(default_factory=list)
    timeout: Seconds | int | None = None  # of one evaluation; default: config.yaml's, else 300 s
    memory_mb: int = Field(4096, ge=64)  # address space of one evaluation
    repeats: int = Field(1, ge=1, le=1000)  # of each evaluation, where it is noisy
    cases: Cases | None = None
    splits: Splits | None = None
    baselines: dict[str, str] = Field(default_factory=dict)  # name -> a program's file
    network: bool = False  # whether the evaluator, and so a candidate that it runs, has one
    visible: bool = False  # whether agents may read the evaluator and what lies beside it


def read_settings(folder: Path) -> Settings:
    """The folder's settings.

    Raises:
        UsageError: the file is not valid.
    """
    path = folder / FILE
    if not path.exists():
        return Settings.model_validate({})
    settings = validated(Settings, read_mapping(path), path, ())
    if reserved := {"stub", "final"} & settings.baselines.keys():
        raise refusal("baselines", f"{min(reserved)} is the harness's own name")
    return settings
