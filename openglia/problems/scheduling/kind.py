"""Scheduling as a kind of problem: opened and restored as routing is."""

from openglia.problems.routing.kind import RoutingKind
from openglia.problems.scheduling.presentation import PRESENTATION
from openglia.problems.scheduling.problem import Scheduling


class SchedulingKind(RoutingKind):
    """See ``openglia.problems.registry.Kind``."""

    name = "scheduling"
    summary = "admit and evict LLM requests inside each replica, under a fixed router (LLQ)"
    presentation = PRESENTATION
    problem = Scheduling


KIND = SchedulingKind()
