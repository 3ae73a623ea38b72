"""A tail-aware order without predictions, in the spirit of UniBoost (Li et al., arXiv 2606.18431).

Each request is served as if it had arrived earlier by a boost that falls smoothly with its size:
the gamma boost of Yu and Scully, log(1 / (1 - exp(-gamma size))) / gamma. Small gamma approaches
the shortest first, large gamma first come first served. Size is what is known: the prompt over the
mean prompt seen. It counts as SCALE seconds where it is 1, and gamma is 1 / SCALE.

The paper also evicts with regard to the cache, which is not a router's to do. Admission is that
of ``head_room.py``, so that the two differ in the order alone.
"""

from math import ceil, expm1, log

from vidur.entities import Request
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler

RESERVATION = 0.6  # r: room for the output, as a share of the prompt
MARGIN = 0.03  # m: share of the blocks that stays free
SCALE = 60  # seconds: 1 / gamma


class AIGlobalScheduler(BaseGlobalScheduler):
    def __init__(self, *arguments, **options) -> None:
        super().__init__(*arguments, **options)
        self._arrived = 0
        self._prompt_tokens = 0  # of these

    def add_request(self, request: Request) -> None:
        super().add_request(request)
        self._arrived += 1
        self._prompt_tokens += request.num_prefill_tokens

    def schedule(self) -> list[tuple[int, Request]]:
        queue = self._request_queue
        if not queue:
            return []
        mean = self._prompt_tokens / self._arrived
        queue.sort(
            key=lambda request: boosted(request.arrived_at, request.num_prefill_tokens / mean)
        )
        usable, taken = {}, {}
        for number, replica in self._replica_schedulers.items():
            block_size = replica._config.block_size
            usable[number] = (1 - MARGIN) * replica._config.num_blocks
            waiting = sum(blocks_for(request, block_size) for request in replica.pending_queue)
            taken[number] = replica.num_allocated_blocks + waiting
        placements = []
        for request in queue:
            need = blocks_for(request, block_size)
            admitting = [n for n, most in usable.items() if ceil(taken[n] + need) <= most]
            if not admitting:
                break
            target = min(admitting, key=lambda number: taken[number])
            taken[target] += need
            placements.append((target, request))
        del queue[: len(placements)]
        return placements


def boosted(arrived_at: float, size: float) -> float:
    """The time at which a request of ``size`` counts as arrived, s."""
    return arrived_at + SCALE * log(-expm1(-size))


def blocks_for(request: Request, block_size: int) -> float:
    """KV-cache blocks that the prompt and the reservation for its output take."""
    return request.num_prefill_tokens * (1 + RESERVATION) / block_size
