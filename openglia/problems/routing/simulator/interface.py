"""What a router sees: requests and replicas under Vidur's names, without the output lengths.

These objects are the router's own. The engine writes to them and reads nothing back, so a router
that changes one deceives itself alone. They refer to each other and to nothing of the engine.
``INTERFACE.md`` is the documentation; a test holds it to this module. More than 300 lines, as
agents read it as one.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import ClassVar, NoReturn


class OracleError(BaseException):
    """The router asked for what only an oracle knows: an output length, or what reveals one.

    Not an Exception: neither ``hasattr`` nor an ``except Exception`` of the router shall hide it.
    """


class UnknownAttributeError(AttributeError):
    """The router asked for an attribute that the embedded simulator does not offer."""


class View:
    """An object that a router sees. An attribute it lacks is named along with what there is."""

    __slots__ = ()
    _ORACLES: ClassVar[frozenset[str]] = frozenset()

    def __getattr__(self, name: str) -> NoReturn:
        kind = type(self).__name__
        if name in self._ORACLES:
            raise OracleError(
                f"{kind}.{name} depends on the output length, which no router can know in advance"
            )
        if name.startswith("__"):
            raise AttributeError(name)
        raise UnknownAttributeError(
            f"{kind} has no attribute {name!r} in the embedded simulator; "
            f"it has: {', '.join(sorted(offered(type(self))))}"
        )


def offered(kind: type) -> set[str]:
    """The names that a router may read on objects of ``kind``: Vidur's, as documented."""
    names = {name for name in dir(kind) if not name.startswith("__")}
    return names - _INTERNAL - set(dir(object))


# Parts of the views that have no counterpart in Vidur, or a method where Vidur has a plain list.
_INTERNAL = frozenset(
    {
        "_ORACLES",
        "_abc_impl",
        "_host",
        "_processed",
        "_waiting",
        "_active",
        "_steps",
        "_decodes_in_flight",
        "_own_config",
        "_refuse",
        "add_request",
        "allocate",
        "free",
        "on_schedule",
    }
)


class Request(View):
    """A request as the router may know it (Vidur's ``Request`` without its oracles).

    A router may attach attributes of its own.
    """

    __slots__ = (
        "__dict__",
        "_host",
        "_processed",
        "arrived_at",
        "completed",
        "id",
        "is_prefill_complete",
        "num_prefill_tokens",
        "num_restarts",
        "scheduled",
    )
    _ORACLES = frozenset(
        {
            "num_decode_tokens",
            "_num_decode_tokens",
            "total_tokens",
            "pd_ratio",
            "size",
            "e2e_time",
            "e2e_time_normalized",
            "execution_time_normalized",
            "model_execution_time_normalized",
            "completed_at",
            "_completed_at",
            "to_dict",
        }
    )

    def __init__(self, id: int, arrived_at: float, num_prefill_tokens: int) -> None:  # noqa: A002
        self.id = id
        self.arrived_at = arrived_at
        self.num_prefill_tokens = num_prefill_tokens
        self.num_restarts = 0
        self.scheduled = False
        self.completed = False
        self.is_prefill_complete = False
        # While it decodes, ``_host`` is its replica and the tokens processed are ``_processed``
        # plus the replica's steps, so that one number moves for the whole batch.
        self._host: ReplicaScheduler | None = None
        self._processed = 0

    def __repr__(self) -> str:
        return (
            f"Request(id={self.id}, arrived_at={self.arrived_at}, "
            f"num_prefill_tokens={self.num_prefill_tokens}, "
            f"num_processed_tokens={self.num_processed_tokens})"
        )

    @property
    def num_processed_tokens(self) -> int:
        host = self._host
        return self._processed if host is None else self._processed + host._steps

    @property
    def _num_processed_tokens(self) -> int:
        return self.num_processed_tokens

    @property
    def num_processed_prefill_tokens(self) -> int:
        return min(self.num_processed_tokens, self.num_prefill_tokens)

    @property
    def num_processed_decode_tokens(self) -> int:
        return max(self.num_processed_tokens - self.num_prefill_tokens, 0)

    @property
    def has_started_decode(self) -> bool:
        return self.num_processed_tokens > self.num_prefill_tokens + 1


@dataclass(frozen=True, slots=True)
class SarathiSchedulerConfig(View):
    """The replicas' batching policy, as in Vidur."""

    num_blocks: int
    block_size: int
    watermark_blocks_fraction: float
    batch_size_cap: int
    chunk_size: int


@dataclass(frozen=True, slots=True)
class VllmSchedulerConfig(View):
    """The replicas' batching policy, as in Vidur."""

    num_blocks: int
    block_size: int
    watermark_blocks_fraction: float
    batch_size_cap: int
    max_tokens_in_batch: int


ReplicaSchedulerConfig = SarathiSchedulerConfig | VllmSchedulerConfig


@dataclass(frozen=True, slots=True)
class ClusterConfig(View):
    """Part of ``SimulationConfig``."""

    num_replicas: int
    replica_scheduler_config: ReplicaSchedulerConfig


@dataclass(frozen=True, slots=True)
class RequestGeneratorConfig(View):
    """Part of ``SimulationConfig``."""

    max_tokens: int


@dataclass(frozen=True, slots=True)
class SimulationConfig(View):
    """What ``self._config`` of a router offers of Vidur's ``SimulationConfig``."""

    cluster_config: ClusterConfig
    request_generator_config: RequestGeneratorConfig


@dataclass(frozen=True, slots=True)
class Replica(View):
    """An entry of ``self._replicas`` of a router."""

    id: int
    _own_config: ReplicaSchedulerConfig | None = None  # where replicas differ


