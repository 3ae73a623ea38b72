"""A router drawn from the offline researcher's family.

Policy: order shortest_prompt; load predicted_work; admission projected; overtaking no; horizon
556; caution 2.48; margin 0.0999.
"""

from bisect import insort

import numpy as np

from vidur.entities import Request
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler

HELD = 1  # requests held back before all wait
FIRST_GUESS = 256  # mean output in tokens, until completions are seen
LONGEST = 8192  # tokens of an output
HORIZON = 556  # how far ahead, tokens per request
AHEAD = np.unique(np.geomspace(4, HORIZON, 6).round().astype(int))
CAUTION = 2.48  # standard deviations of the projection
MARGIN = 0.0999  # share of the blocks left free


class AIGlobalScheduler(BaseGlobalScheduler):
    def __init__(self, *arguments, **options) -> None:
        super().__init__(*arguments, **options)
        self._in_flight = dict.fromkeys(self._replica_schedulers, 0)  # requests there
        self._in_order = 0  # requests at the front of the queue that are sorted
        policy = next(iter(self._replica_schedulers.values()))._config
        self._block_size = policy.block_size  # tokens
        self._usable = (1 - MARGIN) * policy.num_blocks
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
        # Per replica: mean and variance of the blocks in use, at each point AHEAD.
        self._mean = dict.fromkeys(self._replica_schedulers, np.zeros(len(AHEAD)))
        self._variance = dict.fromkeys(self._replica_schedulers, np.zeros(len(AHEAD)))
        self._newcomer = None  # the request projected last, with its projection
        self._learnt_from = 0  # completed requests behind the survival table
        self._stay = self.survival()

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

        Here: the shortest prompt first.
        """
        return (request.num_prefill_tokens, request.id)

    def load(self, replica: int, request: Request) -> float:
        """Of the replicas that admit a request, the one with the least gets it.

        Here: fewest tokens still to be produced, by the mean output seen.
        """
        return self._work[replica]

    def admits(self, replica: int, request: Request) -> bool:
        """The projected peak of kv-cache blocks must fit."""
        return self.peak(replica, request) <= self._usable

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
            self.project(number)

    def place(self, replica: int, request: Request) -> None:
        """Count the request as there."""
        self._in_flight[replica] += 1
        self._placed[replica].append((request, request.num_prefill_tokens))
        self._work[replica] += self._mean_output
        mean, variance = self.of_newcomer(request)
        self._mean[replica] = self._mean[replica] + mean
        self._variance[replica] = self._variance[replica] + variance

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

    def survival(self) -> np.ndarray:
        """P(a request runs h tokens longer | it has produced a), for h in AHEAD and every a.

        From the outputs seen so far (Kaplan and Meier): of a request that still runs, it is known
        that its output is longer than what there is. Two made-up requests, exponential with mean
        FIRST_GUESS, stand for what is not known yet.
        """
        lengths = np.arange(LONGEST)
        guess = 2.0 * np.exp(-lengths / FIRST_GUESS)
        still = np.bincount(np.concatenate(list(self._produced.values())), minlength=LONGEST)
        at_risk = np.cumsum((self._outputs + still)[::-1])[::-1] + guess
        hazard = (self._outputs + guess / FIRST_GUESS) / np.maximum(at_risk, 1e-9)
        survival = np.cumprod(np.concatenate([[1.0], 1 - hazard[:-1].clip(0, 0.9)])) + 1e-12
        return survival[np.minimum(lengths + AHEAD[:, None], LONGEST - 1)] / survival

    def project(self, replica: int) -> None:
        """Project the blocks that the requests on the replica will hold."""
        if self._completed > 1.1 * self._learnt_from + 10:
            self._learnt_from = self._completed
            self._stay = self.survival()
            self._newcomer = None
        stay = self._stay[:, self._produced[replica]]
        tokens = self._prompts[replica] + self._produced[replica]
        blocks = (tokens + AHEAD[:, None]) / self._block_size + 0.5
        expected = stay * blocks
        self._mean[replica] = expected.sum(axis=1)
        self._variance[replica] = (expected * (blocks - expected)).sum(axis=1)

    def of_newcomer(self, request: Request) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of the blocks that a request yet to be placed will hold."""
        if self._newcomer is None or self._newcomer[0] is not request:
            blocks = (request.num_prefill_tokens + AHEAD) / self._block_size + 0.5
            expected = self._stay[:, 0] * blocks
            self._newcomer = (request, expected, expected * (blocks - expected))
        return self._newcomer[1], self._newcomer[2]

    def peak(self, replica: int, request: Request) -> float:
        """The highest projected need of the replica with the request, and CAUTION on top."""
        mean, variance = self.of_newcomer(request)
        deviation = np.sqrt(self._variance[replica] + variance)
        return float((self._mean[replica] + mean + CAUTION * deviation).max())
