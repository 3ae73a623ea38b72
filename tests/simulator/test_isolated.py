"""A router in a process of its own: the same placements, to the bit, and nothing it could use."""

import os
import random
import socket
import threading
import zlib
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from openglia import paths
from openglia.problems.routing.benchmark.definition import Limits
from openglia.problems.routing.benchmark.loading import load_benchmark
from openglia.problems.routing.benchmark.trace import Trace
from openglia.problems.routing.benchmark.workload import generate
from openglia.problems.routing.evaluation import measuring
from openglia.problems.routing.reference import reproduce
from openglia.problems.routing.simulator import host, interface, wire
from openglia.problems.routing.simulator.dispatch import Dispatcher
from openglia.problems.routing.simulator.engine import simulate, simulate_calling
from openglia.problems.routing.simulator.failures import RouterFailureError
from openglia.problems.routing.simulator.following import Follower
from openglia.problems.routing.simulator.loading import load_router, vidur_modules
from openglia.problems.routing.simulator.remote import RemoteRouter
from openglia.problems.routing.simulator.routers import ROUTERS
from openglia.problems.routing.simulator.timing import ExecutionTimes

SMOKE = replace(load_benchmark("smoke"), duration=10.0)
SCHEDULERS = {
    "sarathi": SMOKE.cluster.replica_scheduler,
    "vllm": replace(
        SMOKE.cluster.replica_scheduler,
        type="vllm",
        chunk_size=None,
        max_tokens_in_batch=8192,
    ),
}
FILES = [
    paths.STUB,
    *sorted((Path(reproduce.__file__).parent / "routers").glob("*.py")),
    Path(__file__).parent / "routers" / "reorder.py",
]


def everything(router) -> int:
    """A number that depends on all that a router can read, and on its order."""
    seen = [
        (name, getattr(request, name))
        for queue in (
            router._request_queue,
            *(view.pending_queue for view in router._replica_schedulers.values()),
            *(view.active_queue for view in router._replica_schedulers.values()),
            router.completed,
        )
        for request in queue
        for name in sorted(interface.offered(interface.Request))
    ]
    for view in router._replica_schedulers.values():
        seen += [
            (name, getattr(view, name))
            for name in ("num_allocated_blocks", "num_active_requests", "num_pending_requests")
        ]
        seen += [dict(view._allocation_map), view.is_empty(), view.memory_usage_percent]
    return zlib.crc32(repr(seen).encode())


class Watching(interface.BaseGlobalScheduler):
    """Places by everything that it sees, at arrivals too; holds some back; knows its requests."""

    def __init__(self, config, replicas):
        super().__init__(config, replicas)
        self.completed, self.known = [], {}

    def add_request(self, request):
        super().add_request(request)
        request.mark = everything(self)
        self.known[request.id] = request

    def schedule(self):
        for view in self._replica_schedulers.values():
            assert all(self.known[r.id] is r for r in (*view.pending_queue, *view.active_queue))
        self.completed = [request for request in self.known.values() if request.completed][-3:]
        drawn = everything(self) ^ random.getrandbits(32)
        queue, self._request_queue = self._request_queue, []
        if drawn % 4 == 0 and any(
            not view.is_empty() for view in self._replica_schedulers.values()
        ):
            self._request_queue = queue
            return []
        return [((drawn + request.mark) % self._num_replicas, request) for request in queue]


@contextmanager
def serving(make_router, cluster, seed=0):
    """The end of a connection behind which there is a router, for the test's sake in a thread."""
    here, there = socket.socketpair()

    def serve():
        link = wire.Link(there.detach())
        link.receive(0)
        random.seed(seed)
        with suppress(wire.BrokenLinkError):
            host.serve(link, Follower(Dispatcher(cluster, make_router, 0, None)))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield wire.Link(os.dup(here.fileno()))
    finally:
        here.shutdown(socket.SHUT_RDWR)
        here.close()
        thread.join()


