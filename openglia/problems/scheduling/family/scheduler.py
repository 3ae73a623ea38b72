# Every scheduler of the family in one file, as in routing/family/router.py: the choices in the
# first block settle each ``if``, and what nothing uses then is left out, these lines too.
"""A scheduler drawn from the offline researcher's family.

$summary
"""

from collections.abc import Sequence
from heapq import nsmallest

from vidur.entities import Request
from vidur.openglia.replica_policy import ReplicaPolicy

ORDER = "aged_prompt"
RESUME = "first"
ADMISSION = "learned"
VICTIM = "fewest_tokens"
RESERVES = True  # room for outputs

HELD = 8  # requests that are not admitted before all wait
AGE_WEIGHT = 10  # tokens per second of waiting
CAP = 64  # requests that run at once
RESERVATION = 0.5  # room for the output, of prompt
CONSTANT = 64  # further room for the output, tokens
FACTOR = 1  # room for the output, of the mean output
FIRST_GUESS = 256  # mean output in tokens, until completions are seen
MARGIN = 0.05  # share of the blocks left free


class AIReplicaScheduler(ReplicaPolicy):
    def __init__(self, replica) -> None:
        super().__init__(replica)
        if RESERVES:
            self._usable = (1 - MARGIN) * replica.num_blocks
        if ADMISSION == "learned":
            self._admitted = []  # and not completed when they were last looked at
            self._completed = 0
            self._output_tokens = 0  # of the completed requests
            self._mean_output = FIRST_GUESS  # tokens

    def admit(self, waiting: Sequence[Request]) -> Request | None:
        if ADMISSION == "learned":
            self.learn()
        for request in nsmallest(HELD, waiting, key=self.priority):
            if self.admits(request):
                if RESERVES:
                    if not request.num_restarts:
                        request.prompt_at_first = request.num_prefill_tokens
                if ADMISSION == "learned":
                    if not request.num_restarts:
                        self._admitted.append(request)
                return request
        return None

    def priority(self, request: Request) -> tuple[float, float, int]:
        """Whoever has the least goes first.

        Here: $order;
        $resume.
        """
        if RESUME == "first":
            resumed = -min(request.num_restarts, 1)
        if RESUME == "in_order":
            resumed = 0
        if RESUME == "last":
            resumed = min(request.num_restarts, 1)
        if ORDER == "arrival":
            return (resumed, request.arrived_at, request.id)
        if ORDER == "latest":
            return (resumed, -request.arrived_at, request.id)
        if ORDER == "shortest_prompt":
            return (resumed, request.num_prefill_tokens, request.id)
        if ORDER == "longest_prompt":
            return (resumed, -request.num_prefill_tokens, request.id)
        if ORDER == "aged_prompt":
            aged = request.num_prefill_tokens + AGE_WEIGHT * request.arrived_at
            return (resumed, aged, request.id)

    def admits(self, request: Request) -> bool:
        """$admission."""
        if not self.fits(request):
            return False
        if ADMISSION == "none":
            return True
        if ADMISSION != "none":
            running = self.replica.active_queue
            if not running:  # so nobody waits for ever
                return True
        if ADMISSION == "cap":
            return len(running) < CAP
        if RESERVES:
            needed = self.blocks_at_end(request)
            return needed + sum(self.blocks_at_end(other) for other in running) <= self._usable

    def blocks_at_end(self, request: Request) -> float:
        """KV-cache blocks that a request is expected to hold when it completes."""
        prompt = getattr(request, "prompt_at_first", request.num_prefill_tokens)
        if ADMISSION == "head_room":
            expected = (1 + RESERVATION) * prompt + CONSTANT
        if ADMISSION == "learned":
            expected = prompt + FACTOR * self._mean_output
        known = max(request.num_prefill_tokens, request.num_processed_tokens)
        return max(expected, known) / self.replica.block_size

    def learn(self) -> None:
        """Look at which requests have completed since, and how long their outputs were."""
        running = []
        for request in self._admitted:
            if request.completed:
                self._completed += 1
                self._output_tokens += request.num_processed_tokens - request.prompt_at_first
            else:
                running.append(request)
        self._admitted = running
        if self._completed:
            self._mean_output = self._output_tokens / self._completed

    def evict(self, running: Sequence[Request]) -> Request:
        """Here: $victim."""
        if VICTIM == "youngest":
            return running[-1]
        if VICTIM == "oldest":
            return running[0]
        if VICTIM == "fewest_tokens":
            return min(running, key=lambda request: (request.num_processed_tokens, request.id))
        if VICTIM == "most_tokens":
            return max(running, key=lambda request: (request.num_processed_tokens, request.id))
        if VICTIM == "fewest_restarts":
            return min(reversed(running), key=lambda request: request.num_restarts)
