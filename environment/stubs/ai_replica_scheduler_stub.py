"""The scheduler under discovery. Every run starts from this file: it does what Vidur does.

Each replica has one. ``admit`` is called while a batch has room for a prompt: it returns the
waiting request to admit next, or None. ``evict`` is called while the decoding requests lack a
block: it returns the running request that gives up its blocks and restarts. Both see the replica
as ``self.replica``; ``openglia/problems/scheduling/INTERFACE.md`` says what there is to read.
"""

from collections.abc import Sequence

from vidur.entities import Request
from vidur.openglia.replica_policy import ReplicaPolicy


class AIReplicaScheduler(ReplicaPolicy):
    def admit(self, waiting: Sequence[Request]) -> Request | None:
        return waiting[0]  # first come, first served; evicted ones wait at the front

    def evict(self, running: Sequence[Request]) -> Request:
        return running[-1]  # the youngest
