"""What decides inside a replica: which waiting request is admitted, which running one restarts.

The base class of a scheduler under discovery. This very file is also ``replica_policy.py`` in the
pinned Vidur, so it imports nothing of ours. ``openglia/problems/scheduling/INTERFACE.md`` is the
documentation.
"""

from collections.abc import Sequence
from typing import Any


class ReplicaPolicy:
    """Decides for one replica; what it leaves as it is here, as Vidur's Sarathi scheduler does."""

    def __init__(self, replica: Any) -> None:
        self.replica = replica  # to read, as a router reads it

    def admit(self, waiting: Sequence[Any]) -> Any:
        """The request of ``waiting`` to admit next, or None; here: first come, first served."""
        return waiting[0]

    def evict(self, running: Sequence[Any]) -> Any:
        """The request of ``running`` to restart, as memory is short; here: the youngest."""
        return running[-1]

    def fits(self, request: Any) -> bool:
        """Whether the blocks of its whole prompt are free, and the watermark's besides."""
        replica = self.replica
        blocks = -(-request.num_prefill_tokens // replica.block_size)
        return bool(replica.can_allocate(blocks + replica._watermark_blocks))
