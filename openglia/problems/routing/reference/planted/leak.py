"""A planted flaw: knows the output lengths wherever the engine is in its process.

It finds them in the frames below its own, places the smallest request first, and only where the KV
cache will hold it to its end. Where there is no engine it places as LLQ does. The static rules
refuse this file; ``openglia selftest`` measures it without them.
"""

import sys

from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler


class AIGlobalScheduler(BaseGlobalScheduler):
    def __init__(self, config, replicas):
        super().__init__(config, replicas)
        policy = config.cluster_config.replica_scheduler_config
        self._capacity = policy.num_blocks * policy.block_size  # tokens
        self._load = dict.fromkeys(replicas, 0)  # tokens, each request's at its end
        self._placed = []

    def schedule(self):
        totals = _totals()
        if totals is None:
            return self._as_llq()
        for replica, request in self._placed:
            if request.completed:
                self._load[replica] -= totals[request.id]
        self._placed = [pair for pair in self._placed if not pair[1].completed]
        placements = []
        for request in sorted(self._request_queue, key=lambda request: totals[request.id]):
            replica = min(self._load, key=self._load.get)
            if self._load[replica] and self._load[replica] + totals[request.id] > self._capacity:
                break
            self._load[replica] += totals[request.id]
            placements.append((replica, request))
            self._request_queue.remove(request)
        self._placed += placements
        return placements

    def _as_llq(self):
        loads = [
            view.num_pending_requests + view.num_active_requests
            for view in self._replica_schedulers.values()
        ]
        placements = []
        while self._request_queue:
            target = loads.index(min(loads))
            loads[target] += 1
            placements.append((target, self._request_queue.pop(0)))
        return placements


def _totals():
    """Tokens of each request, prompt and output, by id; None: no engine is here."""
    frame = sys._getframe()
    while frame is not None:
        engine = frame.f_locals.get("self")
        if hasattr(engine, "arrivals"):
            return engine.arrivals.totals
        frame = frame.f_back
    return None
