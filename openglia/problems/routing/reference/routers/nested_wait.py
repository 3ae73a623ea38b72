"""Nested WAIT (Ao, Luo, Simchi-Levi, Wang, arXiv 2504.11320), as a router: a threshold per stage.

No output is predicted. The decode is cut into stages by tokens produced; short outputs leave early,
long ones move on. In the paper's fluid limit a replica in balance holds in each stage a number of
requests in proportion to the time that a request spends there on average. The throughput at which
these numbers fill the memory but for a safety buffer gives the thresholds. A replica takes in the
oldest request while its first stage stays below the threshold.

What differs: arrival rates per output class, which the paper knows, are learnt from completions.
A router cannot pause a stage: what the later stages hold beyond their thresholds and the buffer
comes out of the first stage's. A replica's stages are counted anew when something completes there.
"""

from itertools import pairwise
from math import ceil

from vidur.entities import Request
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler

STAGES = (0, 64, 128, 256, 512, 1024, 2048, 4096, 8192)  # tokens produced, at their ends
BUFFER = 0.05  # share of the memory
FIRST_GUESS = 256  # output tokens, until completions have been seen
RELEARN = 1.1  # thresholds are made anew when the completions have grown by this factor


class AIGlobalScheduler(BaseGlobalScheduler):
    def __init__(self, *arguments, **options) -> None:
        super().__init__(*arguments, **options)
        schedulers = self._replica_schedulers
        self._block_size = schedulers[0]._config.block_size
        self._capacity = {  # tokens
            n: r._config.num_blocks * self._block_size for n, r in schedulers.items()
        }
        self._placed = {number: [] for number in self._replica_schedulers}  # request, prompt
        self._populations = {number: self.population(number) for number in self._placed}
        self._outputs = []  # of completed requests
        self._arrived = 0
        self._prompt_tokens = 0  # of these
        self._learnt_from = -1  # completed requests behind what follows
        self._stages = {}  # by capacity: threshold in requests, and tokens that each holds

    def add_request(self, request: Request) -> None:
        super().add_request(request)
        self._arrived += 1
        self._prompt_tokens += request.num_prefill_tokens

    def schedule(self) -> list[tuple[int, Request]]:
        self.learn()
        if not self._request_queue:
            return []
        self.sort_requests()
        if self._learnt_from < 0 or len(self._outputs) > RELEARN * self._learnt_from + 10:
            self._learnt_from = len(self._outputs)
            prompt = self._prompt_tokens / self._arrived
            self._stages = {
                capacity: fluid(self._outputs or [FIRST_GUESS], prompt, (1 - BUFFER) * capacity)
                for capacity in set(self._capacity.values())
            }
        populations = self._populations
        free = {number: self.free_blocks(number) for number in self._placed}
        placements = []
        for request in self._request_queue:
            prompt = request.num_prefill_tokens
            need = ceil(prompt / self._block_size)
            open_to_it = [
                number
                for number, population in populations.items()
                if not sum(population)
                or (need <= free[number] and self.takes_in(population, self._capacity[number]))
            ]
            if not open_to_it:
                break
            target = min(open_to_it, key=lambda number: populations[number])
            populations[target][0] += 1
            free[target] -= need
            self._placed[target].append((request, prompt))
            placements.append((target, request))
        del self._request_queue[: len(placements)]
        return placements

    def takes_in(self, population: list[int], capacity: int) -> bool:
        """Whether one more in the first stage stays within what the later ones leave it."""
        stages = self._stages[capacity]
        threshold, held = stages[0]
        beyond = sum(
            (count - most) * held
            for count, (most, held) in zip(population[1:], stages[1:], strict=True)
        )
        return population[0] + 1 <= threshold - max(beyond - BUFFER * capacity, 0) / held

    def learn(self) -> None:
        """Take note of the outputs of what has completed, and count the stages where it did."""
        for number, replica in self._replica_schedulers.items():
            entries = self._placed[number]
            if replica.num_pending_requests + replica.num_active_requests == len(entries):
                continue
            for request, prompt in entries:
                if request.completed:
                    self._outputs.append(request.num_processed_tokens - prompt)
            self._placed[number] = [entry for entry in entries if not entry[0].completed]
            self._populations[number] = self.population(number)

    def population(self, number: int) -> list[int]:
        """Requests on the replica by stage; those that wait there are in the first."""
        counts = [0] * (len(STAGES) - 1)
        for request, prompt in self._placed[number]:
            produced = max(request.num_processed_tokens, request.num_prefill_tokens) - prompt
            counts[sum(produced >= end for end in STAGES[1:-1])] += 1
        return counts

    def free_blocks(self, number: int) -> int:
        """Blocks that neither a running request nor the prompt of a waiting one takes."""
        replica = self._replica_schedulers[number]
        waiting = sum(
            ceil(request.num_prefill_tokens / self._block_size) for request in replica.pending_queue
        )
        taken = replica.num_allocated_blocks + waiting
        return replica.num_blocks - replica._watermark_blocks - taken


def fluid(outputs: list[int], prompt: float, capacity: float) -> list[tuple[float, float]]:
    """For each stage of a replica in balance the requests in it, and tokens that one holds there.

    Together they hold ``capacity`` tokens. ``outputs`` are a sample; ``prompt`` is the mean prompt.
    """
    stages = []
    for start, end in pairwise(STAGES):
        # Iterations in this stage, and the tokens held there summed over these: means over outputs.
        spent = [min(output, end) - start for output in outputs if output > start]
        stay = sum(spent) / len(outputs)
        area = sum(s * (prompt + start + s / 2) for s in spent) / len(outputs)
        stages.append((stay, area / stay if stay else prompt + end))
    rate = capacity / sum(stay * held for stay, held in stages)  # requests per iteration
    return [(rate * stay, held) for stay, held in stages]
