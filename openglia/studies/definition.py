"""A study as its YAML file says it, and the runs that it is made of."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from openglia.files import canonical_json, sha256
from openglia.problems.refusals import Model, refusal, validated
from openglia.problems.yaml_file import read_mapping

_OWN = ("help", "link", "quiet", "resume", "seed")  # options that the study itself sets

Value = str | int | float | bool | list[str]


def _ours(options: dict[str, Value]) -> dict[str, Value]:
    for name in options:
        if name in _OWN:
            raise refusal(name, "is set by the study itself: repetitions number the seeds")
        if not re.fullmatch(r"[a-z][a-z-]*", name):
            raise refusal(name, "is not an option of ./run.sh, such as max-evaluations")
    return options


# Options of ./run.sh without their dashes. A list repeats one; true is one that takes no value.
Options = Annotated[
    dict[str, Value], BeforeValidator(lambda given: given or {}), AfterValidator(_ours)
]


class Study(Model):
    """The whole file."""

    description: str = ""
    repetitions: int = Field(ge=1, le=1000)  # of each method on each problem, with seeds from 0
    options: Options = Field(default_factory=dict)  # of all runs; methods and problems go before
    methods: dict[str, Options] = Field(min_length=1)  # by a name of the reader's
    problems: dict[str, Options] = Field(min_length=1)  # likewise: --problem, --benchmark
    reference: str | None = None  # what the methods are compared with; default: the first of them

    @model_validator(mode="after")
    def _reference_is_a_method(self) -> Self:
        if self.reference is not None and self.reference not in self.methods:
            known = ", ".join(self.methods)
            raise refusal("reference", f"{self.reference!r} is not a method here; known: {known}")
        return self

    @property
    def compared_with(self) -> str:
        """The method that the others are compared with."""
        return self.reference or next(iter(self.methods))

    def runs(self) -> Iterator["Planned"]:
        """All runs, repetition by repetition, so that what is done at any time is balanced."""
        for seed in range(self.repetitions):
            for problem, where in self.problems.items():
                for method, how in self.methods.items():
                    words = tuple(_words({**self.options, **where, **how}))
                    yield Planned(method, problem, seed, (*words, "--seed", str(seed)))


@dataclass(frozen=True)
class Planned:
    """One run."""

    method: str
    problem: str
    seed: int
    words: tuple[str, ...]  # the options of ./run.sh

    @property
    def name(self) -> str:
        """Its file name in the study's folder. Other options are another run."""
        told = re.sub(r"\W+", "-", f"{self.method}_{self.problem}").strip("-")[:80]
        return f"{told}_{self.seed}_{sha256(canonical_json(self.words))[:8]}"

    def __str__(self) -> str:
        return f"{self.method}, {self.problem}, seed {self.seed}"


def read(path: Path, *, changes: Mapping[str, Any]) -> Study:
    """The study in a YAML file.

    Args:
        changes: keys of the file that the command line sets; ``options`` add to the file's.

    Raises:
        UsageError: the file is not valid; one line.
    """
    values = read_mapping(path)
    options = values.get("options") or {}
    if "options" in changes and isinstance(options, Mapping):
        changes = {**changes, "options": {**options, **changes["options"]}}
    return validated(Study, {**values, **changes}, path, ())


def _words(options: Mapping[str, Value]) -> Iterator[str]:
    for name, value in options.items():
        values: Sequence[Value] = value if isinstance(value, list) else [value]
        for one in values:
            if one is True:
                yield f"--{name}"
            elif one is not False:
                yield f"--{name}={one}"
