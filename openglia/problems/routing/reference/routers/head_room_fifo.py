"""Head-room admission in order of arrival: the ablation of the shortest-prompt-first order.

As ``head_room.py``, but the oldest request goes first, and all wait behind it until it fits.
"""

from math import ceil

from vidur.entities import Request
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler

RESERVATION = 0.6  # r: room for the output, as a share of the prompt
MARGIN = 0.03  # m: share of the blocks that stays free


class AIGlobalScheduler(BaseGlobalScheduler):
    def schedule(self) -> list[tuple[int, Request]]:
        queue = self._request_queue
        if not queue:
            return []
        usable, allocated, waiting = {}, {}, {}
        for replica_id, replica in self._replica_schedulers.items():
            block_size = replica._config.block_size
            usable[replica_id] = (1 - MARGIN) * replica._config.num_blocks
            allocated[replica_id] = replica.num_allocated_blocks
            waiting[replica_id] = sum(
                blocks_for(request, block_size) for request in replica.pending_queue
            )

        placed = 0
        placements = []
        for request in queue:
            need = blocks_for(request, block_size)
            admitting = [
                replica
                for replica in usable
                if allocated[replica] + ceil(waiting[replica] + need) <= usable[replica]
            ]
            if not admitting:
                break
            replica_id = min(admitting, key=lambda replica: allocated[replica] + waiting[replica])
            waiting[replica_id] += need
            placements.append((replica_id, request))
            placed += 1
        del queue[:placed]
        return placements


def blocks_for(request: Request, block_size: int) -> float:
    """KV-cache blocks that the prompt and the reservation for its output take."""
    return request.num_prefill_tokens * (1 + RESERVATION) / block_size
