"""Vidur's vLLM replica scheduler."""

from openglia.errors import OpenGliaError
from openglia.problems.routing.benchmark.definition import ReplicaScheduler as Policy
from openglia.problems.routing.simulator.interface import ReplicaScheduler
from openglia.problems.routing.simulator.job import Job
from openglia.problems.routing.simulator.replica import Replica
from openglia.problems.routing.simulator.timing import ExecutionTimes


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
        while self.queue and self.fits():
            prompt = self.queue[0].prompt
            longest = max(longest, prompt)
            # Prompts are padded to the longest of the batch.
            if (len(prefills) + 1) * longest > self.max_tokens_in_batch:
                break
            tokens += prompt
            prefills.append((self.admit(now), prompt))
        self.batch_decodes = not prefills and self.decodes > 0
        if not prefills:
            waiting = len(self.queue)
            self.take_decode_blocks()
            self.reconsider = len(self.queue) > waiting
            tokens = self.decodes
            self.batch_decodes = tokens > 0
        return tokens

    def preemption_order(self) -> list[Job]:
        return sorted(self.running, key=lambda job: job.arrived_at)
