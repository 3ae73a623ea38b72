"""Measuring the reference table. What has been measured is kept: an interrupted call goes on."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openglia.errors import OpenGliaError
from openglia.files import canonical_json, sha256, sparing, write_json
from openglia.measuring.pairs import Paired, compare
from openglia.paths import CACHE
from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.benchmark.workload import generate
from openglia.problems.routing.evaluation.baselines import code_hash
from openglia.problems.routing.evaluation.measuring import BUILTIN, Evaluation, measure
from openglia.problems.routing.reference import clairvoyant
from openglia.problems.routing.reference.references import (
    CLAIRVOYANT,
    HEAD_ROOM,
    LLQ,
    REFERENCES,
    Reference,
)
from openglia.problems.routing.simulator.timing import ExecutionTimes
from openglia.problems.routing.simulators import Simulator, find

BENCHMARK_NAMES = ("paper", "paper-tight", "paper-loose", "heterogeneous-load", "conversation")

Say = Callable[[str], None]
# An evaluation's JSON form, with ``by_seed``: an objective's name -> its value on each seed.
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """The rows of one benchmark by label, in the table's order; or why there are none."""

    benchmark: Benchmark
    rows: Mapping[str, Row]
    missing: str = ""

    def ratio(self, label: str, to: str, objective: str = "mean_response_time") -> Paired | None:
        """One router against another on an objective, paired by seed; None if not defined."""
        first, second = (self.rows[name]["by_seed"][objective] for name in (label, to))
        if None in first or None in second:
            return None
        return compare(first, second)


def measure_all(benchmarks: Sequence[Benchmark], simulator: str, say: Say) -> list[Table]:
    """Measure every reference on every benchmark; the clairvoyant on the embedded engine.

    Raises:
        OpenGliaError: a reference router fails its evaluation.
    """
    return [_measure(benchmark, find(simulator), say) for benchmark in benchmarks]


def _measure(benchmark: Benchmark, simulator: Simulator, say: Say) -> Table:
    try:
        generate(benchmark, benchmark.seeds[0])
        times = ExecutionTimes.load(benchmark.cluster).source
    except OpenGliaError as error:
        say(f"{benchmark.name}: not measured: {error}")
        return Table(benchmark, {}, str(error))
    rows = {}
    for number, reference in enumerate((*REFERENCES, CLAIRVOYANT), start=1):
        key = _key(reference, benchmark, simulator, times)
        row = _kept(key)
        if known := row is not None:
            pass
        elif reference is CLAIRVOYANT:
            row = _row(clairvoyant.measure(benchmark))
        else:
            row = _row(_evaluated(reference, benchmark, simulator))
        if not known:
            with sparing(key.parent):
                write_json(key, row)
        rows[reference.label] = row
        say(
            f"{benchmark.name}: {number} of {len(REFERENCES) + 1}: {reference.label}: "
            f"{row['mean_response_time']:.2f} s" + (" (known)" if known else "")
        )
    return Table(benchmark, rows)


def _evaluated(reference: Reference, benchmark: Benchmark, simulator: Simulator) -> Evaluation:
    evaluation = measure(reference.scheduler, benchmark, simulator=simulator)
    if evaluation.failure is not None:
        raise OpenGliaError(
            f"{reference.label} failed on {benchmark.name}: {evaluation.failure.reason}; "
            "run `openglia doctor` and try again"
        )
    return evaluation


def _row(evaluation: Evaluation) -> Row:
    statistics = evaluation.statistics
    assert statistics is not None
    by_seed = {"mean_response_time": statistics.per_seed, **statistics.by_seed}
    return {
        **evaluation.to_json(),
        "by_seed": {name: list(values) for name, values in by_seed.items()},
    }


def _key(reference: Reference, benchmark: Benchmark, simulator: Simulator, times: str) -> Path:
    """The file of a row: named after all that decides its figures, the engine's code too."""
    if reference is CLAIRVOYANT:
        source = Path(clairvoyant.__file__).read_text()
    elif reference.scheduler.startswith(BUILTIN):
        source = reference.scheduler
    else:
        source = Path(reference.scheduler).read_text()
    parts = [source, benchmark.hash, list(benchmark.seeds), simulator.name, times]
    digest = sha256(canonical_json([*parts, code_hash(simulator)]))[:16]
    return CACHE / "reproduce" / f"{benchmark.name}-{digest}.json"


def _kept(path: Path) -> Row | None:
    try:
        row: Row = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return row


__all__ = ["BENCHMARK_NAMES", "HEAD_ROOM", "LLQ", "Row", "Table", "measure_all"]
