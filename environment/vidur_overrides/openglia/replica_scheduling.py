"""Vidur's Sarathi scheduler with a candidate inside, that admits and evicts.

Vidur's own code still forms what goes on in a batch; it never comes to evict there, as room is made
before, and it sees no queue, as admission follows here. The candidate is asked at the moments that
``openglia/problems/scheduling/INTERFACE.md`` tells.
"""

import importlib
from time import perf_counter
from typing import Any

from vidur.entities import Batch
from vidur.openglia.failure import RouterFailureError
from vidur.openglia.replica_policy import ReplicaPolicy
from vidur.openglia.requests import RoutedRequest
from vidur.openglia.supervision import RouterCost, describe, guarded
from vidur.scheduler.replica_scheduler.replica_scheduler_registry import ReplicaSchedulerRegistry
from vidur.scheduler.replica_scheduler.sarathi_replica_scheduler import SarathiReplicaScheduler
from vidur.types import ReplicaSchedulerType

CANDIDATE = "vidur.scheduler.replica_scheduler.ai_replica_scheduler"


def install() -> None:
    """Put it in Sarathi's place; what the router costs counts no more."""
    ReplicaSchedulerRegistry.unregister(ReplicaSchedulerType.SARATHI)
    ReplicaSchedulerRegistry.register(ReplicaSchedulerType.SARATHI, ScheduledReplica)
    RouterCost.of_router = False


class ScheduledReplica(SarathiReplicaScheduler):
    """One replica's scheduler, and the candidate's for it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        candidate = _load()
        self.__policy = guarded(candidate, self)
        self.__asking = False  # something has changed since it admitted nobody

    def add_request(self, request: RoutedRequest) -> None:
        super().add_request(request)
        self.__asking = True

    def on_batch_end(self, batch: Batch) -> None:
        super().on_batch_end(batch)
        if batch.completed_requests:
            self.__asking = True

    def _get_next_batch(self) -> Batch | None:
        self.__make_room()
        waiting, self._request_queue = self._request_queue, []
        begun = super()._get_next_batch()
        self._request_queue = waiting
        requests, tokens = (list(begun.requests), list(begun.num_tokens)) if begun else ([], [])
        if not self.__admit(requests, tokens):
            return begun
        return Batch(self._replica_id, requests, tokens)

    def __make_room(self) -> None:
        running = self._preempted_requests
        while not self.__decodes_fit(running):
            victim = self.__ask("evict", self.__policy.evict, running)
            if victim is None:
                self.__fail("evict", None)
            running.remove(victim)
            victim.restart()
            self.free(victim.id)
            self._request_queue.insert(0, victim)
            self.__asking = True

    def __decodes_fit(self, running: list[RoutedRequest]) -> bool:
        """Whether each decoding request, in its turn, finds a free block at hand."""
        free = self._config.num_blocks - self._num_allocated_blocks
        for request in running:
            if request.is_prefill_complete:
                if free < 1:
                    return False
                held = self._allocation_map[request.id] * self._config.block_size
                free -= request.num_processed_tokens > held
        return True

    def __admit(self, requests: list[RoutedRequest], tokens: list[int]) -> bool:
        """Add to a batch; return whether anything was added."""
        before = len(requests)
        left = self._config.chunk_size - sum(tokens)
        while self.__asking and self._request_queue and left > 0:
            if len(self._allocation_map) >= self._config.batch_size_cap:
                break
            request = self.__ask("admit", self.__policy.admit, self._request_queue)
            if request is None or not self._can_allocate_request(request):
                self.__asking = False
                break
            self._request_queue.remove(request)
            self._allocate_request(request)
            requests.append(request)
            tokens.append(min(request.num_prefill_tokens, left))
            left -= tokens[-1]
        return len(requests) > before

    def __ask(self, what: str, decide: Any, offered: list[RoutedRequest]) -> RoutedRequest | None:
        started = perf_counter()
        chosen = guarded(decide, tuple(offered))
        RouterCost.seconds += perf_counter() - started
        RouterCost.calls += 1
        if chosen is not None and not any(request is chosen for request in offered):
            self.__fail(what, chosen)
        return chosen  # type: ignore[no-any-return]

    def __fail(self, what: str, chosen: Any) -> None:
        named = f"request {chosen.id}" if isinstance(chosen, RoutedRequest) else f"{chosen!r:.80}"
        raise RouterFailureError(
            "invalid-choice",
            f"{what}() of replica {self._replica_id} returned {named}, which it was not offered",
        )


def _load() -> type[ReplicaPolicy]:
    RouterCost.clock[0] = perf_counter()
    try:
        module = importlib.import_module(CANDIDATE)
    except Exception as error:
        raise RouterFailureError("import", describe(error)) from error
    candidate = getattr(module, "AIReplicaScheduler", None)
    if not (isinstance(candidate, type) and issubclass(candidate, ReplicaPolicy)):
        raise RouterFailureError(
            "interface", "the scheduler file has no class AIReplicaScheduler(ReplicaPolicy)"
        )
    RouterCost.clock[0] = 0.0
    return candidate
