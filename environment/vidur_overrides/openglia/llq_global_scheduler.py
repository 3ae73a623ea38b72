"""The least-loaded-queue baseline (Glia, Sec. 5): the replica with the fewest in-flight requests.

In flight is what waits at the replica plus what holds memory there. Vidur's ``lor`` counts only
what waits, so at low load it sends everything to replica 0.
"""

from vidur.entities import Request
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler


class LLQGlobalScheduler(BaseGlobalScheduler):
    def schedule(self) -> list[tuple[int, Request]]:
        self.sort_requests()
        in_flight = {
            replica_id: replica.num_pending_requests + len(replica._allocation_map)
            for replica_id, replica in self._replica_schedulers.items()
        }
        placements = []
        while self._request_queue:
            replica_id = min(in_flight, key=lambda replica: (in_flight[replica], replica))
            in_flight[replica_id] += 1
            placements.append((replica_id, self._request_queue.pop(0)))
        return placements
