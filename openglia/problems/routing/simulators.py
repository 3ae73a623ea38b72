"""The simulators that can score a router, behind one interface.

Nothing of a simulator is imported here: its workers alone run it. Imports inside functions are
late: who scores on the embedded simulator needs nothing of Vidur.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openglia import paths
from openglia.errors import OpenGliaError, UsageError
from openglia.files import files_below, sha256
from openglia.problems.routing.benchmark.definition import Benchmark, Cluster, Limits
from openglia.problems.routing.hardware import tables

if TYPE_CHECKING:
    from openglia.measuring import cluster as machines

_HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, kw_only=True)
class Simulator:
    """What the harness has to know of a simulator."""

    name: str  # in options, results and the names of files
    worker: str  # the module that simulates a job's seeds (``evaluation/simulation.py``)
    sources: tuple[Path, ...]  # modules and packages of ours that its workers import
    reads: Callable[[Cluster], Iterator[Path]]  # what else its workers read
    seconds: Callable[[Limits], float]  # wall time that a seed may take
    code: tuple[Path, ...]  # stored baselines hold for the modules in these folders alone
    measures_yardstick: bool  # as soon as a ratio needs it
    problem: Callable[[], str | None]  # why it cannot be used here, and the cure; None: it can
    # The module that runs a router apart from the simulation, and all of ours that it can read: not
    # what draws a trace. Empty: this simulator cannot do without the router beside it.
    host: str = ""
    host_sources: tuple[Path, ...] = ()
    cluster: "machines.Cluster | None" = None  # whose machines run its workers; None: this one

    def __reduce__(self) -> tuple[Any, ...]:
        """For another machine, where it is of that machine."""
        return find, (self.name,)


def find(simulator: "str | Simulator") -> Simulator:
    """The simulator of that name; ``auto`` is the embedded one.

    Raises:
        OpenGliaError: it is not installed.
        UsageError: there is no such simulator.
    """
    if isinstance(simulator, Simulator):
        return simulator
    found = SIMULATORS.get("embedded" if simulator == "auto" else simulator)
    if found is None:
        raise UsageError(f"no simulator {simulator!r}; there are auto, {', '.join(SIMULATORS)}")
    if problem := found.problem():
        raise OpenGliaError(f"{problem}, or use --simulator embedded")
    return found


def require(simulator: Simulator, benchmark: Benchmark) -> None:
    """Refuse a benchmark that the simulator cannot simulate.

    Raises:
        UsageError: it cannot.
    """
    if simulator.name == "vidur" and (keys := benchmark.cluster.beyond_vidur):
        raise UsageError(
            f"benchmark {benchmark.name} has cluster.{keys[0]}, which Vidur does not simulate; "
            f"use --simulator embedded"
        )


def read_hash(simulator: Simulator, cluster: Cluster) -> str:
    """12 digits over what its workers read besides our sources and what is simulated."""
    found = []
    for place in simulator.reads(cluster):
        if place.name != ".git":  # what counts of it is checked out, and read too
            files = [place] if place.is_file() else files_below(place)
            found += [f"{p.name}\0{sha256(p.read_bytes())}" for p in files if p.is_file()]
    return sha256("\n".join(sorted(found)))[:12]


def _tables(_: Cluster) -> Iterator[Path]:
    if tables.folder().is_dir():
        yield tables.folder()


def _vidur_files(cluster: Cluster) -> Iterator[Path]:
    """Git's objects, pristine files, overrides, predictors.

    Raises:
        OpenGliaError: they cannot be had from the checkout.
    """
    from openglia.problems.routing.vidur import checkout, predictors, tree

    yield paths.VIDUR / ".git"
    yield tree.pristine(checkout.Source.from_environment().commit)
    yield paths.OVERRIDES
    if (work := predictors.folder(cluster)).is_dir():
        yield work


def _vidur_problem() -> str | None:
    from openglia.problems.routing import repository
    from openglia.problems.routing.vidur.installation import is_installed

    if is_installed():
        return None
    if not repository.git_is_there():
        return repository.NO_GIT
    return "Vidur is not installed; run ./setup.sh where its repository can be reached"


_SHARED = (
    *(_HERE / name for name in ("__init__.py", "exchange.py", "hooks.py")),
    *(_HERE / name for name in ("benchmark", "hardware")),
)

_OF_A_ROUTER = (
    *("__init__", "blame", "clock", "dispatch", "failures", "following", "host", "interface"),
    *("job", "loading", "policy", "preparation", "routers", "scheduling", "wire"),
)

SIMULATORS = {
    "embedded": Simulator(
        name="embedded",
        worker="openglia.problems.routing.simulator.worker",
        sources=(*_SHARED, _HERE / "simulator"),
        reads=_tables,
        seconds=lambda limits: limits.simulation_seconds,
        code=(_HERE / "simulator",),
        measures_yardstick=True,
        problem=lambda: None,
        host="openglia.problems.routing.simulator.host",
        host_sources=(
            *(_HERE / name for name in ("__init__.py", "exchange.py", "hooks.py")),
            *(_HERE / "benchmark" / name for name in ("__init__.py", "definition.py")),
            *(_HERE / "simulator" / f"{name}.py" for name in _OF_A_ROUTER),
        ),
    ),
    "vidur": Simulator(
        name="vidur",
        worker="openglia.problems.routing.vidur.worker",
        sources=(
            *_SHARED,
            _HERE / "repository.py",
            _HERE / "vidur",
            _HERE / "simulator" / "__init__.py",
            *(_HERE / "simulator" / name for name in ("clock.py", "policy.py", "policies")),
        ),
        reads=_vidur_files,
        seconds=lambda limits: limits.vidur_simulation_seconds,
        code=(_HERE / "vidur", paths.OVERRIDES),
        measures_yardstick=False,  # a seed takes most of a minute
        problem=_vidur_problem,
    ),
}
