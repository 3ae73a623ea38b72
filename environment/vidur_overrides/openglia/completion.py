"""Calls the router when a request completes, and notes when a request was routed.

Vidur calls the router on arrivals only, and keeps no time of routing.
"""

from vidur.events.base_event import BaseEvent
from vidur.events.batch_end_event import BatchEndEvent
from vidur.events.global_schedule_event import GlobalScheduleEvent
from vidur.metrics import MetricsStore
from vidur.scheduler import BaseGlobalScheduler


class TimedGlobalScheduleEvent(GlobalScheduleEvent):
    """Notes the simulated time with every request that the router places."""

    def handle_event(
        self, scheduler: BaseGlobalScheduler, metrics_store: MetricsStore
    ) -> list[BaseEvent]:
        events: list[BaseEvent] = super().handle_event(scheduler, metrics_store)
        for _, request in self._request_mapping:
            request.routed_at = self.time
        return events


class RoutingBatchEndEvent(BatchEndEvent):
    """Before the replica forms its next batch, the router sees the memory that became free."""

    def handle_event(
        self, scheduler: BaseGlobalScheduler, metrics_store: MetricsStore
    ) -> list[BaseEvent]:
        # Events of equal time run in order of creation, so this one must come first.
        call_router = TimedGlobalScheduleEvent(self.time)
        events: list[BaseEvent] = super().handle_event(scheduler, metrics_store)
        return [call_router, *events] if self._batch.completed_requests else events
