"""A router drawn from the offline researcher's family.

Policy: order latest; load allocated_blocks; admission cap; overtaking no; cap 19.
"""

from bisect import insort

from vidur.entities import Request
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler

HELD = 1  # requests held back before all wait
CAP = 19  # requests in flight on a replica


class AIGlobalScheduler(BaseGlobalScheduler):
    def __init__(self, *arguments, **options) -> None:
        super().__init__(*arguments, **options)
        self._in_flight = dict.fromkeys(self._replica_schedulers, 0)  # requests there
        self._in_order = 0  # requests at the front of the queue that are sorted
        policy = next(iter(self._replica_schedulers.values()))._config
        self._block_size = policy.block_size  # tokens
        self._blocks = dict.fromkeys(self._replica_schedulers, 0.0)

    def schedule(self) -> list[tuple[int, Request]]:
        if not self._request_queue:
            return []
        self.look()
        self.enqueue()
        placements, held = [], 0
        while held < min(HELD, len(self._request_queue)):
            request = self._request_queue[held]
            # A replica with nothing to do takes any request, so nobody waits for ever.
            replicas = [
                replica
                for replica, busy in self._in_flight.items()
                if not busy or self.admits(replica, request)
            ]
            if not replicas:
                held += 1
                continue
            replica = min(replicas, key=lambda replica: (self.load(replica, request), replica))
            self.place(replica, request)
            placements.append((replica, self._request_queue.pop(held)))
        self._in_order = len(self._request_queue)
        return placements

    def enqueue(self) -> None:
        """Put what has arrived since the last call where it belongs in the queue."""
        arrived = self._request_queue[self._in_order :]
        del self._request_queue[self._in_order :]
        for request in arrived:
            insort(self._request_queue, request, key=self.priority)

    def priority(self, request: Request) -> tuple[float, int]:
        """Whoever has the least goes first.

        Here: last come, first served.
        """
        return (-request.arrived_at, request.id)

    def load(self, replica: int, request: Request) -> float:
        """Of the replicas that admit a request, the one with the least gets it.

        Here: fewest KV-cache blocks allocated or about to be.
        """
        return self._blocks[replica]

    def admits(self, replica: int, request: Request) -> bool:
        """At most so many requests in flight on a replica."""
        return self._in_flight[replica] < CAP

    def look(self) -> None:
        """Bring what is known of the replicas up to date."""
        for number, replica in self._replica_schedulers.items():
            present = replica.num_pending_requests + len(replica._allocation_map)
            self._blocks[number] = replica.num_allocated_blocks + sum(
                self.blocks(request.num_prefill_tokens) for request in replica._request_queue
            )
            self._in_flight[number] = present

    def place(self, replica: int, request: Request) -> None:
        """Count the request as there."""
        self._in_flight[replica] += 1
        self._blocks[replica] += self.blocks(request.num_prefill_tokens)

    def blocks(self, prompt: int) -> float:
        """KV-cache blocks for a prompt that is not in yet."""
        return prompt / self._block_size
