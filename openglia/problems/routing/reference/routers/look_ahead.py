"""Look-ahead, the idea of Block (arXiv 2508.03611): try each replica in a model of it.

For the oldest request, the router asks a simple simulation of every replica when the request would
have its last token there, and takes the earliest. Nobody is held back. Block runs Vidur as that
simulation, with outputs from a trained predictor. Here, a replica is iterations that cost the
reading of the weights (1), and besides for each token of a prompt and each token in the KV cache;
an output counts as the mean of those that completed, of the longer ones for a request that has
passed it; requests are admitted in order as memory allows, and nobody is evicted.
"""

from bisect import bisect_right, insort
from heapq import heapify, heappop, heappush
from itertools import accumulate

from vidur.entities import Request
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler

FIRST_GUESS = 256  # output tokens, until completions have been seen
# Costs in readings of the weights, from the datasheet's kind of figures: a token of a prompt takes
# 2 FLOPs per weight of 2 bytes, so bandwidth / FLOPS of a GPU (0.6 TB/s / 125 TFLOPS on the A10); a
# token in the cache takes its bytes over those of the weights (128 KiB / 16 GB for Llama-3-8B).
PROMPT_TOKEN = 0.005
CACHED_TOKEN = 8e-6


class AIGlobalScheduler(BaseGlobalScheduler):
    def __init__(self, *arguments, **options) -> None:
        super().__init__(*arguments, **options)
        policy = next(iter(self._replica_schedulers.values()))._config
        self._capacity = {  # tokens
            number: replica._config.num_blocks * policy.block_size
            for number, replica in self._replica_schedulers.items()
        }
        self._cap = policy.batch_size_cap
        self._prompts = {}  # by request that was placed and has not completed
        self._outputs = []  # of completed requests, sorted
        self._longer = [0]  # sums of the longest ones
        self._mean = FIRST_GUESS

    def schedule(self) -> list[tuple[int, Request]]:
        self.learn()
        if not self._request_queue:
            return []
        self.sort_requests()
        placements = []
        extra = {number: [] for number in self._replica_schedulers}  # placed in this call
        for request in self._request_queue:
            # What runs there, and the request itself last in line.
            ends = {
                number: self.end_of_last(number, [*extra[number], request])
                for number in self._replica_schedulers
            }
            target = min(ends, key=lambda number: ends[number])
            extra[target].append(request)
            self._prompts[request] = request.num_prefill_tokens
            placements.append((target, request))
        self._request_queue.clear()
        return placements

    def learn(self) -> None:
        """Take note of the outputs of what has completed."""
        completed = [request for request in self._prompts if request.completed]
        for request in completed:
            insort(self._outputs, request.num_processed_tokens - self._prompts.pop(request))
        if completed:
            self._longer = [0, *accumulate(reversed(self._outputs))]
            self._mean = self._longer[-1] / len(self._outputs)

    def to_come(self, request: Request) -> tuple[int, float]:
        """Tokens that the request holds, or needs to be admitted, and those still to come."""
        held = max(request.num_processed_tokens, request.num_prefill_tokens)
        produced = held - self._prompts.get(request, request.num_prefill_tokens)
        expected = self._mean
        if produced >= expected:
            longer = len(self._outputs) - bisect_right(self._outputs, produced)
            expected = self._longer[longer] / longer if longer else 1.5 * produced
        return held, max(expected - produced, 1)

    def end_of_last(self, number: int, newcomers: list[Request]) -> float:
        """When the last newcomer completes on the replica, in readings of the weights from now."""
        replica = self._replica_schedulers[number]
        waiting = [self.to_come(request) for request in (*replica.pending_queue, *newcomers)]
        # Per running request: the step at which it ends, and its tokens less the steps then.
        running = []
        held_tokens = 0
        prefill = 0.0  # tokens of prompts to be processed
        for request in replica.active_queue:
            held, left = self.to_come(request)
            running.append((left, held))
            held_tokens += held
            prefill += request.num_prefill_tokens - request.num_processed_prefill_tokens
        heapify(running)
        now, step, next_up = 0.0, 0.0, 0
        while True:
            while (
                next_up < len(waiting)
                and len(running) < self._cap
                and (not running or held_tokens + waiting[next_up][0] <= self._capacity[number])
            ):
                held, left = waiting[next_up]
                heappush(running, (step + left, held - step))
                held_tokens += held
                prefill += held
                next_up += 1
                if next_up == len(waiting):
                    last = step + left
            end, offset = heappop(running)
            steps = end - step
            mean_held = held_tokens + (len(running) + 1) * steps / 2
            now += steps * (1 + CACHED_TOKEN * mean_held) + PROMPT_TOKEN * prefill
            prefill = 0.0
            held_tokens += (len(running) + 1) * steps - (offset + end)
            step = end
            if next_up == len(waiting) and step >= last:
                return now
