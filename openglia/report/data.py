"""A run folder, read tolerantly: whatever is missing or of the wrong form is None, and is said."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openglia.files import read_json_lines
from openglia.presenting.presentation import Objective, Presentation
from openglia.presenting.tolerant import at, interval, mapping, number, read_text, text

# Any of these makes a folder a run folder, however far the run came.
MARKS = ("results.json", "evaluations.jsonl", "fastagent.jsonl", "solution.md", "candidates")

EXPECTED = {
    "results.json": "the figures of the run (openglia finish RUN_DIR writes them)",
    "evaluations.jsonl": "the record of evaluations",
    "final_scheduler.py": "the candidate that the run stands behind",
    "solution.md": "the Researcher's account",
}


@dataclass(frozen=True)
class Score:
    """One record of evaluations.jsonl."""

    number: int
    elapsed: float | None  # seconds since the start of the run
    candidate: str | None  # path inside the run folder
    full: bool  # all evaluation seeds at the benchmark's own duration
    mean: float | None  # of the objective; None if the evaluation failed
    interval: tuple[float, float] | None
    ratio: float | None  # to the yardstick
    rule: str  # why it failed: in a word, and in full
    reason: str

    @property
    def failed(self) -> bool:
        """Whether there is no score."""
        return self.mean is None


@dataclass(frozen=True)
class Run:
    """What a run folder holds."""

    folder: Path
    presentation: Presentation
    results: Mapping[str, Any]
    scores: tuple[Score, ...]
    final_source: str | None
    solution: str | None
    missing: tuple[str, ...]  # one phrase for each thing that should be there and is not

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
        return self.presentation.title.lower()

    def best_so_far(self) -> list[tuple[int, float]]:
        """(evaluation number, mean) of every full evaluation that was the best up to then."""
        best: list[tuple[int, float]] = []
        for score in self.scores:
            if score.full and score.mean is not None and (not best or score.mean < best[-1][1]):
                best.append((score.number, score.mean))
        return best

    def contestants(self) -> dict[str, Mapping[str, Any]]:
        """Baselines, stub and final by name, each with ``evaluation`` and ``held_out``."""
        named = {**mapping(self.results, "baselines")}
        named |= {name: at(self.results, name) for name in ("stub", "final")}
        return {str(name): value for name, value in named.items() if isinstance(value, Mapping)}

    def mean(self, name: str, group: str) -> float | None:
        """The objective of a contestant on the seeds of a group."""
        return number(self.contestants().get(name), group, self.objective.name)

    def label(self, name: str) -> str:
        """A contestant's name as readers know it."""
        own = {"final": f"final {self.noun}"}
        own[self.yardstick] = self.presentation.yardstick_label
        short = name if len(name) <= 20 else f"{name[:19]}…"
        return {**self.presentation.labels, **own}.get(name, short)


def is_run(folder: Path) -> bool:
    """Whether the folder is a run's, however far the run came."""
    return folder.is_dir() and any((folder / mark).exists() for mark in MARKS)


def read(folder: Path, presentation: Presentation) -> Run:
    """Read a run folder. Never raises for a missing or a damaged file."""
    missing = [f"{name}: {what}" for name, what in EXPECTED.items() if not (folder / name).exists()]
    results: Any = {}
    if (folder / "results.json").exists():
        try:
            results = json.loads((folder / "results.json").read_text(errors="replace"))
        except (OSError, ValueError, RecursionError) as error:
            missing.append(f"results.json cannot be read: {error}")
    if not isinstance(results, Mapping):
        missing.append("results.json does not hold an object")
        results = {}
    return Run(
        folder=folder,
        presentation=presentation,
        results=results,
        scores=tuple(_scores(folder / "evaluations.jsonl", presentation)),
        final_source=read_text(folder / "final_scheduler.py"),
        solution=read_text(folder / "solution.md"),
        missing=tuple(missing),
    )


def _scores(path: Path, presentation: Presentation) -> Iterator[Score]:
    try:
        records = read_json_lines(path)
    except (OSError, ValueError, RecursionError):
        return
    for position, record in enumerate(records, start=1):
        result = at(record, "result")
        if not isinstance(result, Mapping):
            continue
        clean = result.get("status") == "ok"
        yield Score(
            number=int(number(record, "number") or position),
            elapsed=number(record, "elapsed_seconds"),
            candidate=text(record, "candidate"),
            full=at(record, "full") is True,
            mean=number(result, presentation.objective.name) if clean else None,
            interval=interval(result, "interval") if clean else None,
            ratio=number(result, f"ratio_to_{presentation.yardstick}"),
            rule=text(result, "rule") or "failed",
            reason=text(result, "reason") or "no reason recorded",
        )
