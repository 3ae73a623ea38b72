"""The benchmark that a run was scored on, from its folder alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from openglia.errors import OpenGliaError
from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.benchmark.length_copies import adopt
from openglia.problems.routing.benchmark.loading import load_benchmark, resolved


def restore(folder: Path, results: Mapping[str, Any]) -> Benchmark:
    """The benchmark as the run was scored on it.

    Raises:
        OpenGliaError: neither the run's folder nor this checkout has it.
    """
    recorded = results["benchmark"]
    definition = recorded.get("definition")
    if not isinstance(definition, Mapping) or "workload" not in definition:
        benchmark = load_benchmark(recorded["name"])  # a run of an early version
    else:
        benchmark = resolved({**definition, "name": recorded["name"]}, folder / "results.json")
    if benchmark.hash != recorded["hash"]:
        raise OpenGliaError(
            f"the benchmark {benchmark.name} is not the one that the run was scored on (its hash "
            f"is {benchmark.hash}, the run's {recorded['hash']}): results.json was changed, or "
            f"this version draws other requests; use the version that the run names"
        )
    adopt(benchmark.workload, folder)
    return benchmark
