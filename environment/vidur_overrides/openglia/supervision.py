"""Every router runs under supervision: guarded, checked, timed and recorded."""

import importlib
from operator import index
from time import perf_counter
from typing import Any, ClassVar

from vidur.openglia.failure import OracleError, RouterFailureError
from vidur.openglia.requests import RoutedRequest, router_code
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler

AI_ROUTER = "vidur.scheduler.global_scheduler.ai_global_scheduler"


class RouterCost:
    """What the candidate's calls took, in this process."""

    calls = 0
    seconds = 0.0
    of_router = True  # else of the replicas' schedulers
    # When the router was entered, and 0 between its calls: the harness puts a memory here that it
    # watches (openglia/problems/routing/simulator/clock.py).
    clock: ClassVar[Any] = [0.0]


def unwatched(make: Any) -> Any:
    """The same for Vidur's own work inside a candidate's constructor: it is not its time."""

    def made(*arguments: Any, **options: Any) -> Any:
        entered, RouterCost.clock[0] = RouterCost.clock[0], 0.0
        try:
            return make(*arguments, **options)
        finally:
            RouterCost.clock[0] = entered and perf_counter()

    made.unwatched = True  # type: ignore[attr-defined]
    return made


def load_ai_router() -> type[BaseGlobalScheduler]:
    """The class in the working scheduler.

    Raises:
        RouterFailureError: the file cannot be imported, or lacks the class.
    """
    RouterCost.clock[0] = perf_counter()
    try:
        module = importlib.import_module(AI_ROUTER)
    except Exception as error:
        raise RouterFailureError("import", describe(error)) from error
    router = getattr(module, "AIGlobalScheduler", None)
    if not (isinstance(router, type) and issubclass(router, BaseGlobalScheduler)):
        raise RouterFailureError(
            "interface", "the scheduler file has no class AIGlobalScheduler(BaseGlobalScheduler)"
        )
    RouterCost.clock[0] = 0.0
    return router


def supervised(router: type[BaseGlobalScheduler]) -> type[BaseGlobalScheduler]:
    """A subclass of ``router`` whose every entry from Vidur is supervised."""

    class Supervised(router):  # type: ignore[misc, valid-type]
        def __init__(self, config: Any, replicas: dict[int, Any]) -> None:
            # The trace holds the output lengths. It has been read by now.
            config.request_generator_config.trace_file = "not for routers"
            self.__arrived: dict[RoutedRequest, tuple[float, int]] = {}
            guarded(super().__init__, config, replicas)

        def add_request(self, request: RoutedRequest) -> None:
            self.__arrived[request] = (request.arrived_at, request.num_prefill_tokens)
            guarded(super().add_request, request)

        def schedule(self) -> list[tuple[int, RoutedRequest]]:
            start = perf_counter()
            # Within the guard and the clock: what is returned may be code of the router's too.
            placements = guarded(lambda: self.__checked(super(Supervised, self).schedule()))
            if RouterCost.of_router:
                RouterCost.seconds += perf_counter() - start
                RouterCost.calls += 1
            return placements

        def __checked(self, returned: Any) -> list[tuple[int, RoutedRequest]]:
            placements = [self.__check(placement) for placement in _as_list(returned)]
            if type(self._request_queue) is not list:
                raise RouterFailureError("interface", "self._request_queue must remain a list")
            return placements

        def __check(self, placement: Any) -> tuple[int, RoutedRequest]:
            try:
                replica_id, request = placement
                replica_id = index(replica_id)
                known = replica_id in self._replica_schedulers
            except (TypeError, ValueError):
                raise RouterFailureError(
                    "invalid-placement",
                    f"schedule() returned {placement!r:.80} where (replica_id, request) belongs",
                ) from None
            if not known:
                raise RouterFailureError(
                    "invalid-placement",
                    f"there is no replica {replica_id!r:.40}; the replicas are "
                    f"0 to {len(self._replica_schedulers) - 1}",
                )
            arrival = self.__arrived.pop(request, None) if _hashable(request) else None
            if arrival is None:
                raise RouterFailureError(
                    "invalid-placement",
                    f"{_name(request)} does not wait in the global queue: it was placed before, "
                    "or it is not a request",
                )
            if arrival != (request.arrived_at, request.num_prefill_tokens):
                raise RouterFailureError("interface", f"the router changed {_name(request)}")
            request.replica_id = replica_id
            return replica_id, request

        # Vidur's own calls; what a router makes of these names is its own affair.
        get_replica_stage_scheduler = BaseGlobalScheduler.get_replica_stage_scheduler
        get_replica_scheduler = BaseGlobalScheduler.get_replica_scheduler
        is_empty = BaseGlobalScheduler.is_empty

    Supervised.__name__ = router.__name__
    return Supervised


def guarded(call: Any, *arguments: Any) -> Any:
    """What a call of the candidate's code returns; its failures are the candidate's."""
    RouterCost.clock[0] = perf_counter()
    try:
        with router_code() as attempts:
            result = call(*arguments)
    except RouterFailureError:
        raise
    except OracleError as error:
        raise RouterFailureError("oracle", str(error)) from error
    except Exception as error:
        raise RouterFailureError("exception", describe(error)) from error
    RouterCost.clock[0] = 0.0
    if attempts:  # and the router passed over the error
        raise RouterFailureError("oracle", attempts[0])
    return result


def _as_list(placements: Any) -> list[Any]:
    try:
        return list(placements)
    except TypeError:
        raise RouterFailureError(
            "invalid-placement",
            f"schedule() returned {placements!r:.80}, not a list of (replica_id, request)",
        ) from None


def _hashable(value: Any) -> bool:
    return type(value).__hash__ is not None


def _name(request: Any) -> str:
    return f"request {request.id}" if isinstance(request, RoutedRequest) else f"{request!r:.80}"


def describe(error: BaseException) -> str:
    """Its first line."""
    words = str(error).splitlines()
    return f"{type(error).__name__}: {words[0]}" if words else type(error).__name__
