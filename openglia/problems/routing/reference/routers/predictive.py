"""Predictive admission, in the spirit of the router that the Glia paper's FunSearch baseline found.

A request is expected to produce as many tokens as the completed requests did on average. It goes to
the replica with the least expected load, the smallest expectation first, as long as that replica
can be expected to hold all of its requests at their ends.
"""

from math import ceil

from vidur.entities import Request
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler

FIRST_GUESS = 256  # output tokens, until completions have been seen


class AIGlobalScheduler(BaseGlobalScheduler):
    def __init__(self, *arguments, **options) -> None:
        super().__init__(*arguments, **options)
        self._placed: list[tuple[Request, int, int, int]] = []  # request, prompt, replica, blocks
        self._reserved = dict.fromkeys(self._replica_schedulers, 0)
        self._completed = 0
        self._output_tokens = 0

    def schedule(self) -> list[tuple[int, Request]]:
        self.learn()
        queue = self._request_queue
        if not queue:
            return []
        queue.sort(key=lambda request: request.num_prefill_tokens)
        expected = self._output_tokens / self._completed if self._completed else FIRST_GUESS
        policies = {number: r._config for number, r in self._replica_schedulers.items()}
        block_size = policies[0].block_size

        placements = []
        for request in queue:
            need = ceil((request.num_prefill_tokens + expected) / block_size)
            admitting = [
                number
                for number, policy in policies.items()
                if self.load(number) + need <= policy.num_blocks
            ]
            if not admitting:
                break
            replica_id = min(admitting, key=self.load)
            self._reserved[replica_id] += need
            self._placed.append((request, request.num_prefill_tokens, replica_id, need))
            placements.append((replica_id, request))
        del queue[: len(placements)]
        return placements

    def learn(self) -> None:
        """Release the reservations of the requests that have completed, and count their output."""
        running = []
        for entry in self._placed:
            request, prompt, replica_id, blocks = entry
            if request.completed:
                self._reserved[replica_id] -= blocks
                self._completed += 1
                self._output_tokens += request.num_processed_tokens - prompt
            else:
                running.append(entry)
        self._placed = running

    def load(self, replica_id: int) -> int:
        """Blocks that the replica is expected to need: what is reserved, or already more."""
        allocated = self._replica_schedulers[replica_id].num_allocated_blocks
        return max(self._reserved[replica_id], allocated)
