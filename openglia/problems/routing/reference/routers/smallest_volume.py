"""Smallest volume first (arXiv 2606.22327) with an estimated output, as a router.

The volume of a request is the area that its KV cache covers: tokens held, summed over its
iterations, that is prompt x output + output x (output + 1) / 2. The smallest goes first, to the
replica with the least volume to come. It is admitted where the memory of all requests there fits
until their ends (Jaillet et al., arXiv 2502.07115: checked at each end).

The output is not known: it counts as the mean of what completed with a prompt of about the same
length, and for a request that has produced more, as the mean of the outputs that are longer.
A replica is looked at anew when something has completed there.
"""

from bisect import bisect_right, insort
from itertools import accumulate

import numpy as np
from vidur.entities import Request
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler

FIRST_GUESS = 256  # output tokens, of WEIGHT made-up requests of every length
WEIGHT = 10


class AIGlobalScheduler(BaseGlobalScheduler):
    def __init__(self, *arguments, **options) -> None:
        super().__init__(*arguments, **options)
        policy = next(iter(self._replica_schedulers.values()))._config
        self._padding = policy.block_size / 2  # tokens lost in a request's last block, mean
        self._capacity = {  # tokens
            number: replica._config.num_blocks * policy.block_size
            for number, replica in self._replica_schedulers.items()
        }
        self._placed = {number: [] for number in self._replica_schedulers}  # request, prompt
        self._state = {number: self.state(number) for number in self._placed}
        self._outputs = []  # of all completed requests, sorted
        self._longer = [0]  # sums of the longest ones
        self._of_kind = {}  # by the prompt's number of binary digits: sum of outputs, requests

    def schedule(self) -> list[tuple[int, Request]]:
        self.learn()
        if not self._request_queue:
            return []
        volumes = {request: self.volume(request) for request in self._request_queue}
        self._request_queue.sort(key=lambda request: (volumes[request], request.id))
        state = self._state
        load = {
            number: float((held * left + left * left / 2).sum())
            for number, (held, left) in state.items()
        }
        placements = []
        for request in self._request_queue:
            held = request.num_prefill_tokens + self._padding
            left = self.expected(request.num_prefill_tokens)
            there = {n: (np.append(h, held), np.append(e, left)) for n, (h, e) in state.items()}
            fitting = [
                number
                for number, (holds, _) in there.items()
                if len(holds) == 1 or peak(*there[number]) <= self._capacity[number]
            ]
            if not fitting:
                break
            target = min(fitting, key=lambda number: load[number])
            state[target] = there[target]
            load[target] += volumes[request]
            self._placed[target].append((request, request.num_prefill_tokens))
            placements.append((target, request))
        del self._request_queue[: len(placements)]
        return placements

    def learn(self) -> None:
        """Take note of the outputs of what has completed, and look at the replicas where it did."""
        looked_at = []
        for number, replica in self._replica_schedulers.items():
            entries = self._placed[number]
            if replica.num_pending_requests + replica.num_active_requests == len(entries):
                continue
            looked_at.append(number)
            for request, prompt in entries:
                if request.completed:
                    output = request.num_processed_tokens - prompt
                    insort(self._outputs, output)
                    total, count = self._of_kind.get(prompt.bit_length(), (0, 0))
                    self._of_kind[prompt.bit_length()] = (total + output, count + 1)
            self._placed[number] = [entry for entry in entries if not entry[0].completed]
        if looked_at:
            self._longer = [0, *accumulate(reversed(self._outputs))]
        for number in looked_at:
            self._state[number] = self.state(number)

    def expected(self, prompt: int) -> float:
        """Mean output of requests with a prompt like this, in tokens."""
        total, count = self._of_kind.get(prompt.bit_length(), (0, 0))
        return (total + WEIGHT * FIRST_GUESS) / (count + WEIGHT)

    def volume(self, request: Request) -> float:
        output = self.expected(request.num_prefill_tokens)
        return request.num_prefill_tokens * output + output * (output + 1) / 2

    def state(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Tokens that each request on the replica holds, and those that it is to produce yet."""
        held, left = [], []
        for request, prompt in self._placed[number]:
            produced = max(request.num_processed_tokens, request.num_prefill_tokens) - prompt
            longer = len(self._outputs) - bisect_right(self._outputs, produced)
            expected = self.expected(prompt)
            if produced >= expected:
                expected = self._longer[longer] / longer if longer else 1.5 * produced
            held.append(prompt + produced + self._padding)
            left.append(max(expected - produced, 1))
        return np.array(held), np.array(left)


def peak(held: np.ndarray, left: np.ndarray) -> float:
    """Most tokens that requests advancing in step hold together."""
    order = np.argsort(-left)
    return float((np.cumsum(held[order]) + np.arange(1, len(held) + 1) * left[order]).max())
