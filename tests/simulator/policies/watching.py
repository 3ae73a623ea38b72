"""Decides by everything that a scheduler may read, so that a difference anywhere shows in times."""

import random
import zlib

from vidur.openglia.replica_policy import ReplicaPolicy

REQUEST = (
    *("id", "arrived_at", "num_prefill_tokens", "num_processed_tokens", "scheduled", "completed"),
    *("num_processed_prefill_tokens", "num_processed_decode_tokens", "is_prefill_complete"),
    *("has_started_decode", "num_restarts"),
)
REPLICA = (
    *("replica_id", "num_blocks", "block_size", "num_allocated_blocks", "num_pending_requests"),
    *("num_active_requests", "memory_usage_percent", "_watermark_blocks"),
)


class AIReplicaScheduler(ReplicaPolicy):
    def __init__(self, replica):
        super().__init__(replica)
        self.known = []

    def draw(self, offered):
        """A number that depends on all there is to see, its order too, and on chance."""
        view = self.replica
        queues = (offered, view.pending_queue, view.active_queue, self.known[-5:])
        seen = [getattr(request, name) for queue in queues for request in queue for name in REQUEST]
        seen += [getattr(view, name) for name in REPLICA]
        seen += [dict(view._allocation_map), view.is_empty(), [self.fits(r) for r in offered]]
        return zlib.crc32(repr(seen).encode()) ^ random.getrandbits(32)

    def admit(self, waiting):
        drawn = self.draw(waiting)
        chosen = waiting[drawn % len(waiting)]
        if drawn % 5 == 0 and self.replica.num_active_requests:
            return None
        if not hasattr(chosen, "mark"):
            chosen.mark = drawn
            self.known.append(chosen)
        return chosen

    def evict(self, running):
        return running[(self.draw(running) + running[0].mark) % len(running)]
