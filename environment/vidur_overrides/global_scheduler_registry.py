"""Replaces ``vidur/scheduler/global_scheduler/global_scheduler_registry.py``.

Importing this module declares the command line's types ``ai`` and ``llq``: Vidur's command line
imports it before it reads its arguments.
"""

from typing import Any

from vidur.openglia import configs, hooks, supervision
from vidur.openglia.llq_global_scheduler import LLQGlobalScheduler
from vidur.scheduler.global_scheduler.lor_global_scheduler import LORGlobalScheduler
from vidur.scheduler.global_scheduler.random_global_scheduler import RandomGlobalScheduler
from vidur.scheduler.global_scheduler.round_robin_global_scheduler import RoundRobinGlobalScheduler
from vidur.types import GlobalSchedulerType
from vidur.utils.base_registry import BaseRegistry

__all__ = ["GlobalSchedulerRegistry", "configs"]


class GlobalSchedulerRegistry(BaseRegistry):
    """The routers by type. The AI router's file is imported only when it is asked for."""

    @classmethod
    def get_key_from_str(cls, key_str: str) -> GlobalSchedulerType:
        return GlobalSchedulerType.from_str(key_str)

    @classmethod
    def get(cls, key: GlobalSchedulerType, *args: Any, **kwargs: Any) -> Any:
        hooks.install()
        return supervision.supervised(cls.get_class(key))(*args, **kwargs)

    @classmethod
    def get_class(cls, key: GlobalSchedulerType) -> Any:
        if key == GlobalSchedulerType.AI:
            cls.register(key, supervision.load_ai_router())
        return super().get_class(key)


GlobalSchedulerRegistry.register(GlobalSchedulerType.RANDOM, RandomGlobalScheduler)
GlobalSchedulerRegistry.register(GlobalSchedulerType.ROUND_ROBIN, RoundRobinGlobalScheduler)
GlobalSchedulerRegistry.register(GlobalSchedulerType.LOR, LORGlobalScheduler)
GlobalSchedulerRegistry.register(GlobalSchedulerType.LLQ, LLQGlobalScheduler)
