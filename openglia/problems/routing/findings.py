"""What ``openglia doctor`` looks at for the routing problem."""

from openglia import paths
from openglia.problems.findings import Examination, Finding
from openglia.problems.routing import repository
from openglia.problems.routing.benchmark.loading import load_benchmark
from openglia.problems.routing.hardware import tables
from openglia.problems.routing.simulator.timing import ExecutionTimes
from openglia.problems.routing.vidur import checkout, tree


def _experiment() -> Finding:
    wanted = (paths.PROBLEM, paths.STUB, paths.BENCHMARKS, paths.OVERRIDES)
    missing = [str(paths.shown(path)) for path in wanted if not path.exists()]
    if missing:
        return Finding("experiment", "problem", f"missing in {paths.ROOT}: {', '.join(missing)}")
    if not paths.WORKING_SCHEDULER.parent.is_dir():
        text = f"{paths.shown(paths.VIDUR)} is not laid out: run ./setup.sh"
        return Finding("experiment", "problem", text)
    return Finding("experiment", "ok", str(paths.ROOT))


def _vidur() -> Finding:
    commit = checkout.Source.from_environment().commit
    state = checkout.state(paths.VIDUR, commit)
    match state:
        case "installed":
            text = (
                f"commit {commit[:12]}, overrides {tree.overrides_sha256()[:12]}, "
                f"tables of {len(tables.stored())} profiles"
            )
            return Finding("Vidur", "ok", text)
        case "missing" | "embedded":
            text = "not installed: scores come from the embedded simulator"
            return Finding("Vidur", "note", text)
        case "no git":
            return Finding("Vidur", "note", f"{repository.NO_GIT}; the embedded simulator scores")
        case _:
            text = f"environment/vidur is {state}; ./setup.sh puts it right"
            return Finding("Vidur", "note" if state == "changed" else "problem", text)


def _simulator() -> Finding:
    times = ExecutionTimes.load(load_benchmark("paper").cluster)
    text = f"embedded; execution times of the paper's benchmark: {times.source}"
    return Finding("simulator", "ok", text)


EXAMINATIONS: list[Examination] = [
    ("experiment", _experiment),
    ("Vidur", _vidur),
    ("simulator", _simulator),
]
