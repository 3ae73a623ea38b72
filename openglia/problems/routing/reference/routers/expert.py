"""The Expert: the router written by hand to which the Glia paper compares (artifact of CAIS '26).

The shortest prompt goes first. A replica's committed blocks are those of the tokens that each of
its requests has processed, or of its prompt if that is more. A replica admits a request while they
stay within 93.75 % of its blocks (2100 of 2240 there). Of those that admit it, one with the fewest
requests in flight gets it, at random among equals. It estimates no output.
"""

from math import ceil
from random import random

from vidur.entities import Request
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler

COMMITTED = 0.9375  # share of the blocks


class AIGlobalScheduler(BaseGlobalScheduler):
    def schedule(self) -> list[tuple[int, Request]]:
        queue = self._request_queue
        if not queue:
            return []
        queue.sort(key=lambda request: request.num_prefill_tokens)
        usable, committed, in_flight = {}, {}, {}
        for number, replica in self._replica_schedulers.items():
            policy = replica._config
            usable[number] = COMMITTED * policy.num_blocks
            there = [*replica.pending_queue, *replica.active_queue]
            committed[number] = sum(blocks(request, policy.block_size) for request in there)
            in_flight[number] = len(there)

        placements = []
        for request in queue:
            need = blocks(request, policy.block_size)
            admitting = [n for n, most in usable.items() if committed[n] + need <= most]
            if not admitting:
                break
            target = min(admitting, key=lambda number: (in_flight[number], random()))
            committed[target] += need
            in_flight[target] += 1
            placements.append((target, request))
        del queue[: len(placements)]
        return placements


def blocks(request: Request, block_size: int) -> int:
    """KV-cache blocks that the request has committed its replica to."""
    return ceil(max(request.num_prefill_tokens, request.num_processed_tokens) / block_size)
