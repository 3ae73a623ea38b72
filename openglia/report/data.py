"""A run folder, read tolerantly: whatever is missing or of the wrong form is None, and is said."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openglia.files import read_json_lines
from openglia.presenting.objective import Objective, Rank
from openglia.presenting.presentation import Presentation
from openglia.presenting.score import Score
from openglia.presenting.tolerant import at, mapping, number, read_text, text
from openglia.problems.registry import kind_of

# Any of these makes a folder a run folder, however far the run came.
MARKS = ("results.json", "evaluations.jsonl", "fastagent.jsonl", "solution.md", "candidates")

EXPECTED = {
    "results.json": "the figures of the run (openglia finish RUN_DIR writes them)",
    "evaluations.jsonl": "the record of evaluations",
    "solution.md": "the Researcher's account",
}


@dataclass(frozen=True)
class Entry:
    """One record of evaluations.jsonl."""

    number: int
    elapsed: float | None  # seconds since the start of the run
    candidate: str | None  # path inside the run folder
    full: bool  # on all evaluation cases, nothing narrowed
    score: Score
    context: int | None = None  # who asked, where several worked
    generation: int | None = None


@dataclass(frozen=True)
class Run:
    """What a run folder holds."""

    folder: Path
    presentation: Presentation
    results: Mapping[str, Any]
    entries: tuple[Entry, ...]
    final_source: str | None
    solution: str | None
    missing: tuple[str, ...]  # one phrase for each thing that should be there and is not
    under_way: bool = False

    @property
    def name(self) -> str:
        """The folder's name, which tells runs apart even where results.json is missing."""
        return self.folder.name

    @property
    def status(self) -> str:
        """completed, limit, failed, interrupted, or unfinished where nothing says how it ended."""
        return text(self.results, "status") or "unfinished"

    @property
    def objective(self) -> Objective:
        """What every candidate is scored by."""
        return self.presentation.objective

    @property
    def yardstick(self) -> str:
        """The baseline that all is compared with."""
        return self.presentation.yardstick

    @property
    def noun(self) -> str:
        """What is discovered, in the middle of a sentence."""
        return self.presentation.noun

    @property
    def case(self) -> str:
        """What a measurement repeats over."""
        return self.presentation.case

    def best_so_far(self) -> list[tuple[int, float]]:
        """(evaluation number, value) of every full evaluation that was the best up to then.

        Values may get worse, where one that keeps the constraints comes after one that does not.
        """
        return [(entry.number, value) for entry, value in self._improvements()]

    @property
    def leader(self) -> Entry | None:
        """The best full evaluation; the earliest of equals."""
        return self._improvements()[-1][0] if self._improvements() else None

    def source(self, entry: Entry) -> str | None:
        """What was evaluated, if its file is there."""
        if entry.candidate is None:
            return None
        return read_text(self.folder / "candidates" / Path(entry.candidate).name)

    def _improvements(self) -> list[tuple[Entry, float]]:
        return improvements(self.entries, self.objective)

    def contestants(self) -> dict[str, Mapping[str, Any]]:
        """Baselines, stub and final by name, each with ``evaluation`` and ``held_out``."""
        named = {**mapping(self.results, "baselines")}
        named |= {name: at(self.results, name) for name in ("stub", "final")}
        return {str(name): value for name, value in named.items() if isinstance(value, Mapping)}

    def score(self, name: str, group: str) -> Score:
        """A contestant's score on the cases of a group."""
        return self.presentation.score(at(self.contestants().get(name), group))

    def mean(self, name: str, group: str) -> float | None:
        """The objective of a contestant on the cases of a group."""
        return self.score(name, group).value

    def label(self, name: str) -> str:
        """A contestant's name as readers know it."""
        own = {"final": f"final {self.noun}"}
        own[self.yardstick] = self.presentation.yardstick_label
        short = name if len(name) <= 20 else f"{name[:19]}…"
        return {**self.presentation.labels, **own}.get(name, short)


def improvements(entries: Iterable[Entry], objective: Objective) -> list[tuple[Entry, float]]:
    """The full evaluations that were each the best up to then, with their values."""
    found: list[tuple[Entry, float]] = []
    best: Rank | None = None
    for entry in entries:
        rank, value = objective.rank(entry.score), entry.score.value
        if entry.full and rank is not None and value is not None and (best is None or rank < best):
            best = rank
            found.append((entry, value))
    return found


def is_run(folder: Path) -> bool:
    """Whether the folder is a run's, however far the run came."""
    return folder.is_dir() and any((folder / mark).exists() for mark in MARKS)


def read(folder: Path, presentation: Presentation | None = None, *, alive: bool = False) -> Run:
    """Read a run folder. Never raises for a missing or a damaged file.

    Args:
        presentation: default that of the run's kind of problem.
        alive: a process works on the run.
    """
    missing = []
    results: Any = {}
    if (folder / "results.json").exists():
        try:
            results = json.loads((folder / "results.json").read_text(errors="replace"))
        except (OSError, ValueError, RecursionError) as error:
            missing.append(f"results.json cannot be read: {error}")
    if not isinstance(results, Mapping):
        missing.append("results.json does not hold an object")
        results = {}
    if presentation is None:
        presentation = kind_of(results).shown(results, folder)
    under_way = alive and text(results, "status") in (None, "running")
    final = presentation.final_name
    expected = EXPECTED | {final: "the candidate that the run stands behind"}
    absent = [
        f"{name}: {what}"
        for name, what in expected.items()
        if not under_way and not (folder / name).exists()
    ]
    return Run(
        folder=folder,
        presentation=presentation,
        results=results,
        entries=tuple(_entries(folder / "evaluations.jsonl", presentation)),
        final_source=read_text(folder / final),
        solution=read_text(folder / "solution.md"),
        missing=(*absent, *missing),
        under_way=under_way,
    )


def _entries(path: Path, presentation: Presentation) -> Iterator[Entry]:
    try:
        records = read_json_lines(path)
    except (OSError, ValueError, RecursionError):
        return
    for position, record in enumerate(records, start=1):
        line = at(record, "result")
        if isinstance(line, Mapping):
            yield Entry(
                number=int(number(record, "number") or position),
                elapsed=number(record, "elapsed_seconds"),
                candidate=text(record, "candidate"),
                full=at(record, "full") is True,
                score=presentation.score(line),
                context=_count(record, "context"),
                generation=_count(record, "generation"),
            )


def _count(record: Any, name: str) -> int | None:
    value = number(record, name)
    return None if value is None else int(value)
