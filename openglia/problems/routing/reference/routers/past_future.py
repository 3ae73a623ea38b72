"""Past-Future (Gong et al., arXiv 2507.10150; LightLLM), as a router.

The past: output lengths of completed requests. From those longer than what a request has produced
an output is drawn for it. The future: if each request on a replica ends at the output drawn for it,
memory peaks at one of these ends. A replica admits a request if the peak with it fits. The oldest
request goes first, to the replica with the lowest peak; while it fits nowhere all wait.

The paper's scheduler admits to the batch of one engine, anew at every iteration. A router decides
before the engine does, at arrivals and completions, and here draws anew for a replica when
something has completed there.
"""

from bisect import bisect_right, insort
from collections import deque
from random import Random

import numpy as np
from vidur.entities import Request
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler

PAST = 1000  # completed requests that are remembered
FIRST_GUESS = 256  # output tokens, until completions have been seen
RESERVED = 0.05  # share of the blocks that stays free


class AIGlobalScheduler(BaseGlobalScheduler):
    def __init__(self, *arguments, **options) -> None:
        super().__init__(*arguments, **options)
        policy = next(iter(self._replica_schedulers.values()))._config
        self._block_size = policy.block_size
        self._room = {  # tokens
            number: (1 - RESERVED) * replica._config.num_blocks * policy.block_size
            for number, replica in self._replica_schedulers.items()
        }
        self._longest = self._config.request_generator_config.max_tokens
        self._random = Random(0)
        self._placed = {number: [] for number in self._replica_schedulers}  # request, prompt
        self._future = {number: [] for number in self._replica_schedulers}
        self._past = deque()  # outputs, the oldest first
        self._sorted = []  # the same ones

    def schedule(self) -> list[tuple[int, Request]]:
        self.learn()
        if not self._request_queue:
            return []
        self.sort_requests()
        placements = []
        for request in self._request_queue:
            prompt = request.num_prefill_tokens
            entry = self.entry(prompt, 0)
            peaks = {number: peak([*there, entry]) for number, there in self._future.items()}
            admitting = [
                number
                for number, most in peaks.items()
                if most <= self._room[number] or not self._future[number]
            ]
            if not admitting:
                break
            target = min(admitting, key=lambda number: peaks[number])
            self._future[target].append(entry)
            self._placed[target].append((request, prompt))
            placements.append((target, request))
        del self._request_queue[: len(placements)]
        return placements

    def learn(self) -> None:
        """Remember the outputs of what has completed, and look at the replicas where it did."""
        for number, replica in self._replica_schedulers.items():
            entries = self._placed[number]
            if replica.num_pending_requests + replica.num_active_requests == len(entries):
                continue
            for request, prompt in entries:
                if request.completed:
                    output = request.num_processed_tokens - prompt
                    self._past.append(output)
                    insort(self._sorted, output)
                    if len(self._past) > PAST:
                        self._sorted.pop(bisect_right(self._sorted, self._past.popleft()) - 1)
            self._placed[number] = [entry for entry in entries if not entry[0].completed]
            self._future[number] = self.future(number)

    def future(self, number: int) -> list[tuple[int, int]]:
        """For each request on the replica, the tokens that it holds and those still to come."""
        return [
            self.entry(prompt, max(r.num_processed_tokens, r.num_prefill_tokens) - prompt)
            for r, prompt in self._placed[number]
        ]

    def entry(self, prompt: int, produced: int) -> tuple[int, int]:
        held = prompt + produced
        longer = bisect_right(self._sorted, produced)
        if not self._sorted:
            output = max(FIRST_GUESS, produced + 1)
        elif longer < len(self._sorted):
            output = self._sorted[self._random.randrange(longer, len(self._sorted))]
        else:  # longer than all of the past
            output = produced + produced // 2 + 1
        remaining = min(output - produced, max(self._longest - held, 1))
        return held + self._block_size // 2, remaining


def peak(there: list[tuple[int, int]]) -> float:
    """Most tokens that requests (held, to come) hold together, all advancing in step."""
    held, remaining = np.array(sorted(there, key=lambda entry: -entry[1])).T
    return float((np.cumsum(held) + np.arange(1, len(held) + 1) * remaining).max())
