"""Predictive admission, in the spirit of the router that the Glia paper's FunSearch baseline found.

The expected output length is a running mean over the requests seen to complete, corrected for how
far a running request already is. A replica takes a request if the blocks that it is expected to need
at its peak, with those of what runs and waits there, stay below its capacity. Order of arrival is
kept.
"""

from math import ceil

from vidur.entities import Request
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler

FIRST_GUESS = 256  # output tokens, until completions have been seen


class AIGlobalScheduler(BaseGlobalScheduler):
    def __init__(self, *arguments, **options) -> None:
        super().__init__(*arguments, **options)
        self._progress: dict[int, tuple[int, int]] = {}  # request id -> first prompt, tokens so far
        self._completed = 0
        self._output_tokens = 0

    def schedule(self) -> list[tuple[int, Request]]:
        self.observe()
        self.sort_requests()
        expected = self.expected_output()
        replicas = list(self._replica_schedulers.values())
        block_size = replicas[0]._config.block_size
        capacity = replicas[0]._config.num_blocks
        load = {replica.replica_id: self.expected_blocks(replica, expected) for replica in replicas}

        placements = []
        while self._request_queue:
            request = self._request_queue[0]
            need = ceil((request.num_prefill_tokens + expected) / block_size)
            replica_id = min(load, key=lambda replica: (load[replica], replica))
            if load[replica_id] and load[replica_id] + need > capacity:
                break
            load[replica_id] += need
            self._progress[request.id] = (request.num_prefill_tokens, 0)
            placements.append((replica_id, self._request_queue.pop(0)))
        return placements

    def observe(self) -> None:
        """Learn from the requests that have left the replicas since the last call."""
        present = {}
        for replica in self._replica_schedulers.values():
            for request in (*replica._request_queue, *replica.active_queue):
                prompt = self._progress[request.id][0]
                tokens = max(request.num_processed_tokens, self._progress[request.id][1])
                present[request.id] = (prompt, tokens)
        for request_id, (prompt, tokens) in self._progress.items():
            if request_id not in present:
                self._completed += 1
                self._output_tokens += max(tokens - prompt, 1)
        self._progress = present

    def expected_output(self) -> float:
        return self._output_tokens / self._completed if self._completed else FIRST_GUESS

    def expected_blocks(self, replica, expected: float) -> int:
        """Blocks that the replica's requests are expected to hold together at their ends."""
        block_size = replica._config.block_size
        blocks = 0
        for request in (*replica._request_queue, *replica.active_queue):
            prompt, tokens = self._progress[request.id]
            produced = max(tokens - prompt, 0)
            blocks += ceil((prompt + max(expected, produced)) / block_size)
        return blocks
