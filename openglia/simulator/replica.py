"""One replica: which requests form its next batch, and how long that batch takes.

``SarathiReplica`` and ``VllmReplica`` reproduce Vidur's replica schedulers of these names. Batches
in which requests do nothing but decode, most of all, are stepped through by ``Replica.step`` in
constant time: all decoding requests advance by one token per batch, so one counter, ``steps``,
moves instead of each request.
"""

from abc import ABC, abstractmethod
from collections import deque
from heapq import heappop, heappush

from openglia.benchmark.definition import ReplicaScheduler as Policy
from openglia.errors import OpenGliaError
from openglia.simulator.failures import RouterFailureError
from openglia.simulator.interface import ReplicaScheduler, Request
from openglia.simulator.timing import KV_GRANULARITY, ExecutionTimes

NEVER = 1 << 62


class Job:
    """A request as the engine knows it. The router sees ``view``, which does not lead here."""

    __slots__ = (
        "arrived_at",
        "decoding",
        "finish",
        "first_token_at",
        "index",
        "processed",
        "prompt",
        "restarts",
        "scheduled_at",
        "total",
        "view",
    )

    def __init__(self, index: int, arrived_at: float, prompt: int, total: int) -> None:
        self.index = index
        self.arrived_at = arrived_at
        self.prompt = prompt  # tokens to prefill; after a restart also those it had generated
        self.total = total  # tokens, prompt and output together
        self.processed = 0  # tokens; while decoding: minus the replica's steps when it began
        self.decoding = False
        self.finish = -1  # the replica's step at which it completes, while decoding
        self.restarts = 0
        self.scheduled_at = 0.0
        self.first_token_at = 0.0
        self.view = Request(index, arrived_at, prompt)


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
        "finishing",
        "mean_offset",
        "next_finish",
        "num_blocks",
        "number",
        "offset_sum",
        "queue",
        "reconsider",
        "row",
        "running",
        "steady",
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
        self.running: list[Job] = []  # admitted, in Vidur's order of preemption
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
        self.finishing: list[tuple[int, int, int, Job]] = []  # heap: step, index, restarts
        self.next_finish = NEVER
        self.row: list[float] = []  # the times of a batch of ``decodes`` by mean KV size
        self.mean_offset = 0

        self.block_seconds = 0.0  # integral of the allocated blocks over time

    def place(self, job: Job) -> None:
        """Queue a request that the router has sent here."""
        if not self.queue:
            self.steady = False  # this new head may be admitted
        self.queue.append(job)
        self.view._waiting.append(job.view)

    def start(self, now: float) -> float:
        """Form the next batch at ``now``; return its duration in seconds, 0 if there is none."""
        tokens = self.form(now)
        self.view._num_allocated_blocks = self.allocated
        self.view._decodes_in_flight = self.batch_decodes
        if not tokens:
            self.steady = False
            return 0.0
        self.busy = True
        only_decodes = len(self.running) == self.decodes and not self.batch_prefills
        self.steady = only_decodes and not self.reconsider
        decodes = self.decodes if self.batch_decodes else 0
        mean = self.offset_sum // decodes + self.steps if decodes else 0
        if self.steady:
            self._prepare_steps(decodes)
        if self.steady:
            duration = self.row[-(-mean // KV_GRANULARITY)]
        else:
            prefills = [(job.processed, chunk) for job, chunk in self.batch_prefills]
            duration = self.times.seconds(tokens, decodes, mean, prefills)
        self.block_seconds += self.allocated * duration
        return duration

    def step(self) -> float:
        """End a batch of nothing but decodes and start its like; return the duration of that.

        Returns 0, and changes nothing, where the next batch may be another: a request completes,
        memory runs short, or there is something to admit.
        """
        if not self.steady:
            return 0.0
        steps = self.steps + 1
        allocated = self.allocated + self.crossings[steps % self.block_size]
        # Vidur wants a free block for every request it visits, so the last one free is not taken.
        if steps >= self.next_finish or allocated >= self.num_blocks:
            return 0.0
        duration = self.row[-(-(self.mean_offset + steps) // KV_GRANULARITY)]
        view = self.view
        self.steps = view._steps = steps
        self.allocated = view._num_allocated_blocks = allocated
        self.block_seconds += allocated * duration
        return duration

    def end(self, now: float) -> list[Job]:
        """End the batch under way; return the requests that complete with it."""
        self.busy = False
        completed = []
        if self.batch_decodes:
            self.steps += 1
            self.view._steps = self.steps
        self.view._decodes_in_flight = False
        for job, tokens in self.batch_prefills:
            job.processed += tokens
            job.view._processed = job.processed
            if job.processed < job.prompt:
                continue
            job.processed += 1  # the prefill yields the first token
            if not job.first_token_at:
                job.first_token_at = now
            job.view._is_prefill_complete = True
            job.view._processed = job.processed
            if job.processed == job.total:
                self._release(job)
                completed.append(job)
            else:
                self._begin_decoding(job)
        self.batch_prefills = []
        if self.next_finish <= self.steps:
            self._collect_finished(completed)
        for job in completed:
            self.running.remove(job)
            job.view._completed = True
        self.view._num_allocated_blocks = self.allocated
        return completed

    @abstractmethod
    def form(self, now: float) -> int:
        """Choose the next batch; return its number of tokens, 0 if there is none."""

    def blocks(self, job: Job) -> int:
        """KV blocks that ``job`` holds while no batch with it is under way."""
        tokens = job.processed + self.steps - 1 if job.decoding else job.prompt
        return -(-tokens // self.block_size)

    def head_fits(self) -> bool:
        """Whether memory allows the first request of the queue, its prompt as a whole."""
        needed = -(-self.queue[0].prompt // self.block_size)
        return self.num_blocks - self.allocated - needed >= self.watermark

    def admit(self, now: float) -> Job:
        """Move the first request of the queue to the running ones and give it its blocks."""
        job = self.queue.popleft()
        view = self.view
        if not view._waiting or view._waiting.popleft() is not job.view:
            raise RouterFailureError(
                "interface",
                f"the router changed the queue of replica {self.number}, which it may only read",
            )
        self.allocated += -(-job.prompt // self.block_size)
        self.running.append(job)
        view._active[job.index] = job.view
        job.view._scheduled = True
        if not job.restarts:
            job.scheduled_at = now
        return job

    def restart(self, job: Job) -> None:
        """Evict ``job``: it frees its blocks and waits again, first in the queue.

        What it has processed becomes its prompt. (For a half-done prefill Vidur thereby turns the
        rest of the prompt into tokens to decode.)
        """
        processed = job.processed + self.steps if job.decoding else job.processed
        self._release(job)
        job.prompt = processed
        job.processed = 0
        job.restarts += 1
        self.queue.appendleft(job)
        view = job.view
        view._num_prefill_tokens = processed
        view._processed = 0
        view._num_restarts = job.restarts
        view._is_prefill_complete = False
        view._scheduled = False
        self.view._waiting.appendleft(view)

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
        running, kept = self.running, []
        residue = (1 - self.steps) % self.block_size  # of the offsets that need a block now
        first, last = 0, len(running)
        while first < last:
            job = running[first]
            first += 1
            if job.decoding:
                while self.allocated >= self.num_blocks:
                    if first == last:
                        self.restart(job)
                        break
                    last -= 1
                    self.restart(running[last])
                else:
                    if job.processed % self.block_size == residue:
                        self.allocated += 1
                    kept.append(job)
            else:
                kept.append(job)
        self.running = kept

    def _prepare_steps(self, decodes: int) -> None:
        self.row = self.times.decode_seconds(decodes)
        self.mean_offset = self.offset_sum // decodes

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
        self.allocated -= self.blocks(job)
        del self.view._active[job.index]
        if not job.decoding:
            return
        self.decodes -= 1
        self.offset_sum -= job.processed
        self.crossings[(1 - job.processed) % self.block_size] -= 1
        job.view._processed = job.processed + self.steps
        job.view._host = None
        job.decoding = False
        job.finish = -1

    def _collect_finished(self, completed: list[Job]) -> None:
        finishing = self.finishing
        while finishing and finishing[0][0] <= self.steps:
            step, _, _, job = heappop(finishing)
            if job.finish == step:  # else it was restarted in the meantime
                self._release(job)
                completed.append(job)
        self.next_finish = finishing[0][0] if finishing else NEVER


class SarathiReplica(Replica):
    """Chunked prefill: decodes first, then prompts in chunks (Vidur's Sarathi scheduler)."""

    __slots__ = ("chunk_size",)

    def __init__(
        self, number: int, policy: Policy, times: ExecutionTimes, view: ReplicaScheduler
    ) -> None:
        super().__init__(number, policy, times, view)
        if policy.chunk_size is None:
            raise OpenGliaError("the replica scheduler sarathi needs a chunk_size")
        self.chunk_size = policy.chunk_size

    def form(self, now: float) -> int:
        self.take_decode_blocks()
        tokens = self.decodes
        prefills = self.batch_prefills
        if len(self.running) > self.decodes:
            # Prompts under way come after the decodes; one that gets no tokens leads next time.
            skipped, given = [], []
            for job in self.running:
                if not job.decoding:
                    chunk = min(job.prompt - job.processed, self.chunk_size - tokens)
                    if chunk > 0:
                        tokens += chunk
                        prefills.append((job, chunk))
                        given.append(job)
                    else:
                        skipped.append(job)
            self.running = [*skipped, *(job for job in self.running if job.decoding), *given]
        while self.queue and len(self.running) < self.batch_size_cap and self.head_fits():
            chunk = min(self.queue[0].prompt, self.chunk_size - tokens)
            if chunk <= 0:
                break
            tokens += chunk
            prefills.append((self.admit(now), chunk))
        self.batch_decodes = self.decodes > 0
        return tokens


class VllmReplica(Replica):
    """Whole prompts before any decode (Vidur's vLLM scheduler)."""

    __slots__ = ("max_tokens_in_batch",)

    def __init__(
        self, number: int, policy: Policy, times: ExecutionTimes, view: ReplicaScheduler
    ) -> None:
        super().__init__(number, policy, times, view)
        if policy.max_tokens_in_batch is None:
            raise OpenGliaError("the replica scheduler vllm needs max_tokens_in_batch")
        self.max_tokens_in_batch = policy.max_tokens_in_batch

    def form(self, now: float) -> int:
        prefills = self.batch_prefills
        tokens = longest = 0
        while self.queue and len(self.running) < self.batch_size_cap and self.head_fits():
            prompt = self.queue[0].prompt
            longest = max(longest, prompt)
            # Prompts are padded to the longest of the batch.
            if (len(prefills) + 1) * longest > self.max_tokens_in_batch:
                break
            tokens += prompt
            prefills.append((self.admit(now), prompt))
        self.batch_decodes = not prefills and self.decodes > 0
        if not prefills:
            self.running.sort(key=lambda job: job.arrived_at)
            waiting = len(self.queue)
            self.take_decode_blocks()
            self.reconsider = len(self.queue) > waiting
            tokens = self.decodes
            self.batch_decodes = tokens > 0
        return tokens
