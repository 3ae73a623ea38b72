"""The benchmark that a run was scored on, from its folder alone.

results.json holds the definition in full, so that nothing depends on the file that the run was
started with. ``benchmark.yaml`` is the same for people and for the commands that solution.md names.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from openglia import paths
from openglia.errors import OpenGliaError, UsageError
from openglia.files import write_atomically
from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.benchmark.length_copies import adopt, copy_along
from openglia.problems.routing.benchmark.loading import (
    available,
    load_benchmark,
    resolved,
    to_yaml,
)
from openglia.problems.routing.workplace import is_shown

FILE = "benchmark.yaml"  # in the run's folder


def described(benchmark: Benchmark, file: Path | None) -> dict[str, Any]:
    """The ``benchmark`` of results.json, fully resolved; ``file`` if it was given as a path."""
    return {
        "name": benchmark.name,
        "hash": benchmark.hash,
        "seeds": list(benchmark.seeds),
        "held_out_seeds": list(benchmark.held_out_seeds),
        "file": None if file is None else str(file),
        "definition": asdict(benchmark),
        "replayed": replayed(benchmark),
    }


def replayed(benchmark: Benchmark) -> dict[str, Any] | None:
    """See ``replay.windows.account``: what is replayed; None where requests are drawn.

    Raises:
        UsageError: the trace's file is not what it was, or does not reach to all seeds.
    """
    if "trace" not in benchmark.workload:
        return None
    from openglia.problems.routing.benchmark.replay import windows  # late: NumPy

    return windows.account(benchmark)


def replayed_in_words(benchmark: Benchmark) -> list[str]:
    """The same as lines for people; none where requests are drawn."""
    found = replayed(benchmark)
    if found is None:
        return []
    from openglia.problems.routing.benchmark.replay import windows  # late: NumPy

    return windows.told(found)


def usable(benchmark: Benchmark) -> None:
    """Before anything is measured: a trace must be there, reach to all seeds, and stay unseen.

    Raises:
        UsageError: it does not.
    """
    if replayed(benchmark) is None:
        return
    file = Path(benchmark.workload["trace"]["file"])
    if is_shown(file):
        raise UsageError(
            f"the trace {file} lies where agents can read it, its held-out part too; "
            f"move it into a folder of your own, outside of the experiment's"
        )


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


def keep(folder: Path, benchmark: Benchmark) -> None:
    """Write ``benchmark.yaml`` and copy its length files along, where it is not there yet.

    Raises:
        OpenGliaError: the folder cannot be written.
    """
    file = folder / FILE
    if file.exists():
        return
    said = [f"What {folder.name} was scored on, in full; hash {benchmark.hash}."]
    text = "".join(f"# {line}\n" for line in [*said, *replayed_in_words(benchmark)])
    try:
        write_atomically(file, text + to_yaml(benchmark))
        copy_along(benchmark.workload, folder)
    except OSError as error:
        raise OpenGliaError(f"{file} cannot be written: {error.strerror}; make room") from None


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


def argument(folder: Path, results: Mapping[str, Any]) -> str:
    """What ``--benchmark`` takes to score on the same again.

    The name where a benchmark that ships with the checkout is the run's, else the run's own file.
    """
    name = results["benchmark"]["name"]
    try:
        if name in available() and _alike(load_benchmark(name), restore(folder, results)):
            return str(name)
    except OpenGliaError:
        pass
    return str(paths.shown(folder / FILE))


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
