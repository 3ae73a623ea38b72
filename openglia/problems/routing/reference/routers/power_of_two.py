"""Power of two choices (Mitzenmacher, 2001), as the routers of SGLang and vLLM offer it.

Of two replicas drawn at random, the one with fewer requests in flight gets the oldest request. It
looks at two replicas where LLQ looks at all. Nobody is held back.
"""

from random import sample

from vidur.entities import Request
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler


class AIGlobalScheduler(BaseGlobalScheduler):
    def schedule(self) -> list[tuple[int, Request]]:
        if not self._request_queue:
            return []
        self.sort_requests()
        in_flight = {
            number: replica.num_pending_requests + replica.num_active_requests
            for number, replica in self._replica_schedulers.items()
        }
        placements = []
        for request in self._request_queue:
            drawn = sample(list(in_flight), min(2, len(in_flight)))
            target = min(drawn, key=lambda number: in_flight[number])
            in_flight[target] += 1
            placements.append((target, request))
        self._request_queue.clear()
        return placements
