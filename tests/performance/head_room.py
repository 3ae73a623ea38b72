"""Head-room admission (Glia, Sec. 5): shortest prompt first, and only where memory stays free."""

from math import ceil

from vidur.entities import Request
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler

GROWTH = 0.6  # of a prompt, kept for its output
MARGIN = 0.03  # of the blocks, kept free


class AIGlobalScheduler(BaseGlobalScheduler):
    def schedule(self) -> list[tuple[int, Request]]:
        queue = sorted(self._request_queue, key=lambda request: request.num_prefill_tokens)
        if not queue:
            return []
        room = {}
        for replica_id, replica in self._replica_schedulers.items():
            reserved = 0.0
            for request in replica.pending_queue:
                reserved += request.num_prefill_tokens * (1 + GROWTH)
            for request in replica.active_queue:
                reserved += request.num_prefill_tokens * GROWTH
            used = replica.num_allocated_blocks + ceil(reserved / replica.block_size)
            room[replica_id] = replica.num_blocks * (1 - MARGIN) - used
        placements = []
        for request in queue:
            needed = ceil(request.num_prefill_tokens * (1 + GROWTH) / replica.block_size)
            target = max(room, key=lambda replica_id: room[replica_id])
            idle = all(replica.is_empty() for replica in self._replica_schedulers.values())
            if room[target] < needed and not (idle and not placements):
                break
            room[target] -= needed
            placements.append((target, request))
        placed = {request.id for _, request in placements}
        self._request_queue = [r for r in self._request_queue if r.id not in placed]
        return placements
