"""How many replicas carry a load: measured with LLQ, on the embedded simulator."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf

from openglia.errors import UsageError
from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.evaluation.measuring import BUILTIN, measure

UNLOADED = 256  # replicas, or as many as there are requests
LOADED = 3.0  # times the unloaded mean response time that LLQ may reach

Measured = Callable[[int, float], None]  # replicas, mean response time in seconds


@dataclass(frozen=True)
class Size:
    """The smallest cluster on which LLQ's mean response time is ``LOADED`` times the unloaded."""

    replicas: int
    means: dict[int, float]  # seconds, by number of replicas; infinite where it failed
    unloaded: float  # seconds


def size(benchmark: Benchmark, seed: int, measured: Measured) -> Size:
    """Find the number of replicas for the load of one seed.

    Raises:
        UsageError: no cluster is large enough.
        OpenGliaError: the benchmark cannot be simulated.
    """
    means: dict[int, float] = {}

    def mean(replicas: int) -> float:
        if replicas not in means:
            cluster = replace(benchmark.cluster, replicas=replicas)
            # Without seeds of its own nothing of it is kept in the cache.
            tried = replace(benchmark, cluster=cluster, seeds=(), held_out_seeds=())
            found = measure(f"{BUILTIN}llq", tried, seeds=(seed,), simulator="embedded", jobs=1)
            statistics = found.statistics
            means[replicas] = inf if statistics is None else statistics.mean_response_time
            measured(replicas, means[replicas])
        return means[replicas]

    unloaded = mean(UNLOADED)
    few, many = 0, 1
    while mean(many) > LOADED * unloaded:
        if many >= UNLOADED:
            raise UsageError("no cluster of 256 replicas carries this load; use a --rate-scale < 1")
        few, many = many, 2 * many
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if mean(middle) <= LOADED * unloaded else (middle, many)
    return Size(many, dict(sorted(means.items())), unloaded)
