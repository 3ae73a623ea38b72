"""Vidur's Sarathi replica scheduler."""

from openglia.errors import OpenGliaError
from openglia.problems.routing.benchmark.definition import ReplicaScheduler as Policy
from openglia.problems.routing.simulator.interface import ReplicaScheduler
from openglia.problems.routing.simulator.replica import Replica
from openglia.problems.routing.simulator.timing import ExecutionTimes


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
            running = self.running
            skipped = []
            for job in [job for job in running if not job.decoding]:
                chunk = min(job.prompt - job.processed, self.chunk_size - tokens)
                del running[job]
                if chunk > 0:
                    tokens += chunk
                    prefills.append((job, chunk))
                    running[job] = None
                else:
                    skipped.append(job)
            if skipped:
                self.running = dict.fromkeys([*skipped, *running])
        tokens = self.admit_waiting(now, tokens)
        self.batch_decodes = self.decodes > 0
        return tokens

    def admit_waiting(self, now: float, tokens: int) -> int:
        """Fill the batch of ``tokens`` with waiting prompts; return what it has then."""
        while self.queue and tokens < self.chunk_size and self.fits():
            chunk = min(self.queue[0].prompt, self.chunk_size - tokens)
            tokens += chunk
            self.batch_prefills.append((self.admit(now), chunk))
        return tokens
