"""A router drawn from the offline researcher's family.

Policy: order longest_prompt; load predicted_work; admission none.
"""

from bisect import insort

import numpy as np

from vidur.entities import Request
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler

HELD = 1  # requests held back before all wait
FIRST_GUESS = 256  # mean output in tokens, until completions are seen
LONGEST = 8192  # tokens of an output


class AIGlobalScheduler(BaseGlobalScheduler):
    def __init__(self, *arguments, **options) -> None:
        super().__init__(*arguments, **options)
        self._in_flight = dict.fromkeys(self._replica_schedulers, 0)  # requests there
        self._in_order = 0  # requests at the front of the queue that are sorted
        # Per replica: requests placed there and not completed, with their first prompts,
        # and how many tokens each had produced when the replica was looked at.
        self._placed = {replica: [] for replica in self._replica_schedulers}
        self._prompts = dict.fromkeys(self._replica_schedulers, np.zeros(0, int))
        self._produced = dict.fromkeys(self._replica_schedulers, np.zeros(0, int))
        self._completed = 0
        self._output_tokens = 0  # of the completed requests
        self._outputs = np.zeros(LONGEST, int)  # how many of them had which output
        self._mean_output = FIRST_GUESS  # tokens
        self._work = dict.fromkeys(self._replica_schedulers, 0.0)  # tokens to come

    def schedule(self) -> list[tuple[int, Request]]:
        if not self._request_queue:
            return []
        self.look()
        self.enqueue()
        placements, held = [], 0
        while held < min(HELD, len(self._request_queue)):
            request = self._request_queue[held]
            # A replica with nothing to do takes any request, so nobody waits for ever.
            replicas = [
                replica
                for replica, busy in self._in_flight.items()
                if not busy or self.admits(replica, request)
            ]
            if not replicas:
                held += 1
                continue
            replica = min(replicas, key=lambda replica: (self.load(replica, request), replica))
            self.place(replica, request)
            placements.append((replica, self._request_queue.pop(held)))
        self._in_order = len(self._request_queue)
        return placements

    def enqueue(self) -> None:
        """Put what has arrived since the last call where it belongs in the queue."""
        arrived = self._request_queue[self._in_order :]
        del self._request_queue[self._in_order :]
        for request in arrived:
            insort(self._request_queue, request, key=self.priority)

    def priority(self, request: Request) -> tuple[float, int]:
        """Whoever has the least goes first.

        Here: the longest prompt first.
        """
        return (-request.num_prefill_tokens, request.id)

    def load(self, replica: int, request: Request) -> float:
        """Of the replicas that admit a request, the one with the least gets it.

        Here: fewest tokens still to be produced, by the mean output seen.
        """
        return self._work[replica]

    def admits(self, replica: int, request: Request) -> bool:
        """Every request is placed at once."""
        return True

    def look(self) -> None:
        """Bring what is known of the replicas up to date."""
        for number, replica in self._replica_schedulers.items():
            present = replica.num_pending_requests + len(replica._allocation_map)
            if present == self._in_flight[number]:
                continue  # nothing completed
            self._in_flight[number] = present
            self.collect(number)
            if self._completed:
                self._mean_output = self._output_tokens / self._completed
            left = np.maximum(self._mean_output - self._produced[number], 1)
            self._work[number] = float(left.sum())

    def place(self, replica: int, request: Request) -> None:
        """Count the request as there."""
        self._in_flight[replica] += 1
        self._placed[replica].append((request, request.num_prefill_tokens))
        self._work[replica] += self._mean_output

    def collect(self, replica: int) -> None:
        """Learn from what completed on the replica, and see how far the others are.

        What a request had produced before an eviction is part of its new prompt.
        """
        running = []
        for request, prompt in self._placed[replica]:
            if request.completed:
                output = request.num_processed_tokens - prompt
                self._completed += 1
                self._output_tokens += output
                self._outputs[min(output, LONGEST - 1)] += 1
            else:
                running.append((request, prompt))
        self._placed[replica] = running
        self._prompts[replica] = np.array([prompt for _, prompt in running], dtype=int)
        tokens = [max(r.num_processed_tokens, r.num_prefill_tokens) for r, _ in running]
        produced = np.array(tokens, dtype=int) - self._prompts[replica]
        self._produced[replica] = produced.clip(0, LONGEST - 1)
