"""The benchmark that a run was scored on, from its folder alone.

results.json holds the definition in full, so that nothing depends on the file that the run was
started with. ``benchmark.yaml`` is the same for people and for the commands that solution.md names.
"""

import shlex
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from openglia import paths
from openglia.errors import OpenGliaError
from openglia.files import write_atomically
from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.benchmark.length_copies import copy_along
from openglia.problems.routing.benchmark.loading import available, load_benchmark, to_yaml
from openglia.problems.routing.benchmark.recorded import restore as restore
from openglia.runs.folder import RunFolder


def keep(folder: RunFolder, benchmark: Benchmark) -> None:
    """Write ``benchmark.yaml`` and copy its length files along.

    Raises:
        OpenGliaError: the folder cannot be written.
    """
    text = f"# What {folder.id} was scored on, in full; hash {benchmark.hash}.\n"
    try:
        write_atomically(folder.benchmark, text + to_yaml(benchmark))
        copy_along(benchmark.workload, folder.path)
    except OSError as error:
        raise OpenGliaError(
            f"{folder.benchmark} cannot be written: {error.strerror}; make room"
        ) from None


def remark(results: Mapping[str, Any], benchmark: Benchmark) -> str | None:
    """One line if the file that the run was started with is not what it was; else None."""
    file = _file(results)
    if file is None:
        return None
    use = "the definition that the run was begun with is used"
    if not file.is_file():
        return f"the benchmark's file {file} is gone; {use}"
    try:
        same = _alike(load_benchmark(str(file)), benchmark)
    except OpenGliaError:
        same = False
    return None if same else f"the benchmark's file {file} has changed since the run began; {use}"


def argument(folder: RunFolder, results: Mapping[str, Any]) -> str:
    """What ``--benchmark`` takes to score on the same again, quoted for a shell.

    The name where a benchmark that ships with the checkout is the run's, else the run's own file.
    """
    name = results["benchmark"]["name"]
    try:
        if name in available() and _alike(load_benchmark(name), restore(folder.path, results)):
            return shlex.quote(str(name))
    except OpenGliaError:
        pass
    return shlex.quote(str(paths.shown(folder.benchmark)))


def _file(results: Mapping[str, Any]) -> Path | None:
    """The file that the run was started with."""
    recorded = results["benchmark"]
    if recorded.get("file"):
        return Path(recorded["file"])
    if "file" in recorded or recorded["name"] in available():
        return paths.BENCHMARKS / f"{recorded['name']}.yaml"
    return None  # a run of an earlier version, which did not say


def _alike(first: Benchmark, second: Benchmark) -> bool:
    """Whether both score alike on the same seeds, whatever they are called."""
    bare = [asdict(replace(b, name="", description="")) for b in (first, second)]
    return bare[0] == bare[1]
