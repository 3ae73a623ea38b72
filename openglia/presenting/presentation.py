"""How a problem's runs are shown: all that the report does not know by itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from openglia.presenting.drawing import Absent, Plot


@dataclass(frozen=True)
class Objective:
    """What every candidate is scored by; lower is better."""

    name: str  # in an evaluation's JSON
    words: str
    unit: str


class RunData(Protocol):
    """What a problem's own plots may read of a run folder; any of it may be damaged."""

    @property
    def folder(self) -> Path: ...
    @property
    def results(self) -> Mapping[str, Any]: ...
    @property
    def final_source(self) -> str | None: ...


class Presentation(Protocol):
    """One problem's words, figures and plots."""

    title: str  # what is discovered: Router
    yardstick: str  # the baseline that all is compared with, as results.json names it
    yardstick_label: str
    objective: Objective
    labels: Mapping[str, str]  # of baselines and the start, where their name is not how they read
    columns: Sequence[tuple[str, Callable[[Any], str]]]  # heading, text from an evaluation's JSON
    legend: str  # the note under the tables

    @property
    def start(self) -> str | None:
        """The source of the candidate that every run starts from, or None."""
        ...

    def plots(self, run: RunData) -> list[Plot | Absent]:
        """The plots beyond the report's own."""
        ...
