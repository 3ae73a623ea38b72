"""Measuring a candidate apart from what measures it: whether that can be, and how long."""

from dataclasses import replace

from openglia.measuring import worker_fence
from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.hardware import tables
from openglia.problems.routing.hardware.roofline import profile_hash
from openglia.problems.routing.simulators import Simulator

COST = 5  # times as long as beside the engine, at most (tests/performance/isolation.py)


def impossible(benchmark: Benchmark, simulator: Simulator, noun: str) -> str | None:
    """Why it cannot be, in a line; it is on the embedded engine, if that is equal."""
    if (problem := worker_fence.problem()) is not None:
        return f"no process can be kept from another here: {problem}"
    if simulator.name == "embedded" or tables.path(profile_hash(benchmark.cluster)).exists():
        return None
    return (
        f"{simulator.name} scored, which cannot do without the {noun} beside it, and the embedded "
        f"simulator has other execution times (./setup.sh makes the tables)"
    )


def with_patience(benchmark: Benchmark) -> Benchmark:
    """So that no honest candidate comes too late for the way to another process and back."""
    limits = benchmark.limits
    patient = replace(
        limits,
        simulation_seconds=COST * limits.simulation_seconds,
        router_call_mean_ms=COST * limits.router_call_mean_ms,
    )
    return replace(benchmark, limits=patient)
