"""Expected future memory, the shortest prompt first: what Past-Future draws, taken on average.

A request that has produced a tokens runs h tokens longer with the share of the past outputs longer
than a that are also longer than a + h. In that case it will then hold its tokens and h more. A
replica admits a request if the expected memory of all its requests fits at every h looked at; the
one with the lowest peak gets it. This is the conditional projection that the offline researcher's
family has as well, here without any constant found by a search. A replica is looked at anew when
something has completed there.
"""

from bisect import insort

import numpy as np
from vidur.entities import Request
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler

FIRST_GUESS = 256  # output tokens, until completions have been seen
RESERVED = 0.05  # share of the memory that stays free, as in ``past_future.py``
AHEAD = np.array([1, 8, 16, 32, 64, 128, 256, 512, 1024])  # h


class AIGlobalScheduler(BaseGlobalScheduler):
    def __init__(self, *arguments, **options) -> None:
        super().__init__(*arguments, **options)
        policy = next(iter(self._replica_schedulers.values()))._config
        self._padding = policy.block_size / 2  # tokens lost in a request's last block, mean
        self._room = {  # tokens
            number: (1 - RESERVED) * replica._config.num_blocks * policy.block_size
            for number, replica in self._replica_schedulers.items()
        }
        self._placed = {number: [] for number in self._replica_schedulers}  # request, prompt
        self._expected = {number: np.zeros(len(AHEAD)) for number in self._replica_schedulers}
        self._outputs = []  # of completed requests, sorted
        self._past = np.array([FIRST_GUESS])  # the same

    def schedule(self) -> list[tuple[int, Request]]:
        self.learn()
        queue = self._request_queue
        if not queue:
            return []
        queue.sort(key=lambda request: (request.num_prefill_tokens, request.id))
        placements = []
        for request in queue:
            prompt = request.num_prefill_tokens
            its = tokens_ahead(np.array([prompt + self._padding]), np.array([0]), self._past)
            peaks = {number: (tokens + its).max() for number, tokens in self._expected.items()}
            admitting = [
                number
                for number, most in peaks.items()
                if most <= self._room[number] or not self._placed[number]
            ]
            if not admitting:
                break
            target = min(admitting, key=lambda number: peaks[number])
            self._expected[target] = self._expected[target] + its
            self._placed[target].append((request, prompt))
            placements.append((target, request))
        del queue[: len(placements)]
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
                    insort(self._outputs, request.num_processed_tokens - prompt)
            self._placed[number] = [entry for entry in entries if not entry[0].completed]
        if looked_at:
            self._past = np.array(self._outputs)
        for number in looked_at:
            self._expected[number] = self.expected(number)

    def expected(self, number: int) -> np.ndarray:
        """Tokens that the requests on the replica are expected to hold, for each h."""
        entries = self._placed[number]
        held = np.array([max(r.num_processed_tokens, r.num_prefill_tokens) for r, _ in entries])
        prompts = np.array([prompt for _, prompt in entries])
        return tokens_ahead(held + self._padding, held - prompts, self._past)


def tokens_ahead(held: np.ndarray, produced: np.ndarray, past: np.ndarray) -> np.ndarray:
    """Tokens that requests are expected to hold together, for each h.

    ``past`` are outputs, sorted. What has produced more than all of them counts as staying.
    """
    longer = len(past) - np.searchsorted(past, produced, side="right")
    then = len(past) - np.searchsorted(past, produced + AHEAD[:, None], side="right")
    stays = np.where(longer > 0, then / np.maximum(longer, 1), 1.0)
    return (stays * (held + AHEAD[:, None])).sum(axis=1)
