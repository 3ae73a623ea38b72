"""Replaces ``vidur/types/global_scheduler_type.py``: an enum with members cannot be extended."""

from vidur.types.base_int_enum import BaseIntEnum


class GlobalSchedulerType(BaseIntEnum):
    # Vidur's own, with Vidur's numbers.
    RANDOM = 1
    ROUND_ROBIN = 2
    LOR = 3
    # Ours: the router under discovery, and the baseline that Vidur lacks.
    AI = 4
    LLQ = 5
