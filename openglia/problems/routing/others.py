"""The benchmarks on which a router that was found on one is measured at the end."""

from collections.abc import Sequence
from dataclasses import replace

from openglia.errors import UsageError
from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.benchmark.loading import load_benchmark
from openglia.problems.routing.scored_on import usable

# What follows a run on one of them by default. What a run on another one shows nobody knows, and a
# run on a small one is to be short.
FAMILY = (
    "paper",
    "paper-tight",
    "paper-loose",
    "heterogeneous-load",
    "unequal-replicas",
    "stale-signals",
)


def others(benchmark: Benchmark, names: Sequence[str] | None) -> list[Benchmark]:
    """The benchmarks that are named, or those by default; scored by the objective of ``benchmark``.

    Raises:
        UsageError: one of them does not exist, cannot be used or has no held-out seeds.
    """
    if names is None:
        names = FAMILY if _is_family(benchmark) else ()
    found = [load_benchmark(name) for name in names]
    for other in found:
        usable(other)
        if not other.held_out_seeds:
            raise UsageError(
                f"benchmark {other.name} has no held-out seeds to measure the final router on; "
                f"give it held_out_seeds, or leave it out of --transfer"
            )
    same = (replace(other, objective=benchmark.objective) for other in found)
    return [other for other in same if other.hash != benchmark.hash]


def _is_family(benchmark: Benchmark) -> bool:
    name = benchmark.name
    return name in FAMILY and load_benchmark(name).hash == benchmark.hash
