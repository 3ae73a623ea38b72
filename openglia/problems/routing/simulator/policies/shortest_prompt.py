"""Admits the shortest prompt first, as the Glia paper's batch scheduler; evicts the youngest."""

from collections.abc import Sequence

from vidur.entities import Request
from vidur.openglia.replica_policy import ReplicaPolicy


class AIReplicaScheduler(ReplicaPolicy):
    def admit(self, waiting: Sequence[Request]) -> Request | None:
        return min(waiting, key=lambda request: request.num_prefill_tokens)
