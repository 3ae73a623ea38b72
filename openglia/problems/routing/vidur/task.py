"""What the worker tells Vidur's own process, and what that says of a simulation.

Both are files in the simulation's folder, as are a ``Failure`` and the clock of the router's calls.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from openglia.files import write_json

TASK = "job.json"
OBSERVED = "record.json"
CLOCK = "clock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One simulation; paths are absolute."""

    arguments: list[str]  # of Vidur's command line
    router_file: str  # whose frames concern the router's author
    memory_mb: int  # address space for the router
    router_call_mean_ms: float
    resolution: float | None  # seconds between samples of the replicas; None: no samples
    schedules: bool = False  # the candidate is inside the replicas, and no router

    def write(self, folder: Path) -> None:
        """For Vidur's process."""
        write_json(folder / TASK, asdict(self))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """What ``write`` wrote."""
        return cls(**json.loads((folder / TASK).read_text()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What Vidur's own files do not hold; times in seconds."""

    requests: list[list[float]]  # rows of ``worker.COLUMNS``
    router_calls: int
    router_seconds: float
    engine_seconds: float
    end_time: float
    kv_use_mean: float | None
    series: list[list[float]]  # rows of ``worker.SERIES``

    def write(self, folder: Path) -> None:
        """For the worker. NaN and infinity are refused."""
        (folder / OBSERVED).write_text(json.dumps(asdict(self), allow_nan=False))

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """What ``write`` wrote; None: nothing, or what the router made of it."""
        try:
            return cls(**json.loads((folder / OBSERVED).read_text()))
        except (OSError, ValueError, TypeError, RecursionError):
            return None
