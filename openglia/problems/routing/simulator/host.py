"""Runs a candidate for an engine in another process: ``python -P -m (this module)``.

Standard input is the connection (``wire.py``). The router gets the objects of ``interface.py``, the
same ones at each call, brought up to date before. No trace and no output length is ever here.
"""

import gc
import json
import marshal
import os
import sys
from typing import NoReturn

from openglia.problems.routing.benchmark.definition import Cluster, Limits
from openglia.problems.routing.exchange import FAILED as STATUS
from openglia.problems.routing.exchange import cluster_of
from openglia.problems.routing.hooks import ROUTER
from openglia.problems.routing.simulator.blame import classify
from openglia.problems.routing.simulator.dispatch import Dispatcher
from openglia.problems.routing.simulator.following import Follower, SchedulersFollower
from openglia.problems.routing.simulator.loading import resolve, resolve_policy, vidur_modules
from openglia.problems.routing.simulator.preparation import limit, load_numpy, seed_randomness
from openglia.problems.routing.simulator.scheduling import Schedulers
from openglia.problems.routing.simulator.wire import (
    FAILED,
    PLACED,
    PLACEMENT,
    READY,
    UP,
    BrokenLinkError,
    Link,
)

_ANY_LENGTH = 1 << 32


def main() -> int:
    """Serve one simulation until the engine leaves or the router fails."""
    link = Link(os.dup(0))
    _detach()
    told = json.loads(link.receive(_ANY_LENGTH))
    cluster, limits = cluster_of(told["cluster"]), Limits(**told["limits"])
    load_numpy(told["scheduler"])
    gc.freeze()
    link.send(UP)
    doing = "prepare"
    try:
        link.receive(0)
        limit(limits.memory_mb)
        seed_randomness(told["seed"])
        with vidur_modules():
            doing = "simulate"
            serve(link, _follower(told["hook"], told["scheduler"], cluster))
    except BrokenLinkError:
        return 0
    except BaseException as error:
        link.send(FAILED + classify(error, doing, limits).encoded())
        return STATUS


def _follower(hook: str, scheduler: str, cluster: Cluster) -> Follower:
    if hook == ROUTER.name:
        return Follower(Dispatcher(cluster, resolve(scheduler), 0, None))
    return SchedulersFollower(Schedulers(cluster, resolve_policy(scheduler), 0, None))


def serve(link: Link, follower: Follower) -> NoReturn:
    """Answer calls until the engine leaves.

    Raises:
        BrokenLinkError: it has left.
        RouterFailureError: the router broke a rule.
    """
    answer = READY
    while True:
        link.send(answer)
        placed = follower.follow(marshal.loads(link.receive(_ANY_LENGTH)))
        answer = PLACED + b"".join([PLACEMENT.pack(*pair) for pair in placed])


def _detach() -> None:
    """What the router prints goes nowhere: it is kept where it is measured in one process."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(null, descriptor)


if __name__ == "__main__":
    sys.exit(main())
