"""Admits a waiting request drawn at random, and evicts a running one drawn at random."""

from collections.abc import Sequence
from random import choice

from vidur.entities import Request
from vidur.openglia.replica_policy import ReplicaPolicy


class AIReplicaScheduler(ReplicaPolicy):
    def admit(self, waiting: Sequence[Request]) -> Request | None:
        return choice(waiting)

    def evict(self, running: Sequence[Request]) -> Request:
        return choice(running)
