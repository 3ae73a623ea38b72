"""Holds requests back: a replica gets one only while it has fewer than six, and a free eighth."""

from vidur.entities import Request
from vidur.logger import init_logger
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler

logger = init_logger(__name__)


class AIGlobalScheduler(BaseGlobalScheduler):
    def schedule(self) -> list[tuple[int, Request]]:
        self.sort_requests()
        placements = []
        for replica_id, replica in self._replica_schedulers.items():
            load = replica.num_pending_requests + len(replica._allocation_map)
            free = replica._config.num_blocks - replica.num_allocated_blocks
            while self._request_queue and load < 6 and (load == 0 or 8 * free > replica.num_blocks):
                request = self._request_queue.pop(0)
                free -= request.num_prefill_tokens // replica.block_size + 1
                load += 1
                placements.append((replica_id, request))
        return placements
