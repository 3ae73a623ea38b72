"""The engine's side of a router in another process, which sees what changed and nothing else.

What is read here of the router is numbers, and each is looked up among the requests that wait.
"""

import json
import marshal
import struct
from dataclasses import asdict
from time import perf_counter
from typing import Any, NoReturn, get_args

from openglia.errors import OpenGliaError
from openglia.problems.routing.benchmark.definition import Cluster, Limits
from openglia.problems.routing.exchange import Failure
from openglia.problems.routing.simulator.clock import Clock
from openglia.problems.routing.simulator.failures import RouterFailureError, Rule
from openglia.problems.routing.simulator.job import Job
from openglia.problems.routing.simulator.recording import Recorder
from openglia.problems.routing.simulator.scheduled import UnderLlq
from openglia.problems.routing.simulator.scheduling import Offered
from openglia.problems.routing.simulator.wire import (
    FAILED,
    MAX_FAILURE,
    PLACED,
    PLACEMENT,
    READY,
    UP,
    BrokenLinkError,
    Link,
)


class Remote(Recorder):
    """Calls a candidate at the other end of ``link``. Nothing of the candidate's runs here.

    Time limits count what the other process and the way there take, too.
    """

    def __init__(
        self,
        cluster: Cluster,
        link: Link,
        num_requests: int,
        limits: Limits | None,
        clock: Clock | None = None,
    ) -> None:
        """Have it made, by a process that ``introduce`` has told what to run."""
        super().__init__(cluster, num_requests, limits, clock)
        self._link = link
        self.clock[0] = perf_counter()
        self._ask(b"", READY, 1)
        self.clock[0] = 0.0

    def _call(self, told: Any, most: int) -> list[tuple[int, int]]:
        """Call it; return up to ``most`` pairs of a replica's number and a request's."""
        message = marshal.dumps(told)
        self.changes.clear()
        self.calls += 1
        started = self.clock[0] = perf_counter()
        answer = self._ask(message, PLACED, 1 + PLACEMENT.size * most)
        self.seconds += perf_counter() - started
        if self.seconds > self.budget:
            self.fail_too_slow()
        self.clock[0] = 0.0
        try:
            return list(PLACEMENT.iter_unpack(answer))
        except struct.error:
            self._broken("its answer is no list of placements")

    def _ask(self, message: bytes, expected: bytes, most: int) -> bytes:
        try:
            self._link.send(message)
            answer = self._link.receive(max(most, MAX_FAILURE))
        except BrokenLinkError as error:
            self._broken(str(error))
        kind, content = answer[:1], answer[1:]
        if kind == FAILED:
            _raise(content)
        if kind != expected or len(answer) > most:
            self._broken("it does not answer what it was asked")
        return content

    def _broken(self, why: str) -> NoReturn:
        who = f"the {self.noun}'s process"
        raise RouterFailureError("crash", f"{who} is of no use any more: {why}")


class RemoteRouter(Remote):
    """Calls a router there."""

    def route(self) -> list[tuple[int, Job]]:
        if not self.release():
            return []
        return [self._check(*pair) for pair in self._call(self.changes, len(self.waiting))]

    def _check(self, number: int, index: int) -> tuple[int, Job]:
        """The other process has checked likewise: what fails here is not an honest answer."""
        job = self.waiting.pop(index, None)
        if job is None or not 0 <= number < self.num_replicas:
            what = f"request {index} on replica {number}"
            raise RouterFailureError("invalid-placement", f"the router's process placed {what}")
        return number, job


class RemoteSchedulers(Remote, UnderLlq):
    """Calls the replicas' schedulers there; places requests here."""

    def admit(self, number: int, waiting: Offered) -> int | None:
        return self._chosen(number, waiting, None)

    def evict(self, number: int, running: Offered) -> int:
        place = self._chosen(number, running, [request.id for request in running])
        if place is None:
            self._broken("it names nobody to evict")
        return place

    def _chosen(self, number: int, offered: Offered, named: list[int] | None) -> int | None:
        """The place of the one that it names; None: nobody. Who waits, the other side knows."""
        self.release()
        answer = self._call((self.changes, number, named), 1)
        if not answer:
            return None
        (index,) = (index for _, index in answer)
        place = next((at for at, request in enumerate(offered) if request.id == index), None)
        if place is None:
            what = f"request {index} of replica {number}, which was not offered"
            raise RouterFailureError("invalid-choice", f"the scheduler's process names {what}")
        return place


def introduce(
    link: Link, scheduler: str, cluster: Cluster, limits: Limits, seed: int, hook: str
) -> None:
    """Tell the other process what to run, and wait until it has started up.

    Raises:
        OpenGliaError: it has not. None of its code has run by then.
    """
    told = {"scheduler": scheduler, "cluster": asdict(cluster), "limits": asdict(limits)}
    try:
        link.send(json.dumps({**told, "seed": seed, "hook": hook}).encode())
        if link.receive(len(UP)) == UP:
            return
    except BrokenLinkError:
        pass
    raise OpenGliaError("the candidate's process did not start; see openglia doctor")


def _raise(told: bytes) -> NoReturn:
    """Raise the failure of which the other process told, whatever it told."""
    found = Failure.decoded(told) or Failure(rule="crash", reason="a failure without a reason")
    rule: Rule = found.rule if found.rule in get_args(Rule) else "crash"  # type: ignore[assignment]
    raise RouterFailureError(rule, found.reason, found.detail)
