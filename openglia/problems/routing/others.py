"""The benchmarks on which a router that was found on one is measured at the end."""

from collections.abc import Sequence
from dataclasses import replace

from openglia.errors import UsageError
from openglia.problems.routing.benchmark.definition import DEFAULT, Benchmark
from openglia.problems.routing.benchmark.loading import available, load_benchmark
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

    Its constraints are left to it.

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
    objective, slo = benchmark.objective, benchmark.slo
    same = (replace(b, objective=objective, slo=slo, constraints=()) for b in found)
    own = replace(benchmark, constraints=()).hash
    return [other for other in same if other.hash != own]


def _is_family(benchmark: Benchmark) -> bool:
    """Whether it is one that ships and, whatever it scores by, the setting of one of the family."""
    name = benchmark.name
    if name not in available() or load_benchmark(name).hash != benchmark.hash:
        return False
    plain = replace(benchmark, objective=DEFAULT, slo=None, constraints=())
    return plain.hash in {load_benchmark(name).hash for name in FAMILY}
