"""Names that routers may read of a replica's scheduler on either simulator.

Vidur keeps the running requests partly in the batch under way. These names show the same things
as the embedded simulator's (openglia/problems/routing/simulator/INTERFACE.md).
"""

from typing import Any

from vidur.openglia.requests import RoutedRequest
from vidur.scheduler.replica_scheduler.base_replica_scheduler import BaseReplicaScheduler


def add_names() -> None:
    """Add the names to Vidur's class."""
    for name, read in _NAMES.items():
        setattr(BaseReplicaScheduler, name, property(read))


def _active_queue(replica: Any) -> tuple[RoutedRequest, ...]:
    return tuple(RoutedRequest.created[number] for number in replica._allocation_map)


_NAMES = {
    "num_active_requests": lambda replica: len(replica._allocation_map),
    "pending_queue": lambda replica: tuple(replica._request_queue),
    "active_queue": _active_queue,
    "num_blocks": lambda replica: replica._config.num_blocks,
    "block_size": lambda replica: replica._config.block_size,
    "failed": lambda _: False,  # in Vidur no replica fails
}
