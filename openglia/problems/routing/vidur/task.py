"""What the worker tells Vidur's own process, and what that says of a simulation."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Task:
    """One simulation; paths are absolute."""

    arguments: list[str]  # of Vidur's command line
    record: str  # the file to write ``Observed`` to
    clock: str  # the file that tells when the router was called
    failure: str  # the file to write a failure to
    router_file: str  # whose frames concern the router's author
    memory_mb: int  # address space for the router
    router_call_mean_ms: float
    resolution: float | None  # seconds between samples of the replicas; None: no samples


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What Vidur's own files do not hold; times in seconds."""

    requests: list[list[float]]  # rows of ``worker.COLUMNS``
    router_calls: int
    router_seconds: float
    engine_seconds: float
    end_time: float
    kv_use_mean: float | None
    series: list[list[float]]  # rows of ``worker.SERIES``
