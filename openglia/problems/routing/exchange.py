"""What the harness and a simulator's worker tell each other, as files of JSON.

``job.json`` says what to simulate. A worker leaves ``seed_N/summary.json`` for each seed, or
``failure.json`` if the router failed. Both simulators' workers read and write the same.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from openglia.files import write_json
from openglia.problems.routing.benchmark.definition import (
    Cluster,
    Group,
    Limits,
    Outage,
    ReplicaScheduler,
    Signals,
)
from openglia.problems.routing.hooks import ROUTER

JOB = "job.json"
SUMMARY = "summary.json"
FAILURE = "failure.json"
FAILED = 3  # a worker's exit status when the router failed

_DETAIL_LINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Some seeds of one scheduler."""

    scheduler: str  # absolute path of the file, or "builtin:..."
    cluster: Cluster
    limits: Limits
    traces: dict[int, Path]  # by seed
    output_dir: Path
    resolution: float | None = None  # seconds between samples of the replicas; None: no samples
    request_metrics: bool = True  # write request_metrics.csv, which costs the engine time
    isolated: bool = False  # the candidate is in another process, at the end of standard input
    hook: str = ROUTER.name  # what the candidate is (``hooks.HOOKS``)

    def write(self, path: Path) -> None:
        """For the worker."""
        traces = {str(seed): str(trace) for seed, trace in self.traces.items()}
        write_json(path, asdict(self) | {"traces": traces, "output_dir": str(self.output_dir)})

    @classmethod
    def read(cls, path: Path) -> Self:
        """What ``write`` wrote."""
        told = json.loads(path.read_text())
        told["cluster"] = cluster_of(told["cluster"])
        told["limits"] = Limits(**told["limits"])
        told["traces"] = {int(seed): Path(trace) for seed, trace in told["traces"].items()}
        return cls(**told | {"output_dir": Path(told["output_dir"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One simulated seed; times in seconds."""

    seed: int
    requests: int
    end_time: float  # simulated, of the last event
    router_calls: int
    router_seconds: float  # wall time inside the router
    engine_seconds: float  # wall time of everything else
    kv_use_mean: float | None  # share of the KV-cache blocks in use, mean over replicas and time
    execution_times: str  # where they are from

    def write(self, folder: Path) -> None:
        """Into the seed's folder."""
        write_json(folder / SUMMARY, asdict(self))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """What ``write`` wrote."""
        return cls(**json.loads((folder / SUMMARY).read_text()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why there is no score."""

    rule: str  # exception, invalid-placement, never-completed, timeout, memory, rules, crash, ...
    reason: str  # one line
    detail: str = ""  # the traceback's last lines
    seed: int | None = None

    def write(self, folder: Path) -> None:
        """Into the worker's folder."""
        write_json(folder / FAILURE, asdict(self))

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """What ``write`` wrote, or what else the router had there; None: nothing that is one."""
        try:
            return cls.decoded((folder / FAILURE).read_bytes())
        except OSError:
            return None

    def encoded(self) -> bytes:
        """For a pipe."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decoded(cls, told: bytes) -> Self | None:
        """What ``encoded`` made, made safe: text that can be printed, of bounded length."""
        try:
            found: Any = json.loads(told)
            seed = found.get("seed")
            return cls(
                rule=_printable(found["rule"])[:40],
                reason=" ".join(_printable(found["reason"]).split())[:500],
                detail=last_lines(_printable(found.get("detail") or "")),
                seed=seed if isinstance(seed, int) else None,
            )
        except (ValueError, KeyError, AttributeError, RecursionError):
            return None


def _printable(text: object) -> str:
    """Without lone surrogates, which no file or terminal takes."""
    return str(text).encode(errors="replace").decode()


def last_lines(text: str) -> str:
    """The end of a text, as a failure's detail."""
    return "\n".join(text.strip().splitlines()[-_DETAIL_LINES:])[-4096:]


def cluster_of(values: dict[str, Any]) -> Cluster:
    """The cluster that ``dataclasses.asdict`` made a mapping of."""
    signals = values.get("signals")
    parts = {
        "replica_scheduler": ReplicaScheduler(**values["replica_scheduler"]),
        "groups": tuple(Group(**group) for group in values.get("groups", ())),
        "signals": signals and Signals(**signals),
        "failures": tuple(Outage(**outage) for outage in values.get("failures", ())),
    }
    return Cluster(**{**values, **parts})
