"""Puts our classes in the places where Vidur looks its own up, once all modules are loaded."""

import importlib


def install() -> None:
    """Route on completions, guard output lengths, and name what routers may read of a replica.

    Called when the router is made: importing these modules earlier would be circular.
    """
    from vidur.openglia.completion import RoutingBatchEndEvent, TimedGlobalScheduleEvent
    from vidur.openglia.replica_view import add_names
    from vidur.openglia.requests import RoutedRequest
    from vidur.openglia.supervision import unwatched

    batch_end = importlib.import_module("vidur.events.batch_end_event")
    batch_end.BatchEndEvent = RoutingBatchEndEvent
    global_schedule = importlib.import_module("vidur.events.global_schedule_event")
    global_schedule.GlobalScheduleEvent = TimedGlobalScheduleEvent
    replay = importlib.import_module("vidur.request_generator.trace_replay_request_generator")
    replay.Request = RoutedRequest
    add_names()
    # Reading the predictors' tables takes seconds.
    predictors = importlib.import_module("vidur.execution_time_predictor")
    registry = predictors.ExecutionTimePredictorRegistry
    if not hasattr(registry.get, "unwatched"):
        registry.get = unwatched(registry.get)
