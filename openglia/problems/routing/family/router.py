# Every router of the family in one file. The first block holds a point of the family: its choices,
# what follows from them, and its numbers further below; those that stand here are an example.
# ``rendering`` makes the router of another point of it: it puts that point's values in, settles
# each ``if`` on a choice, and leaves out what nothing uses then, the choices and these lines too.
"""A router drawn from the offline researcher's family.

$summary
"""

from bisect import insort
from math import log
from random import sample

import numpy as np

from vidur.entities import Request
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler

ORDER = "aged_prompt"
LOAD = "predicted_work"
ADMISSION = "projected"
PROJECTS = True  # the memory that the replicas will need
LEARNS = True  # output lengths, from completed requests

HELD = 8  # requests held back before all wait
AGE_WEIGHT = 10  # tokens per second of waiting
BOOST = 10  # seconds of waiting that make up for e times the prompt
CAP = 64  # requests in flight on a replica
RESERVATION = 0.5  # room for the output, of prompt
CONSTANT = 64  # further room for the output, tokens
FACTOR = 1  # room for the output, of the mean output
FIRST_GUESS = 256  # mean output in tokens, until completions are seen
LONGEST = 8192  # tokens of an output
HORIZON = 512  # how far ahead, tokens per request
AHEAD = np.unique(np.geomspace(4, HORIZON, 6).round().astype(int))
CAUTION = 1  # standard deviations of the projection
MARGIN = 0.05  # share of the blocks left free


