"""Configurations of the added routers.

Vidur's command line accepts a type of global scheduler only if a subclass of the base
configuration reports it, so declaring these classes is what makes ``ai`` and ``llq`` valid.
"""

from dataclasses import dataclass

from vidur.config import BaseGlobalSchedulerConfig
from vidur.types import GlobalSchedulerType


@dataclass
class AIGlobalSchedulerConfig(BaseGlobalSchedulerConfig):
    @staticmethod
    def get_type() -> GlobalSchedulerType:
        return GlobalSchedulerType.AI


@dataclass
class LLQGlobalSchedulerConfig(BaseGlobalSchedulerConfig):
    @staticmethod
    def get_type() -> GlobalSchedulerType:
        return GlobalSchedulerType.LLQ
