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
        self.order_queue()
        if not self._request_queue:
            return []
        replicas = list(self._replica_schedulers.values())
        block_size = replicas[0]._config.block_size
        usable = (1 - MARGIN) * replicas[0]._config.num_blocks
        reserved = {
            replica.replica_id: [
                replica.num_allocated_blocks,
                sum(blocks_for(waiting, block_size) for waiting in replica._request_queue),
            ]
            for replica in replicas
        }

        placements = []
        while self._request_queue:
            request = self._request_queue[0]
            need = blocks_for(request, block_size)
            replica_id = min(reserved, key=lambda replica: (sum(reserved[replica]), replica))
            allocated, waiting = reserved[replica_id]
            if allocated + ceil(waiting + need) > usable:
                break
            reserved[replica_id][1] += need
            placements.append((replica_id, self._request_queue.pop(0)))
        return placements

    def order_queue(self) -> None:
        self.sort_requests()


def blocks_for(request: Request, block_size: int) -> float:
    """KV-cache blocks that the prompt and the reservation for its output take."""
    return request.num_prefill_tokens * (1 + RESERVATION) / block_size
