"""Loading a candidate's file, written for Vidur, on top of the embedded simulator's interface."""

import importlib.util
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from types import ModuleType

from openglia.errors import OpenGliaError
from openglia.problems.routing.hooks import REPLICA_SCHEDULER, ROUTER, Hook, policy_file
from openglia.problems.routing.simulator import interface
from openglia.problems.routing.simulator.dispatch import ROUTER_ERRORS, raise_failure
from openglia.problems.routing.simulator.failures import RouterFailureError
from openglia.problems.routing.simulator.policy import ReplicaPolicy
from openglia.problems.routing.simulator.routers import ROUTERS


class GlobalSchedulerType(IntEnum):
    """Vidur's names of routers, and ours."""

    RANDOM = 1
    ROUND_ROBIN = 2
    LOR = 3
    AI = 4
    LLQ = 5


class ReplicaSchedulerType(IntEnum):
    """Vidur's names of the replica schedulers that the engine has."""

    SARATHI = 3
    VLLM = 4


# The modules of Vidur that a router may import, and what they hold.
OFFERED: dict[str, dict[str, object]] = {
    "vidur.entities": {"Request": interface.Request, "Replica": interface.Replica},
    "vidur.entities.request": {"Request": interface.Request},
    "vidur.entities.replica": {"Replica": interface.Replica},
    "vidur.scheduler": {"BaseGlobalScheduler": interface.BaseGlobalScheduler},
    "vidur.scheduler.global_scheduler": {"BaseGlobalScheduler": interface.BaseGlobalScheduler},
    "vidur.scheduler.global_scheduler.base_global_scheduler": {
        "BaseGlobalScheduler": interface.BaseGlobalScheduler
    },
    "vidur.scheduler.replica_scheduler.base_replica_scheduler": {
        "BaseReplicaScheduler": interface.ReplicaScheduler
    },
    "vidur.config": {
        "SimulationConfig": interface.SimulationConfig,
        "ClusterConfig": interface.ClusterConfig,
        "SarathiSchedulerConfig": interface.SarathiSchedulerConfig,
        "VllmSchedulerConfig": interface.VllmSchedulerConfig,
    },
    "vidur.types": {
        "GlobalSchedulerType": GlobalSchedulerType,
        "ReplicaSchedulerType": ReplicaSchedulerType,
    },
    "vidur.logger": {"init_logger": logging.getLogger},
    "vidur.openglia.replica_policy": {"ReplicaPolicy": ReplicaPolicy},
}


@contextmanager
def vidur_modules() -> Iterator[None]:
    """Make ``import vidur...`` find the engine's own classes while this is entered.

    Raises:
        OpenGliaError: the real Vidur is loaded in this process.
    """
    if "vidur" in sys.modules:
        raise OpenGliaError(
            "the real Vidur is loaded in this process; run the embedded simulator in another one"
        )
    for name, contents in OFFERED.items():
        parts = name.split(".")
        for depth in range(1, len(parts) + 1):
            _package(".".join(parts[:depth]))
        vars(sys.modules[name]).update(contents)
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "vidur"]:
            del sys.modules[name]


def load_router(path: Path) -> type[interface.BaseGlobalScheduler]:
    """The router in the file at ``path``. Call it within ``vidur_modules``.

    Raises:
        RouterFailureError: the file cannot be imported or does not hold the class.
    """
    return _load(path, ROUTER, interface.BaseGlobalScheduler)  # type: ignore[type-abstract]


def _load[C](path: Path, hook: Hook, base: type[C]) -> type[C]:
    spec = importlib.util.spec_from_file_location(hook.module, path)
    if spec is None or spec.loader is None:
        raise RouterFailureError("import", f"{path.name} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[hook.module] = module
    try:
        spec.loader.exec_module(module)
    except ROUTER_ERRORS as error:
        missing = isinstance(error, ImportError) and (error.name or "").startswith("vidur")
        if missing:
            raise RouterFailureError(
                "import",
                f"{error}: of Vidur, a {hook.noun} may import from {', '.join(sorted(OFFERED))}",
            ) from error
        raise_failure(error, f"importing {path.name}", rule="import")
    found = getattr(module, hook.class_name, None)
    if not (isinstance(found, type) and issubclass(found, base)):
        raise RouterFailureError(
            "interface", f"{path.name} must define class {hook.class_name}({hook.base})"
        )
    return found


def resolve(scheduler: str) -> type[interface.BaseGlobalScheduler]:
    """The router that a job names: ``builtin:NAME`` or the path of a file.

    Raises:
        OpenGliaError: no such router; RouterFailureError: it cannot be loaded.
    """
    if not scheduler.startswith("builtin:"):
        return load_router(Path(scheduler))
    name = scheduler.removeprefix("builtin:")
    if name not in ROUTERS:
        raise OpenGliaError(f"no built-in router {name!r}; there are {', '.join(ROUTERS)}")
    return ROUTERS[name]


def resolve_policy(scheduler: str) -> type[ReplicaPolicy]:
    """Likewise the scheduler of the replicas."""
    return _load(policy_file(scheduler), REPLICA_SCHEDULER, ReplicaPolicy)


def _package(name: str) -> None:
    if name in sys.modules:
        return
    module = ModuleType(name)
    module.__path__ = []  # a package, so that imports of what it lacks name it
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)
