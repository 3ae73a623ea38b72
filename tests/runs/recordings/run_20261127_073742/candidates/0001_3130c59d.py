"""The router under discovery. Every run starts from this file: it picks replicas at random.

``schedule()`` is called at every request arrival and at every request completion. It returns pairs
of a replica's id and a request taken from ``self._request_queue``; a request left in the queue is
held back and offered again at the next call. ``problem.md`` describes what a router may read.
"""

from random import randint

from vidur.entities import Request
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler


class AIGlobalScheduler(BaseGlobalScheduler):
    def schedule(self) -> list[tuple[int, Request]]:
        self.sort_requests()

        placements = []
        while self._request_queue:
            request = self._request_queue.pop(0)
            placements.append((randint(0, self._num_replicas - 1), request))
        return placements