class AIGlobalScheduler(BaseGlobalScheduler):
    def __init__(self, *arguments, **options) -> None:
        super().__init__(*arguments, **options)
        self._in_flight = dict.fromkeys(self._replica_schedulers, 0)  # requests there
        self._in_order = 0  # requests at the front of the queue that are sorted
        if ADMISSION not in ("none", "cap") or LOAD in ("allocated_blocks", "projected_blocks"):
            self._block_size = self._replica_schedulers[0]._config.block_size  # tokens
        if ADMISSION not in ("none", "cap"):
            self._usable = {  # blocks
                number: (1 - MARGIN) * replica._config.num_blocks
                for number, replica in self._replica_schedulers.items()
            }
        if LOAD == "waiting":
            self._waiting = dict.fromkeys(self._replica_schedulers, 0)
        if LOAD == "allocated_blocks" or ADMISSION in ("committed", "head_room"):
            self._blocks = dict.fromkeys(self._replica_schedulers, 0.0)
        if LEARNS:
            # Per replica: requests placed there and not completed, with their first prompts,
            # and how many tokens each had produced when the replica was looked at.
            self._placed = {replica: [] for replica in self._replica_schedulers}
            self._prompts = dict.fromkeys(self._replica_schedulers, np.zeros(0, int))
            self._produced = dict.fromkeys(self._replica_schedulers, np.zeros(0, int))
            self._completed = 0
            self._output_tokens = 0  # of the completed requests
            self._outputs = np.zeros(LONGEST, int)  # how many of them had which output
        if LOAD == "predicted_work" or ADMISSION == "learned":
            self._mean_output = FIRST_GUESS  # tokens
        if LOAD == "predicted_work":
            self._work = dict.fromkeys(self._replica_schedulers, 0.0)  # tokens to come
        if ADMISSION == "learned":
            self._reserved = dict.fromkeys(self._replica_schedulers, 0.0)  # blocks
        if PROJECTS:
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
            if LOAD == "two_choices":
                replicas = sample(replicas, min(2, len(replicas)))
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

        Here: $order.
        """
        if ORDER == "arrival":
            return (request.arrived_at, request.id)
        if ORDER == "latest":
            return (-request.arrived_at, request.id)
        if ORDER == "shortest_prompt":
            return (request.num_prefill_tokens, request.id)
        if ORDER == "longest_prompt":
            return (-request.num_prefill_tokens, request.id)
        if ORDER == "aged_prompt":
            return (request.num_prefill_tokens + AGE_WEIGHT * request.arrived_at, request.id)
        if ORDER == "boosted":
            return (request.arrived_at + BOOST * log(request.num_prefill_tokens), request.id)

    def load(self, replica: int, request: Request) -> float:
        """Of the replicas that admit a request, the one with the least gets it.

        Here: $load.
        """
        if LOAD == "waiting":
            return self._waiting[replica]
        if LOAD in ("in_flight", "two_choices"):
            return self._in_flight[replica]
        if LOAD == "allocated_blocks":
            return self._blocks[replica]
        if LOAD == "predicted_work":
            return self._work[replica]
        if LOAD == "projected_blocks":
            return self.peak(replica, request)

    def admits(self, replica: int, request: Request) -> bool:
        """$admission."""
        if ADMISSION == "none":
            return True
        if ADMISSION == "cap":
            return self._in_flight[replica] < CAP
        if ADMISSION in ("committed", "head_room"):
            needed = self.blocks(request.num_prefill_tokens)
            return self._blocks[replica] + needed <= self._usable[replica]
        if ADMISSION == "learned":
            return self._reserved[replica] + self.blocks_at_end(request) <= self._usable[replica]
        if ADMISSION == "projected":
            return self.peak(replica, request) <= self._usable[replica]

    def look(self) -> None:
        """Bring what is known of the replicas up to date."""
        for number, replica in self._replica_schedulers.items():
            present = replica.num_pending_requests + len(replica._allocation_map)
            if LOAD == "waiting":
                self._waiting[number] = replica.num_pending_requests
            if LOAD == "allocated_blocks" or ADMISSION in ("committed", "head_room"):
                self._blocks[number] = replica.num_allocated_blocks + sum(
                    self.blocks(request.num_prefill_tokens) for request in replica._request_queue
                )
            if LEARNS:
                if present == self._in_flight[number]:
                    continue  # nothing completed
            self._in_flight[number] = present
            if LEARNS:
                self.collect(number)
            if LOAD == "predicted_work" or ADMISSION == "learned":
                if self._completed:
                    self._mean_output = self._output_tokens / self._completed
            if LOAD == "predicted_work":
                left = np.maximum(self._mean_output - self._produced[number], 1)
                self._work[number] = float(left.sum())
            if ADMISSION == "learned":
                room = np.maximum(FACTOR * self._mean_output, self._produced[number])
                tokens = float((self._prompts[number] + room).sum())
                self._reserved[number] = tokens / self._block_size
            if PROJECTS:
                self.project(number)

    def place(self, replica: int, request: Request) -> None:
        """Count the request as there."""
        self._in_flight[replica] += 1
        if LOAD == "waiting":
            self._waiting[replica] += 1
        if LOAD == "allocated_blocks" or ADMISSION in ("committed", "head_room"):
            self._blocks[replica] += self.blocks(request.num_prefill_tokens)
        if LEARNS:
            self._placed[replica].append((request, request.num_prefill_tokens))
        if LOAD == "predicted_work":
            self._work[replica] += self._mean_output
        if ADMISSION == "learned":
            self._reserved[replica] += self.blocks_at_end(request)
        if PROJECTS:
            mean, variance = self.of_newcomer(request)
            self._mean[replica] = self._mean[replica] + mean
            self._variance[replica] = self._variance[replica] + variance

    def blocks(self, prompt: int) -> float:
        """KV-cache blocks for a prompt that is not in yet$with_room."""
        if ADMISSION == "head_room":
            return (prompt * (1 + RESERVATION) + CONSTANT) / self._block_size
        if ADMISSION != "head_room":
            return prompt / self._block_size

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

    def blocks_at_end(self, request: Request) -> float:
        """KV-cache blocks that a request is expected to hold when it completes."""
        tokens = request.num_prefill_tokens + FACTOR * self._mean_output
        return tokens / self._block_size

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
