"""Measuring the reference table. What has been measured is kept: an interrupted call goes on."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from inspect import getsource
from pathlib import Path
from statistics import fmean
from typing import Any

from openglia.errors import OpenGliaError
from openglia.files import canonical_json, sha256, sparing, write_json
from openglia.measuring.pairs import Paired, compare
from openglia.paths import CACHE
from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.benchmark.workload import generate
from openglia.problems.routing.evaluation.baselines import code_hash
from openglia.problems.routing.evaluation.measuring import BUILTIN, measure
from openglia.problems.routing.reference import clairvoyant, gap, informed
from openglia.problems.routing.reference.references import CLAIRVOYANT, REFERENCES, Reference
from openglia.problems.routing.simulator.timing import ExecutionTimes
from openglia.problems.routing.simulators import Simulator, find

BENCHMARK_NAMES = ("paper", "paper-tight", "paper-loose", "heterogeneous-load", "conversation")
FEWER_SEEDS = {"conversation": 3}  # where a seed has many requests: 20,000
GAPS = ("paper",)  # of which the gap is looked into: outputs are a length and an inflation
_PATIENCE = 3600.0  # seconds for one seed of one router

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


@dataclass(frozen=True)
class Gap:
    """What ``gap`` says of a benchmark: figures seed by seed, by policy, and those of ``facts``."""

    benchmark: Benchmark
    policies: Mapping[gap.Policy, Mapping[str, list[float]]]
    facts: Mapping[str, list[float]]


def measure_all(benchmarks: Sequence[Benchmark], simulator: str, say: Say) -> list[Table]:
    """Measure every reference on every benchmark; the clairvoyant on the embedded engine.

    The seeds are a benchmark's evaluation seeds, or the first ``FEWER_SEEDS`` of them.

    Raises:
        OpenGliaError: a reference router fails its evaluation.
    """
    return [_measure(benchmark, find(simulator), say) for benchmark in benchmarks]


def measure_gap(benchmark: Benchmark, say: Say) -> Gap:
    """Measure what the gap to the clairvoyant consists of, on the embedded engine."""
    times = ExecutionTimes.load(benchmark.cluster).source
    code = Path(informed.__file__).read_text()
    policies = {}
    for policy in gap.POLICIES:
        key = _key(repr(policy) + code, benchmark, find("embedded"), times)
        figures, known = _remembered(key, partial(gap.measure, policy, benchmark))
        policies[policy] = figures
        mean = f"{fmean(figures['mean']):.2f} s{known}"
        say(f"{benchmark.name}: the gap: {policy.words}: {mean}")
    key = _key("facts" + code, benchmark, find("embedded"), times)
    return Gap(benchmark, policies, _remembered(key, partial(gap.facts, benchmark))[0])


def _measure(benchmark: Benchmark, simulator: Simulator, say: Say) -> Table:
    seeds = benchmark.seeds[: FEWER_SEEDS.get(benchmark.name)]
    benchmark = replace(benchmark, seeds=seeds)
    try:
        generate(benchmark, benchmark.seeds[0])
        times = ExecutionTimes.load(benchmark.cluster).source
    except OpenGliaError as error:
        say(f"{benchmark.name}: not measured: {error}")
        return Table(benchmark, {}, str(error))
    rows = {}
    references = (*REFERENCES, CLAIRVOYANT)
    for number, reference in enumerate(references, start=1):
        key = _key(_source(reference), benchmark, simulator, times)
        row, known = _remembered(key, partial(_row, reference, benchmark, simulator))
        rows[reference.label] = row
        mean = f"{row['mean_response_time']:.2f} s{known}"
        say(f"{benchmark.name}: {number} of {len(references)}: {reference.label}: {mean}")
    return Table(benchmark, rows)


def _row(reference: Reference, benchmark: Benchmark, simulator: Simulator) -> Row:
    if reference is CLAIRVOYANT:
        evaluation = clairvoyant.measure(benchmark)
    else:
        # They do end, so a machine with other work to do need not fail them.
        limits = replace(benchmark.limits, simulation_seconds=_PATIENCE)
        patient = replace(benchmark, limits=limits)
        evaluation = measure(reference.scheduler, patient, simulator=simulator)
    if evaluation.failure is not None:
        raise OpenGliaError(
            f"{reference.label} failed on {benchmark.name}: {evaluation.failure.reason}; "
            "run `openglia doctor` and try again"
        )
    statistics = evaluation.statistics
    assert statistics is not None
    return {
        **evaluation.to_json(),
        "by_seed": {name: list(values) for name, values in statistics.by_seed.items()},
    }


def _source(reference: Reference) -> str:
    if reference is CLAIRVOYANT:
        return getsource(clairvoyant.router)
    built_in = reference.scheduler.startswith(BUILTIN)
    return reference.scheduler if built_in else Path(reference.scheduler).read_text()


def _key(source: str, benchmark: Benchmark, simulator: Simulator, times: str) -> Path:
    """The file of what is measured: named after all that decides it, the engine's code too."""
    parts = [source, benchmark.hash, list(benchmark.seeds), simulator.name, times]
    digest = sha256(canonical_json([*parts, code_hash(simulator)]))[:16]
    return CACHE / "reproduce" / f"{benchmark.name}-{digest}.json"


def _remembered(path: Path, make: Callable[[], Any]) -> tuple[Any, str]:
    """What the file holds, or else what ``make`` gives, kept there; and whether it was known."""
    with suppress(OSError, ValueError):
        return json.loads(path.read_text()), " (known)"
    made = make()
    with sparing(path.parent):
        write_json(path, made)
    return made, ""