class AllocationMap(Mapping[int, int]):
    """KV blocks by request id, in the order of admission; read-only, computed when it is read."""

    __slots__ = ("_host",)

    def __init__(self, host: "ReplicaScheduler") -> None:
        self._host = host

    def __len__(self) -> int:
        return len(self._host._active)

    def __iter__(self) -> Iterator[int]:
        return iter(self._host._active)

    def __contains__(self, request_id: object) -> bool:
        return request_id in self._host._active

    def __getitem__(self, request_id: int) -> int:
        host = self._host
        request = host._active[request_id]
        if request._host is None:
            tokens = request.num_prefill_tokens
        else:  # a batch takes the block of the token that it processes when it is formed
            tokens = request.num_processed_tokens - (not host._decodes_in_flight)
        return ceil(tokens / host.block_size)

    def __repr__(self) -> str:
        return repr(dict(self))


class ReplicaScheduler(View):
    """A replica as the router may know it (Vidur's ``BaseReplicaScheduler``, to read).

    Where replicas differ, ``num_blocks``, ``_watermark_blocks`` and ``_config`` are each one's own;
    how fast its GPU is shows in what its requests have processed.
    """

    __slots__ = (
        "__dict__",
        "_active",
        "_allocation_map",
        "_config",
        "_decodes_in_flight",
        "_max_micro_batch_size",
        "_steps",
        "_waiting",
        "_watermark_blocks",
        "block_size",
        "failed",
        "num_active_requests",
        "num_allocated_blocks",
        "num_blocks",
        "num_pending_requests",
        "replica_id",
    )

    def __init__(self, replica_id: int, config: ReplicaSchedulerConfig) -> None:
        self.replica_id = replica_id
        self.num_blocks = config.num_blocks
        self.block_size = config.block_size
        self.num_allocated_blocks = 0
        self.num_pending_requests = 0
        self.num_active_requests = 0
        self.failed = False  # it is down; what is placed on it waits until it is back
        self._config = config
        self._max_micro_batch_size = config.batch_size_cap
        self._watermark_blocks = int(config.watermark_blocks_fraction * config.num_blocks)
        self._waiting: deque[Request] = deque()
        self._active: dict[int, Request] = {}
        self._allocation_map = AllocationMap(self)
        self._steps = 0  # batches so far in which the decoding requests took part
        self._decodes_in_flight = False

    def __repr__(self) -> str:
        return (
            f"ReplicaScheduler(replica_id={self.replica_id}, "
            f"num_pending_requests={self.num_pending_requests}, "
            f"num_active_requests={self.num_active_requests}, "
            f"num_allocated_blocks={self.num_allocated_blocks})"
        )

    @property
    def pending_queue(self) -> tuple[Request, ...]:
        return tuple(self._waiting)

    @property
    def _request_queue(self) -> list[Request]:
        return list(self._waiting)

    @property
    def active_queue(self) -> tuple[Request, ...]:
        return tuple(self._active.values())

    @property
    def memory_usage_percent(self) -> float:
        return (self.num_allocated_blocks * 100) / self.num_blocks

    def can_allocate(self, num_blocks: int) -> bool:
        return self.num_blocks - self.num_allocated_blocks >= num_blocks

    def is_empty(self) -> bool:
        return not self._waiting and not self._active

    def _refuse(self, *_: object) -> NoReturn:
        raise UnknownAttributeError(
            "a router may read a replica, not act on it; "
            "place a request by returning (replica_id, request) from schedule()"
        )

    add_request = allocate = free = on_schedule = _refuse


def scheduler_of(replica: Replica, config: ReplicaSchedulerConfig) -> ReplicaScheduler:
    """The replica's scheduler, with ``config`` where it has none of its own."""
    return ReplicaScheduler(replica.id, replica._own_config or config)


# Vidur keeps these under a leading underscore; both names are one slot. Plain slots cost a router
# that sorts or sums far less than properties do.
_PRIVATE_NAMES: dict[type[View], tuple[str, ...]] = {
    Request: (
        "arrived_at",
        "completed",
        "id",
        "is_prefill_complete",
        "num_prefill_tokens",
        "num_restarts",
        "scheduled",
    ),
    ReplicaScheduler: ("num_allocated_blocks", "replica_id"),
}
for _kind, _names in _PRIVATE_NAMES.items():
    for _name in _names:
        setattr(_kind, f"_{_name}", getattr(_kind, _name))


class BaseGlobalScheduler(ABC):
    """The base class of a router, with Vidur's attributes and methods."""

    def __init__(self, config: SimulationConfig, replicas: dict[int, Replica]) -> None:
        self._config = config
        self._replicas = replicas
        self._num_replicas = len(replicas)
        scheduler = config.cluster_config.replica_scheduler_config
        self._replica_schedulers = {
            replica.id: scheduler_of(replica, scheduler) for replica in replicas.values()
        }
        self._request_queue: list[Request] = []

    def sort_requests(self) -> None:
        """Sort ``self._request_queue`` by arrival."""
        self._request_queue.sort(key=lambda request: request.arrived_at)

    def add_request(self, request: Request) -> None:
        """Called at the arrival of ``request``, before ``schedule()``."""
        self._request_queue.append(request)

    def get_replica_scheduler(self, replica_id: int) -> ReplicaScheduler:
        return self._replica_schedulers[replica_id]

    def is_empty(self) -> bool:
        return not self._request_queue and all(
            replica.is_empty() for replica in self._replica_schedulers.values()
        )

    @abstractmethod
    def schedule(self) -> list[tuple[int, Request]]:
        """Place requests of ``self._request_queue``; those left in it are held back."""
