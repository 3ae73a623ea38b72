"""What a simulation yields, and the files it is written to."""

from array import array
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from math import inf
from operator import sub
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openglia.files import write_atomically
from openglia.problems.routing.exchange import Summary

if TYPE_CHECKING:
    from openglia.problems.routing.simulator.engine import Engine
    from openglia.problems.routing.simulator.job import Job

# The columns of a seed's requests, and their types as ``array`` and NumPy name them.
REQUEST_COLUMNS = {
    "Request Id": "q",
    "request_e2e_time": "d",
    "prefill_e2e_time": "d",
    "request_scheduling_delay": "d",
    "request_num_restarts": "q",
    "request_num_prefill_tokens": "q",
    "request_num_decode_tokens": "q",
    "arrived_at": "d",
    "routed_at": "d",
    "scheduled_at": "d",
    "first_token_at": "d",
    "completed_at": "d",
    "replica_id": "q",
}

REPLICA_COLUMNS = (
    "time",
    "replica_id",
    "num_allocated_blocks",
    "memory_usage_percent",
    "num_active_requests",
    "num_pending_requests",
)


class RequestRecords:
    """What is known of each request at the end: lists by request id, times in seconds."""

    def __init__(self, arrived_at: list[float], prompts: list[int]) -> None:
        count = len(arrived_at)
        self.arrived_at = arrived_at
        self.num_prefill_tokens = prompts  # the original prompts
        self.num_decode_tokens = [0] * count
        self.routed_at = [0.0] * count
        self.scheduled_at = [0.0] * count
        self.first_token_at = [0.0] * count
        self.completed_at = [0.0] * count
        self.num_restarts = [0] * count
        self.replica_id = [-1] * count
        self.completed = 0

    def complete(self, job: "Job", now: float) -> None:
        """``job`` has its last token."""
        index = job.index
        self.completed += 1
        self.num_decode_tokens[index] = job.total - self.num_prefill_tokens[index]
        self.replica_id[index] = job.replica
        self.routed_at[index] = job.routed_at
        self.scheduled_at[index] = job.scheduled_at
        self.first_token_at[index] = job.first_token_at
        self.completed_at[index] = now
        self.num_restarts[index] = job.restarts

    def columns(self) -> list[list[Any]]:
        """The values of ``REQUEST_COLUMNS``, one list each."""
        arrived_at = self.arrived_at
        return [
            list(range(len(arrived_at))),
            list(map(sub, self.completed_at, arrived_at)),
            list(map(sub, self.first_token_at, arrived_at)),
            list(map(sub, self.scheduled_at, arrived_at)),
            self.num_restarts,
            self.num_prefill_tokens,
            self.num_decode_tokens,
            arrived_at,
            self.routed_at,
            self.scheduled_at,
            self.first_token_at,
            self.completed_at,
            self.replica_id,
        ]


class ReplicaSamples:
    """The replicas' state at whole multiples of ``resolution`` seconds."""

    def __init__(self, resolution: float) -> None:
        self.resolution = resolution
        self.next_at = 0.0
        self.rows: list[tuple[Any, ...]] = []  # of REPLICA_COLUMNS
        self._taken = 0

    def comes_first(self, now: float, engine: "Engine") -> bool:
        """Sample if ``now``, the time of the next event, is later."""
        if now == inf or now <= self.next_at:
            return False
        state = [
            (
                replica.number,
                replica.allocated,
                100 * replica.allocated / replica.num_blocks,
                len(replica.running),
                len(replica.queue),
            )
            for replica in engine.replicas
        ]
        state.append((-1, 0, 0.0, 0, len(engine.dispatcher.waiting)))
        self.rows.extend((self.next_at, *row) for row in state)
        self._taken += 1
        self.next_at = self._taken * self.resolution
        return True


@dataclass(frozen=True)
class Simulation:
    """The outcome of one simulation."""

    records: RequestRecords
    samples: ReplicaSamples | None
    end_time: float  # s, of the last event
    router_calls: int
    router_seconds: float  # wall time inside the router
    engine_seconds: float  # wall time of everything else
    kv_use_mean: float  # share of the KV blocks in use, mean over replicas and time
    execution_times: str

    def write(self, folder: Path, seed: int, *, csv: bool = True) -> None:
        """Write the requests, ``summary.json`` and, if sampled, the replicas' state.

        ``requests.bin`` is for the harness; ``request_metrics.csv``, on demand, for everybody.
        """
        columns = self.records.columns()
        data = b"".join(map(array, REQUEST_COLUMNS.values(), columns))
        (folder / "requests.bin").write_bytes(data)
        if csv:
            text = _csv(REQUEST_COLUMNS, zip(*columns, strict=True))
            write_atomically(folder / "request_metrics.csv", text)
        if self.samples is not None:
            import gzip  # as sampling is the exception

            series = _csv(REPLICA_COLUMNS, self.samples.rows).encode()
            data = gzip.compress(series, compresslevel=5, mtime=0)
            write_atomically(folder / "replica_metrics.csv.gz", data)
        Summary(
            seed=seed,
            requests=len(self.records.arrived_at),
            end_time=self.end_time,
            router_calls=self.router_calls,
            router_seconds=self.router_seconds,
            engine_seconds=self.engine_seconds,
            kv_use_mean=self.kv_use_mean,
            execution_times=self.execution_times,
        ).write(folder)


def _csv(columns: Collection[str], rows: Iterable[tuple[Any, ...]]) -> str:
    # Numbers are written by repr, so that reading them gives the same numbers.
    line = ",".join(["%r"] * len(columns)) + "\n"
    return ",".join(columns) + "\n" + "".join(map(line.__mod__, rows))
