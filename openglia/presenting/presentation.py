"""How a problem's runs are told of: the words, figures and plots that the harness does not know.

A problem overrides what differs from the defaults, which suit a problem with one number per case.
All methods take the run's results as JSON, which may be damaged or of an earlier version.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from openglia.presenting import units
from openglia.presenting.drawing import Absent, Plot
from openglia.presenting.objective import Objective
from openglia.presenting.score import Case, Keys, Line, Score
from openglia.presenting.tolerant import at, mapping, text

Group = Mapping[str, Line]  # lines of several candidates on the same cases, by name


@dataclass(frozen=True)
class Figure:
    """A figure besides the objective that a candidate must not make worse unnoticed.

    Lower is better. ``name`` is its key in a line, and in the figures by case.
    """

    name: str
    words: str
    spell: Callable[[float], str]


class RunData(Protocol):
    """What a problem's own plots may read of a run folder; any of it may be damaged."""

    @property
    def folder(self) -> Path: ...
    @property
    def results(self) -> Mapping[str, Any]: ...
    @property
    def final_source(self) -> str | None: ...


class Presentation:
    """One problem's words, figures and plots."""

    title: str = "Candidate"  # what is discovered
    case: str = "case"  # what a measurement repeats over, in the singular
    objective: Objective
    keys: Keys = Keys()
    yardstick: str  # the baseline that all is compared with, as results.json names it
    yardstick_label: str
    labels: Mapping[
        str, str
    ] = {}  # of baselines and the start, where their name is not how they read
    columns: Sequence[tuple[str, Callable[[Any], str]]] = ()  # heading, text from a line
    legend: str = ""  # the note under the tables
    figures: Sequence[Figure] = ()
    final_name: str = "final_candidate.txt"  # the file that a run stands behind
    start: Path | None = None  # the candidate that every run starts from

    @property
    def noun(self) -> str:
        """What is discovered, in the middle of a sentence."""
        return self.title.lower()

    @property
    def suffix(self) -> str:
        """The ending of a candidate's file."""
        return Path(self.final_name).suffix

    def score(self, line: Any) -> Score:
        """The view on a line of this problem."""
        return self.keys.of(line)

    def spelled(self, cases: Sequence[Case]) -> str:
        """A list of cases as people write it."""
        return ", ".join(str(case) for case in cases)

    def listed(self, cases: Sequence[Case]) -> str:
        """The cases with their noun: seeds 0-9, case few."""
        return f"{self.case}{'' if len(cases) == 1 else 's'} {self.spelled(cases)}"

    def table(self, lines: Group) -> list[list[str]]:
        """Candidates side by side, header first."""
        unit = f" ({self.objective.unit})" if self.objective.unit else ""
        held = any(self.score(line).held for line in lines.values())
        head = [self.noun, f"value{unit}", "90 % interval", f"to {self.yardstick_label}"]
        rows = [head + ["constraints"] * held]
        for name, line in lines.items():
            score = self.score(line)
            if score.value is None:
                rows.append([name, "failed", score.reason, "", *[""] * held])
                continue
            bounds = "" if score.interval is None else units.span(score.interval)
            row = [name, units.figure(score.value), bounds, units.ratio(score.ratio)]
            rows.append(row + [score.held] * held)
        return rows

    def aside(self, _line: Line) -> str:
        """What a line of the record says besides the objective, after a comma; may be empty."""
        return ""

    def facts(self, results: Any) -> list[tuple[str, str]]:
        """What the head of a report says of what was scored on: names and values."""
        return [("problem", name)] if (name := self.subject(results)) else []

    def subject(self, results: Any) -> str | None:
        """The name of what a run was scored on."""
        return text(results, "problem", "name")

    def definition(self, results: Any) -> Mapping[str, Any]:
        """What a run was scored on, in full."""
        return mapping(results, "problem")

    def cases(self, results: Any) -> tuple[Sequence[Case], Sequence[Case]]:
        """The evaluation cases and the held-out ones."""
        known = at(results, "problem")
        return at(known, "cases") or (), at(known, "held_out_cases") or ()

    def origin(self, results: Any) -> str:
        """A sentence on what the figures of solution.md were measured on."""
        digest = text(results, "problem", "hash") or "unknown"
        objective = self.objective
        return (
            f"Problem `{self.subject(results)}` (hash `{digest}`). "
            f"{units.first_upper(objective.words)} over {self.case}s with its 90 % bootstrap "
            f"interval ({objective.direction}); `to {self.yardstick_label}` is the ratio to "
            f"{self.yardstick_label} on the same "
            f"{self.case}s."
        )

    def confirmed(self, _results: Any) -> tuple[str, str]:
        """What the second measurer says: for the verdict, and as a line; both may be empty."""
        return "", ""

    def options(self, _folder: Path, results: Any) -> list[str]:
        """The words of ``./run.sh`` that bring about a run on the same; beside model and limits."""
        return ["--problem", str(at(results, "problem", "kind"))]

    def evaluating(self, _folder: Path, _results: Any) -> str | None:
        """The command that scores the final candidate on the evaluation cases, if there is one."""
        return None

    def plots(self, _run: RunData) -> list[Plot | Absent]:
        """The plots beyond the report's own."""
        return []