def both(make_router, cluster, trace, times, seed=0):
    """All columns of the results, and the same of an isolated router."""
    random.seed(seed)
    alone = simulate(cluster, trace, make_router, times)
    with serving(make_router, cluster, seed) as link:
        calls = RemoteRouter(cluster, link, len(trace), None)
        isolated = simulate_calling(calls, cluster, trace, times, None)
    assert isolated.router_calls == alone.router_calls
    return alone.records.columns(), isolated.records.columns()


@pytest.fixture(scope="module")
def routers():
    with vidur_modules():
        return ROUTERS | {path.stem: load_router(path) for path in FILES}


@pytest.mark.parametrize("policy", SCHEDULERS)
@pytest.mark.parametrize("name", [*ROUTERS, *(path.stem for path in FILES)])
def test_results_are_equal_to_the_bit(routers, name, policy):
    cluster = replace(SMOKE.cluster, replica_scheduler=SCHEDULERS[policy])
    times = ExecutionTimes.analytic(cluster)
    for seed in (0, 30109):
        alone, isolated = both(routers[name], cluster, generate(SMOKE, seed), times, seed)
        assert alone == isolated


@pytest.mark.parametrize("policy", SCHEDULERS)
def test_views_are_equal_where_events_coincide(policy):
    """Arrivals at one instant and at the ends of batches, little memory, many evictions."""
    scheduler = replace(SCHEDULERS[policy], num_blocks=40, batch_size_cap=8)
    cluster = replace(SMOKE.cluster, replicas=2, max_tokens=512, replica_scheduler=scheduler)
    times = ExecutionTimes.analytic(cluster)
    draw = random.Random(1)
    evicted = 0
    for seed in range(4):
        arrived_at = sorted(draw.choice([0.0, 0.5, 0.5, draw.random()]) for _ in range(25))
        prompts = [draw.randint(1, 300) for _ in arrived_at]
        outputs = [draw.randint(1, 200) for _ in arrived_at]
        alone, isolated = both(Watching, cluster, Trace(arrived_at, prompts, outputs), times, seed)
        assert alone == isolated
        evicted += sum(alone[4])
    assert evicted


NUMPY = """\
import random
import numpy as np
from vidur.entities import Request
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler

class AIGlobalScheduler(BaseGlobalScheduler):
    def __init__(self, config, replicas):
        super().__init__(config, replicas)
        self._sum = np.zeros(self._num_replicas)

    def add_request(self, request):
        super().add_request(request)
        assert isinstance(request, Request)
        request.jitter = np.random.random() + random.random()

    def schedule(self):
        placements = []
        for request in self._request_queue:
            target = int(np.argmin(self._sum + request.jitter * np.random.random(len(self._sum))))
            self._sum[target] += request.num_prefill_tokens
            placements.append((target, request))
        self._request_queue.clear()
        return placements
"""


def measured(tmp_path, source, benchmark=SMOKE, **how):
    path = tmp_path / "router.py"
    path.write_text(source)
    return measuring.measure(str(path), benchmark, **how)


def test_a_measurement_behind_the_fence_is_equal_and_leaves_the_same_folder(tmp_path):
    """With more seeds than processes; NumPy's global generator and Python's, state, attributes."""
    short = replace(SMOKE, duration=1.5)
    few = {"seeds": (0, 1), "jobs": 1}
    folders = {isolated: tmp_path / str(isolated) for isolated in (False, True)}
    for isolated, folder in folders.items():
        done = measured(tmp_path, NUMPY, short, isolated=isolated, output_dir=folder, **few)
        assert done.ok, done.failure
    names = [sorted(path.relative_to(f) for path in f.rglob("*.*")) for f in folders.values()]
    assert set(names[0]) - {Path("router.log")} == set(names[1]) - {Path("router.log")}
    for seed in (0, 1):
        alone, isolated = (f / f"seed_{seed}" / "requests.bin" for f in folders.values())
        assert alone.read_bytes() == isolated.read_bytes()


ONE = """\
import os, random, signal, sys, time
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler

class AIGlobalScheduler(BaseGlobalScheduler):
    def schedule(self):
        {body}
        queue, self._request_queue = self._request_queue, []
        return [(0, request) for request in queue]
"""
LIMITS = Limits(router_call_seconds=0.5, memory_mb=512)


