"""The reference table: known routers on the paper's benchmark and on two with other memory.

Writes ``environment/benchmarks/RESULTS.md`` from measurements made in the same call.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from openglia.errors import OpenGliaError
from openglia.measuring.bootstrap import bootstrap_interval
from openglia.paths import BENCHMARKS
from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.benchmark.loading import load_benchmark
from openglia.problems.routing.evaluation.scoring import evaluate
from openglia.problems.routing.reference import clairvoyant

RESULTS = BENCHMARKS / "RESULTS.md"
BENCHMARK_NAMES = ("paper", "paper-tight", "paper-loose")

_ROUTERS = Path(__file__).parent / "routers"


@dataclass(frozen=True)
class Reference:
    """A router of the table; ``paper`` is the mean response time that the Glia paper reports, s."""

    label: str
    scheduler: str
    paper: float | None = None


REFERENCES = (
    Reference("round-robin", "builtin:round_robin", 63.4),
    Reference("LOR (fewest waiting)", "builtin:lor", 59.6),
    Reference("LLQ (fewest waiting + running)", "builtin:llq", 54.6),
    Reference("predictive admission", str(_ROUTERS / "predictive.py"), 32.5),
    Reference("head-room, first come first served", str(_ROUTERS / "head_room_fifo.py")),
    Reference("head-room, shortest prompt first", str(_ROUTERS / "head_room.py"), 24.1),
)
CLAIRVOYANT = Reference("*clairvoyant: knows the output lengths, outside the rules*", "")


def measure(simulator: str, say: Callable[[str], None]) -> dict[str, list[dict[str, Any]]]:
    """Evaluate every reference on every benchmark; one JSON object each, in the table's order.

    Raises:
        OpenGliaError: a reference router fails its evaluation.
    """
    table: dict[str, list[dict[str, Any]]] = {}
    for name in BENCHMARK_NAMES:
        benchmark = load_benchmark(name)
        table[name] = []
        for reference in REFERENCES:
            begun = time.monotonic()
            result = evaluate(reference.scheduler, benchmark, simulator=simulator).to_json()
            if result["status"] != "ok":
                raise OpenGliaError(
                    f"{reference.label} failed on {name}: {result['reason']}; "
                    "run `openglia doctor` and try again"
                )
            table[name].append(result)
            seconds = time.monotonic() - begun
            say(
                f"{name}: {reference.label}: {result['mean_response_time']:.1f} s ({seconds:.1f} s)"
            )
        table[name].append(_clairvoyant(benchmark))
    return table


def _clairvoyant(benchmark: Benchmark) -> dict[str, Any]:
    """The figures that the table shows, from the embedded engine whatever the others ran on."""
    seeds = clairvoyant.measure(benchmark)
    means = [mean for mean, _ in seeds]
    return {
        "mean_response_time": fmean(means),
        "interval": bootstrap_interval(means),
        "p99": None,
        "restarted_share": fmean(share for _, share in seeds),
    }


def render(table: dict[str, list[dict[str, Any]]], seconds: float) -> str:
    """The Markdown of RESULTS.md."""
    first = next(iter(table.values()))[0]
    lines = [
        "# Reference routers, measured",
        "",
        "Written by `python -m openglia reproduce`; do not edit. Mean response time in seconds",
        f"over {len(first['seeds'])} evaluation seeds with its 90 % bootstrap interval, from the",
        f"{first['simulator']} simulator with execution times `{first['execution_times']}`.",
        f"The whole table took {seconds:.0f} s of wall time.",
        "",
    ]
    for name, results in table.items():
        llq = next(
            result["mean_response_time"]
            for reference, result in zip(REFERENCES, results, strict=False)
            if reference.scheduler == "builtin:llq"
        )
        blocks = load_benchmark(name).cluster.replica_scheduler.num_blocks
        lines += [
            f"## {name} ({blocks} KV-cache blocks per replica, benchmark hash "
            f"`{results[0]['benchmark_hash']}`)",
            "",
            "| router | mean response time | 90 % interval | the paper | ratio to LLQ "
            "| p99 | restarted |",
            "|---|---:|---:|---:|---:|---:|---:|",
        ]
        lines += [
            _row(reference, result, llq, with_paper=name == "paper")
            for reference, result in zip((*REFERENCES, CLAIRVOYANT), results, strict=True)
        ]
        lines.append("")
    return "\n".join(lines)


def _row(reference: Reference, result: dict[str, Any], llq: float, *, with_paper: bool) -> str:
    low, high = result["interval"]
    paper = f"{reference.paper:.1f}" if with_paper and reference.paper else ""
    p99 = "" if result["p99"] is None else f"{result['p99']:.0f}"
    return (
        f"| {reference.label} | {result['mean_response_time']:.1f} | {low:.1f} to {high:.1f} "
        f"| {paper} | {result['mean_response_time'] / llq:.2f} | {p99} "
        f"| {result['restarted_share']:.1%} |"
    )
