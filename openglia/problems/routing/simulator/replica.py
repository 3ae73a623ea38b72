"""What both replica schedulers share: memory, the decoding requests, evictions, steady batches.

Batches in which requests do nothing but decode, most of all, cost constant time: all decoding
requests advance by one token per batch, so one counter, ``steps``, moves instead of each request.
``Replica.look_ahead`` says how far such batches can follow each other without a closer look; the
event loop then steps through them by itself. More than 300 lines, as it is one state and its
hottest loops.
"""

from abc import ABC, abstractmethod
from collections import deque
from heapq import heappop, heappush

from openglia.problems.routing.benchmark.definition import ReplicaScheduler as Policy
from openglia.problems.routing.simulator.interface import ReplicaScheduler
from openglia.problems.routing.simulator.job import Job, take
from openglia.problems.routing.simulator.timing import KV_GRANULARITY, ExecutionTimes

NEVER = 1 << 62


class Replica(ABC):
    """The state that both replica schedulers share. ``view`` mirrors it for the router."""

    __slots__ = (
        "allocated",
        "batch_decodes",
        "batch_prefills",
        "batch_size_cap",
        "block_seconds",
        "block_size",
        "busy",
        "crossings",
        "decodes",
        "duration",
        "finishing",
        "next_finish",
        "num_blocks",
        "number",
        "offset_sum",
        "queue",
        "reconsider",
        "running",
        "steady",
        "steady_until",
        "steps",
        "times",
        "view",
        "watermark",
    )

    def __init__(
        self, number: int, policy: Policy, times: ExecutionTimes, view: ReplicaScheduler
    ) -> None:
        self.number = number
        self.times = times
        self.view = view
        self.num_blocks = policy.num_blocks
        self.block_size = policy.block_size
        self.batch_size_cap = policy.batch_size_cap
        self.watermark = int(policy.watermark_blocks_fraction * policy.num_blocks)

        self.queue: deque[Job] = deque()
        self.running: dict[Job, None] = {}  # admitted, in Vidur's order: a set that keeps it
        self.allocated = 0  # KV blocks
        self.busy = False
        self.steady = False  # the next batch will be this one again: decodes and nothing else
        self.reconsider = False  # memory has grown since the head of the queue was refused
        self.batch_prefills: list[tuple[Job, int]] = []  # of the batch under way, with tokens
        self.batch_decodes = False  # the batch under way holds the decoding requests

        # The decoding requests as one: a request has processed ``offset + steps`` tokens.
        self.steps = 0
        self.decodes = 0
        self.offset_sum = 0
        self.crossings = [0] * policy.block_size  # requests that need a block at a step, modulo
        last = Job(-1, 0.0, 1, 1)  # always in the heap
        last.finish = NEVER
        self.finishing = [(NEVER, -1, 0, last)]  # heap: step, index, restarts, request
        self.next_finish = NEVER
        # Up to this step, exclusive, batches are like the one under way and take ``duration``.
        self.steady_until = 0
        self.duration = 0.0  # s

        self.block_seconds = 0.0  # integral of the allocated blocks over time

    def place(self, job: Job) -> None:
        """Queue a request that the router has sent here."""
        if not self.queue:  # this new head may be admitted
            self.steady = False
            self.steady_until = 0
        self.queue.append(job)
        self.view._waiting.append(job.view)
        self.view.num_pending_requests += 1

    def start(self, now: float) -> float:
        """Form the next batch at ``now``; return its duration in seconds, 0 if there is none."""
        tokens = self.form(now)
        view = self.view
        allocated = view.num_allocated_blocks = self.allocated
        view._decodes_in_flight = self.batch_decodes
        self.steady_until = 0
        if not tokens:
            self.steady = False
            return 0.0
        self.busy = True
        decodes = self.decodes if self.batch_decodes else 0
        mean = self.offset_sum // decodes + self.steps if decodes else 0
        if self.batch_prefills:
            self.steady = False
            prefills = [(job.processed, chunk) for job, chunk in self.batch_prefills]
            duration = self.times.seconds(tokens, decodes, mean, prefills)
        else:
            self.steady = len(self.running) == decodes and not self.reconsider
            duration = self.times.decode_seconds[decodes, -(-mean // KV_GRANULARITY)]
        self.block_seconds += allocated * duration
        return duration

    def look_ahead(self) -> bool:
        """Whether the next batch will be like the one under way: the same requests decode.

        It may be another where a request completes, memory runs short, or there is something to
        admit. If it is not, ``duration`` and ``steady_until`` are set for it and its like.
        """
        step = self.steps + 1
        if not self.steady or (step >= self.next_finish and self._next_finish() <= step):
            return False
        decodes = self.decodes
        # Vidur wants a free block for every request it visits, so the last one free is not taken.
        free = self.num_blocks - 1 - self.allocated
        if free >= decodes:  # in a round of block_size steps each request takes one
            until = step + free // decodes * self.block_size
        else:
            until = step
            while (free := free - self.crossings[until % self.block_size]) >= 0:
                until += 1
        if until == step:
            return False
        mean_offset = self.offset_sum // decodes
        index = -(-(mean_offset + step) // KV_GRANULARITY)
        self.duration = self.times.decode_seconds[decodes, index]
        # The mean KV size counts as the same for as long.
        self.steady_until = min(until, self.next_finish, index * KV_GRANULARITY - mean_offset + 1)
        return True

    def end(self, now: float) -> list[Job]:
        """End the batch under way; return the requests that complete with it."""
        self.busy = False
        completed: list[Job] = []
        view = self.view
        if self.batch_decodes:
            self.steps = view._steps = self.steps + 1
            view._decodes_in_flight = False
        if self.batch_prefills:
            self._end_prefills(now, completed)
        if self.next_finish <= self.steps:
            self._collect_finished(completed)
        for job in completed:
            del self.running[job]
            job.view.completed = True
        view.num_allocated_blocks = self.allocated
        return completed

    def _end_prefills(self, now: float, completed: list[Job]) -> None:
        for job, tokens in self.batch_prefills:
            view = job.view
            job.processed += tokens
            if job.processed < job.prompt:
                view._processed = job.processed
                continue
            job.processed += 1  # the prefill yields the first token
            if not job.first_token_at:
                job.first_token_at = now
            view.is_prefill_complete = True
            if job.processed == job.total:
                view._processed = job.processed
                self._release(job)
                completed.append(job)
            else:
                self._begin_decoding(job)
        self.batch_prefills = []

    @abstractmethod
    def form(self, now: float) -> int:
        """Choose the next batch; return its number of tokens, 0 if there is none."""

    def fits(self, place: int = 0) -> bool:
        """Whether cap and memory allow a request of the queue, its prompt as a whole."""
        if len(self.running) >= self.batch_size_cap:
            return False
        needed = -(-self.queue[place].prompt // self.block_size)
        return self.num_blocks - self.allocated - needed >= self.watermark

    def admit(self, now: float, place: int = 0) -> Job:
        """Move a request of the queue to the running ones and give it its blocks."""
        job = self.queue[place]
        del self.queue[place]
        view = self.view
        take(view, job.view, place)
        self.allocated += -(-job.prompt // self.block_size)
        self.running[job] = None
        view._active[job.index] = job.view
        view.num_pending_requests -= 1
        view.num_active_requests += 1
        job.view.scheduled = True
        if not job.restarts:
            job.scheduled_at = now
        return job

    def restart(self, job: Job) -> None:
        """Evict ``job``: it frees its blocks and waits again, first in the queue.

        What it has processed becomes its prompt. (For a half-done prefill Vidur thereby turns the
        rest of the prompt into tokens to decode.)
        """
        self._begin_anew(job, job.processed + self.steps if job.decoding else job.processed)
        self.queue.appendleft(job)
        self.view._waiting.appendleft(job.view)
        self.view.num_pending_requests += 1

    def fail(self) -> list[Job]:
        """Lose the batch under way and all of the KV cache; return all requests, which leave.

        Until ``come_back`` no batch begins: the replica counts as busy.
        """
        jobs = [*self.running, *self.queue]
        for job in self.running:
            self._begin_anew(job, job.processed + self.steps if job.decoding else job.prompt)
        self.running.clear()
        self.queue.clear()
        self.allocated = 0  # blocks for the tokens that were being processed, too
        self.batch_prefills = []
        self.batch_decodes = self.steady = self.reconsider = False
        self.finishing = [max(self.finishing, key=lambda entry: entry[0])]
        self.next_finish = NEVER
        self.busy = True
        view = self.view
        view._waiting.clear()
        view.num_pending_requests = view.num_allocated_blocks = 0
        view._decodes_in_flight = False
        view.failed = True
        return jobs

    def come_back(self) -> None:
        """After ``fail``: batches may begin."""
        self.busy = self.view.failed = False

    def _begin_anew(self, job: Job, prompt: int) -> None:
        self._release(job)
        job.prompt = prompt
        job.processed = 0
        job.restarts += 1
        view = job.view
        view.num_prefill_tokens = prompt
        view._processed = 0
        view.num_restarts = job.restarts
        view.is_prefill_complete = False
        view.scheduled = False

    def take_decode_blocks(self) -> None:
        """Give the decoding requests the blocks that their next token needs.

        Vidur visits the running requests in order. Each that decodes needs a free block at hand,
        be it to take one or not; while there is none, the last one not yet visited restarts, and
        if none is left, the request itself.
        """
        needed = self.crossings[self.steps % self.block_size]
        if not self.decodes or self.allocated + needed < self.num_blocks:
            self.allocated += needed
            return
        order = self.preemption_order()
        while self.decodes and not self._last_decode_fits(order):
            job = self.take_victim(order)
            del self.running[job]
            self.restart(job)
        self.allocated += self.crossings[self.steps % self.block_size]

    def _last_decode_fits(self, order: list[Job]) -> bool:
        """Whether a block is free when the last decoding request in ``order`` is visited.

        Then one is free at the visits before, too, as blocks are only taken on the way.
        """
        block_size = self.block_size
        taken = self.allocated + self.crossings[self.steps % block_size]
        if taken != self.num_blocks:
            return taken < self.num_blocks
        # The last block may only go to the last visit.
        last = next(job for job in reversed(order) if job.decoding)
        return (last.processed + self.steps - 1) % block_size == 0

    def take_victim(self, order: list[Job]) -> Job:
        """Take the request that restarts next out of ``order``."""
        return order.pop()

    def preemption_order(self) -> list[Job]:
        """The running requests as Vidur visits them; it evicts from the end."""
        return list(self.running)

    def _begin_decoding(self, job: Job) -> None:
        job.decoding = True
        job.processed -= self.steps
        job.finish = job.total - job.processed
        job.view._processed = job.processed
        job.view._host = self.view
        self.decodes += 1
        self.offset_sum += job.processed
        self.crossings[(1 - job.processed) % self.block_size] += 1
        heappush(self.finishing, (job.finish, job.index, job.restarts, job))
        self.next_finish = self.finishing[0][0]

    def _release(self, job: Job) -> None:
        """Free the blocks of ``job`` and forget it as a decoding request."""
        view = self.view
        del view._active[job.index]
        view.num_active_requests -= 1
        block_size = self.block_size
        if not job.decoding:
            self.allocated -= -(-job.prompt // block_size)
            return
        offset = job.processed
        processed = offset + self.steps
        self.allocated -= -(-(processed - 1) // block_size)
        self.decodes -= 1
        self.offset_sum -= offset
        self.crossings[(1 - offset) % block_size] -= 1
        job.decoding = False
        job.finish = -1
        request = job.view
        request._processed = processed
        request._host = None

    def _collect_finished(self, completed: list[Job]) -> None:
        while self._next_finish() <= self.steps:
            job = heappop(self.finishing)[3]
            self._release(job)
            completed.append(job)

    def _next_finish(self) -> int:
        """Find ``next_finish``; what was restarted in the meantime leaves the heap."""
        finishing = self.finishing
        step, _, _, job = finishing[0]
        while job.finish != step:
            heappop(finishing)
            step, _, _, job = finishing[0]
        self.next_finish = step
        return step