@pytest.mark.parametrize(
    ("body", "rule", "words"),
    [
        ("1 / 0", "exception", "schedule() raised ZeroDivisionError: division by zero (router.py"),
        ("return [(0, self._request_queue[0]), 'x']", "invalid-placement", "list of pairs"),
        ("self._request_queue[0].num_decode_tokens", "oracle", "num_decode_tokens"),
        ("while True: pass", "timeout", "single call of the router took longer than 0.5 s"),
        ("os._exit(0)", "crash", "has closed the connection"),
        ("big = bytearray(3 << 30)", "memory", "MemoryError"),
    ],
)
def test_a_failure_is_told_with_its_rule(tmp_path, monkeypatch, body, rule, words):
    """In the words of a router that runs beside the engine, where that is possible."""
    monkeypatch.setattr(measuring, "broken_rule", lambda *_: None)
    benchmark = replace(SMOKE, duration=0.5, limits=LIMITS)
    source = ONE.format(body=body)
    failure = measured(tmp_path, source, benchmark, seeds=(0,), isolated=True).failure
    assert (failure.rule, failure.seed) == (rule, 0)
    assert words in failure.reason


def cluster_and_trace():
    return SMOKE.cluster, generate(replace(SMOKE, duration=2.0), 0)


def answering(answer):
    """The failure of a simulation whose router's process answers calls like this."""
    cluster, trace = cluster_and_trace()
    here, there = socket.socketpair()

    def serve():
        link = wire.Link(there.detach())
        link.receive(0)
        link.send(wire.READY)
        link.receive(1 << 20)
        answer(link._socket)

    thread = threading.Thread(target=serve)
    thread.start()
    link = wire.Link(here.detach())
    try:
        calls = RemoteRouter(cluster, link, len(trace), None)
        with pytest.raises(RouterFailureError) as caught:
            simulate_calling(calls, cluster, trace, ExecutionTimes.analytic(cluster), None)
    finally:
        link._socket.close()
        thread.join()
    return caught.value.rule, caught.value.reason


def message(content):
    return len(content).to_bytes(4, "little") + content


def placed(*pairs):
    return message(wire.PLACED + b"".join(wire.PLACEMENT.pack(*pair) for pair in pairs))


@pytest.mark.parametrize(
    ("sent", "rule", "words"),
    [
        (b"", "crash", "closed the connection"),
        (b"\0", "crash", "closed the connection"),
        (b"\xff\xff\xff\xff", "crash", "it sends 4294967295 bytes where there can be 65536"),
        (message(b"garbage"), "crash", "does not answer what it was asked"),
        (message(b""), "crash", "does not answer"),
        (message(wire.READY), "crash", "does not answer"),
        (message(wire.PLACED + b"x"), "crash", "no list of placements"),
        (placed((0, 0)) + b"x", "crash", "more than an answer"),
        (placed((0, 0), (1, 0)), "crash", "does not answer"),  # more than wait
        (placed((0, 1)), "invalid-placement", "request 1 on replica 0"),
        (placed((4, 0)), "invalid-placement", "request 0 on replica 4"),
        (placed((-1, 0)), "invalid-placement", "request 0 on replica -1"),
        (message(wire.FAILED + b"[" * 9999), "crash", "without a reason"),
        (message(wire.FAILED + b'{"rule": "harness", "reason": "x\\ny"}'), "crash", "x y"),
    ],
)
def test_whatever_the_routers_process_sends_is_judged(sent, rule, words):
    def send(connection):
        connection.sendall(sent)
        connection.close()

    found = answering(send)
    assert found[0] == rule
    assert words in found[1]


def test_a_flood_is_cut_off():
    def flood(connection):
        with connection:
            try:
                while True:
                    connection.sendall(b"\0" * 65536)
            except OSError:
                pass

    assert answering(flood) == (
        "crash",
        "the router's process is of no use any more: it sends more than an answer",
    )
