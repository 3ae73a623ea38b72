"""Reorders: longest prompt first, in batches, by what it sees of the running requests."""

from vidur.entities.request import Request
from vidur.scheduler.global_scheduler import BaseGlobalScheduler


class AIGlobalScheduler(BaseGlobalScheduler):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._placed = {}

    def schedule(self) -> list[tuple[int, Request]]:
        queue = sorted(self._request_queue, key=lambda request: -request.num_prefill_tokens)
        placements = []
        for request in queue:
            scores = {}
            for replica_id, replica in self._replica_schedulers.items():
                work = sum(
                    running.num_processed_tokens + 3 * running.num_restarts
                    for running in replica.active_queue
                )
                work += sum(waiting.num_prefill_tokens for waiting in replica.pending_queue)
                work += sum(replica._allocation_map.values()) + replica.num_allocated_blocks
                scores[replica_id] = work + replica.memory_usage_percent
            target = min(scores, key=lambda replica_id: (scores[replica_id], -replica_id))
            placements.append((target, request))
            self._placed[request.id] = request
            if len(placements) >= 3:
                break
        for _, request in placements:
            self._request_queue.remove(request)
        if not placements and self._request_queue:
            placements.append((0, self._request_queue.pop(0)))
        return placements
