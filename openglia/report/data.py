"""A run folder, read tolerantly: whatever is missing or of the wrong form is None, and is said."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openglia.files import read_json_lines

# Any of these makes a folder a run folder, however far the run came.
MARKS = ("results.json", "evaluations.jsonl", "fastagent.jsonl", "solution.md", "candidates")

EXPECTED = {
    "results.json": "the figures of the run (openglia finish RUN_DIR writes them)",
    "evaluations.jsonl": "the record of evaluations",
    "final_scheduler.py": "the scheduler that the run stands behind",
    "solution.md": "the Researcher's account",
}


def at(value: Any, *keys: str | int) -> Any:
    """The value under nested keys, or None where the path breaks off."""
    for key in keys:
        if isinstance(value, Mapping) and isinstance(key, str):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and -len(value) <= key < len(value):
            value = value[key]
        else:
            return None
    return value


def number(value: Any, *keys: str | int) -> float | None:
    """The finite number under the keys, or None."""
    found = at(value, *keys)
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return float(found) if math.isfinite(found) else None


def text(value: Any, *keys: str | int) -> str | None:
    """The non-empty string under the keys, or None."""
    found = at(value, *keys)
    return found if isinstance(found, str) and found else None


def interval(value: Any, *keys: str | int) -> tuple[float, float] | None:
    """The pair of numbers under the keys, or None."""
    found = at(value, *keys)
    low, high = number(found, 0), number(found, 1)
    return None if low is None or high is None else (low, high)


def per_seed(evaluation: Any) -> dict[int, float]:
    """Mean response time in seconds by seed, of an evaluation's JSON; empty if there is none."""
    seeds, values = at(evaluation, "seeds"), at(evaluation, "per_seed")
    if not isinstance(seeds, list) or not isinstance(values, list):
        return {}
    return {
        seed: value
        for seed, value in zip(seeds, (number(value) for value in values), strict=False)
        if isinstance(seed, int) and value is not None
    }


@dataclass(frozen=True)
class Score:
    """One record of evaluations.jsonl."""

    number: int
    elapsed: float | None  # seconds since the start of the run
    candidate: str | None  # path inside the run folder
    full: bool  # all evaluation seeds at the benchmark's own duration
    mean: float | None  # mean response time in seconds; None if the evaluation failed
    interval: tuple[float, float] | None
    result: Mapping[str, Any]

    @property
    def failed(self) -> bool:
        """Whether there is no score."""
        return self.mean is None


@dataclass(frozen=True)
class Run:
    """What a run folder holds."""

    folder: Path
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

    def best_so_far(self) -> list[tuple[int, float]]:
        """(evaluation number, seconds) of every full evaluation that was the best up to then."""
        best: list[tuple[int, float]] = []
        for score in self.scores:
            if score.full and score.mean is not None and (not best or score.mean < best[-1][1]):
                best.append((score.number, score.mean))
        return best

    def routers(self) -> dict[str, Mapping[str, Any]]:
        """Baselines, stub and final by name, each with ``evaluation`` and ``held_out``."""
        found: dict[str, Mapping[str, Any]] = {}
        baselines = at(self.results, "baselines")
        if isinstance(baselines, Mapping):
            found.update({str(k): v for k, v in baselines.items() if isinstance(v, Mapping)})
        for name in ("stub", "final"):
            value = at(self.results, name)
            if isinstance(value, Mapping):
                found[name] = value
        return found


def is_run(folder: Path) -> bool:
    """Whether the folder is a run's, however far the run came."""
    return folder.is_dir() and any((folder / mark).exists() for mark in MARKS)


def read(folder: Path) -> Run:
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
        results=results,
        scores=tuple(_scores(folder / "evaluations.jsonl")),
        final_source=read_text(folder / "final_scheduler.py"),
        solution=read_text(folder / "solution.md"),
        missing=tuple(missing),
    )


def read_text(path: Path) -> str | None:
    """The file's text, undecodable bytes replaced; None if it cannot be read."""
    try:
        return path.read_text("utf-8-sig", errors="replace")
    except OSError:
        return None


def _scores(path: Path) -> list[Score]:
    try:
        records = read_json_lines(path)
    except (OSError, ValueError, RecursionError):
        return []
    scores = []
    for position, record in enumerate(records, start=1):
        result = at(record, "result")
        if not isinstance(result, Mapping):
            continue
        clean = result.get("status") == "ok"
        scores.append(
            Score(
                number=int(number(record, "number") or position),
                elapsed=number(record, "elapsed_seconds"),
                candidate=text(record, "candidate"),
                full=at(record, "full") is True,
                mean=number(result, "mean_response_time") if clean else None,
                interval=interval(result, "interval") if clean else None,
                result=result,
            )
        )
    return scores
