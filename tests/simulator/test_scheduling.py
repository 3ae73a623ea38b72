"""A scheduler inside the replicas: the default equals none at all, and what happens to bad ones."""

import json
import os
import random
import socket
import threading
import zlib
from contextlib import contextmanager, suppress
from dataclasses import replace

import numpy as np
import pytest
from vidur_cases import CAP, FIELDS, RECORDINGS, cluster, random_case, recorded_case

from openglia import paths
from openglia.problems.routing.benchmark.definition import Limits
from openglia.problems.routing.benchmark.trace import Trace
from openglia.problems.routing.hardware.tables import Tables
from openglia.problems.routing.hooks import REPLICA_SCHEDULER, policy_file
from openglia.problems.routing.simulator import host, interface, wire
from openglia.problems.routing.simulator.engine import simulate, simulate_calling
from openglia.problems.routing.simulator.failures import RouterFailureError
from openglia.problems.routing.simulator.following import SchedulersFollower
from openglia.problems.routing.simulator.loading import resolve_policy, vidur_modules
from openglia.problems.routing.simulator.policy import ReplicaPolicy
from openglia.problems.routing.simulator.remote import RemoteSchedulers
from openglia.problems.routing.simulator.routers import LlqRouter
from openglia.problems.routing.simulator.scheduled import SchedulersHere
from openglia.problems.routing.simulator.scheduling import Schedulers
from openglia.problems.routing.simulator.timing import ExecutionTimes

STUB = paths.ENVIRONMENT / "stubs" / "ai_replica_scheduler_stub.py"
BUILTINS = [f"builtin:{name}" for name in REPLICA_SCHEDULER.builtins if name != "fcfs"]


def scheduled(make, cluster, trace, times, **options):
    """The simulation under LLQ with the scheduler ``make`` in each replica."""
    calls = SchedulersHere(cluster, make, len(trace), options.pop("limits", None))
    return simulate_calling(calls, cluster, trace, times, options.pop("resolution", None))


@pytest.fixture(scope="module")
def tables():
    with np.load(RECORDINGS / "tables.npz") as archive:
        return Tables({name: memoryview(array) for name, array in archive.items()})


@pytest.fixture(scope="module")
def stub():
    with vidur_modules():
        return resolve_policy(str(STUB))


INDEX = json.loads((RECORDINGS / "cases.json").read_text())["cases"]
LLQ = [
    entry
    for entry in INDEX
    if (entry["router"], entry["error"]) == ("llq", None) and "sarathi" in entry["name"]
]


@pytest.mark.parametrize("entry", LLQ, ids=lambda entry: entry["name"])
def test_the_default_repeats_vidurs_recorded_results(entry, tables, stub):
    with np.load(RECORDINGS / "results.npz") as results:
        case = recorded_case(entry, results)
        expected = {field: results[f"{case.name}/{field}"].tolist() for field in FIELDS}
    times = ExecutionTimes.of(case.cluster, tables, "recorded")
    found = scheduled(stub, case.cluster, case.trace, times)
    assert {field: getattr(found.records, field) for field in FIELDS} == expected
    assert found.end_time == entry["end_time"]


def test_the_default_equals_an_engine_without_it_in_all_that_it_tells(tables):
    """Little memory, chunks smaller than the decodes, ties, samples of the replicas too."""
    asked = restarts = 0
    for number in range(60):
        case = random_case(number, 15)
        if case.cluster.replica_scheduler.type != "sarathi":
            continue
        times = ExecutionTimes.of(case.cluster, tables, "recorded")
        alone = simulate(case.cluster, case.trace, LlqRouter, times, resolution=0.25)
        hooked = scheduled(ReplicaPolicy, case.cluster, case.trace, times, resolution=0.25)
        assert hooked.records.columns() == alone.records.columns(), case
        assert hooked.samples.rows == alone.samples.rows
        assert (hooked.end_time, hooked.kv_use_mean) == (alone.end_time, alone.kv_use_mean)
        asked += hooked.router_calls
        restarts += sum(alone.records.num_restarts)
    assert min(asked, restarts) > 1000


@pytest.mark.parametrize("name", BUILTINS)
def test_a_built_in_one_does_what_its_name_says(name, times):
    with vidur_modules():
        policy = resolve_policy(name)
    random.seed(0)
    prompts = [40, 200, 10, 90, 90, 300]
    # The first fills the batch, so that the others wait for the same admission.
    trace = Trace([0.0, *[0.001] * 6], [500, *prompts], [5] * 7)
    narrow = replace(CLUSTER.replica_scheduler, chunk_size=512, num_blocks=400)
    records = scheduled(policy, cluster(narrow, 1), trace, times).records
    first = sorted(range(1, 7), key=lambda index: (records.first_token_at[index], index))
    by_prompt = sorted(range(1, 7), key=lambda index: trace.num_prefill_tokens[index])
    at = [records.first_token_at[index] for index in by_prompt]
    if name == "builtin:shortest_prompt":
        assert at == sorted(at)
    elif name == "builtin:longest_prompt":
        assert at == sorted(at, reverse=True)
    else:
        assert sorted(first) == [1, 2, 3, 4, 5, 6]
    assert all(records.completed_at)


CLUSTER = cluster(
    replace(random_case(0, 1).cluster.replica_scheduler, type="sarathi", chunk_size=512), 1
)
STARVED = replace(
    CLUSTER,
    replicas=2,
    replica_scheduler=replace(
        CLUSTER.replica_scheduler, num_blocks=60, max_tokens_in_batch=None, batch_size_cap=CAP
    ),
)
BUSY = Trace([0.05 * number for number in range(40)], [60] * 40, [80 + n for n in range(40)])


@pytest.fixture(scope="module")
def times(tables):
    return ExecutionTimes.of(CLUSTER, tables, "recorded")


def test_the_victim_is_whom_it_names_and_waits_first(times):
    evicted, offered = [], []

    class Oldest(ReplicaPolicy):
        def evict(self, running):
            evicted.append(running[0])
            return running[0]

        def admit(self, waiting):
            if evicted:
                offered.append(waiting[0] is evicted[-1])
                evicted.clear()
            return waiting[0]

    records = scheduled(Oldest, STARVED, BUSY, times).records
    assert sum(records.num_restarts) > 5
    assert offered
    assert all(offered)


def test_who_admits_nobody_is_asked_again_when_something_has_happened(times):
    """At arrivals, completions and evictions there, and not at each batch."""
    calls = []

    class Patient(ReplicaPolicy):
        def admit(self, waiting):
            state = (len(waiting), self.replica.num_active_requests)
            calls.append((self.replica.replica_id, state))
            return None if self.replica.num_active_requests else waiting[0]

    found = scheduled(Patient, STARVED, BUSY, times)
    assert all(found.records.completed_at)
    assert max(active for _, (_, active) in calls) == 1
    # One to admit each request, and one that it refuses for each arrival and completion at most.
    assert len(calls) <= 3 * len(BUSY)


def test_it_sees_its_own_replica_as_it_is(times):
    class Checking(ReplicaPolicy):
        def look(self, waiting=None, running=None):
            view = self.replica
            assert sum(view._allocation_map.values()) == view.num_allocated_blocks
            assert view.num_pending_requests == len(view.pending_queue)
            assert view.num_active_requests == len(view.active_queue)
            assert waiting in (None, view.pending_queue)
            assert running is None or set(running) == set(view.active_queue)
            return view.num_blocks - view.num_allocated_blocks

        def admit(self, waiting):
            free = self.look(waiting)
            assert self.fits(waiting[-1]) == (
                free - -(-waiting[-1].num_prefill_tokens // 16) >= self.replica._watermark_blocks
            )
            return waiting[-1]

        def evict(self, running):
            seen.append(self.look(running=running))
            assert all(request.scheduled for request in running)
            return running[len(running) // 2]

    seen = []
    assert all(scheduled(Checking, STARVED, BUSY, times).records.completed_at)
    assert len(seen) > 5


def test_one_that_writes_into_its_view_draws_no_load(times):
    class Vain(ReplicaPolicy):
        def admit(self, waiting):
            self.replica.num_pending_requests -= 5
            self.replica.num_active_requests = 0
            return waiting[0]

    found = scheduled(Vain, STARVED, BUSY, times)
    alone = simulate(STARVED, BUSY, LlqRouter, times)
    assert found.records.columns() == alone.records.columns()


ADMIT, EVICT = "admit(self, offered)", "evict(self, offered)"


def failing(body, method=ADMIT):
    namespace = {"ReplicaPolicy": ReplicaPolicy}
    exec(f"class Bad(ReplicaPolicy):\n    def {method}:\n        {body}", namespace)
    return namespace["Bad"]


@pytest.mark.parametrize(
    ("body", "method", "rule", "words"),
    [
        ("return self", ADMIT, "invalid-choice", "an object of type Bad"),
        ("return None", EVICT, "invalid-choice", "evict() of replica"),
        (
            "view = self.replica; return (*view.active_queue, *offered)[0]",
            ADMIT,
            "invalid-choice",
            "which it was not offered; it returns one of the requests that it is given, or None",
        ),
        ("1 / 0", ADMIT, "exception", "admit() raised ZeroDivisionError"),
        ("1 / 0", "__init__(self, replica)", "exception", "the scheduler's constructor raised"),
        ("offered[0].num_decode_tokens", EVICT, "oracle", "num_decode_tokens"),
        ("self.replica.speed", ADMIT, "interface", "no attribute 'speed'"),
        ("return None", ADMIT, "never-completed", "that never admitted them"),
        ("self.replica._waiting.clear(); return offered[0]", ADMIT, "interface", "changed the"),
    ],
)
def test_bad_ones_fail_with_their_rule(body, method, rule, words, times):
    with pytest.raises(RouterFailureError) as caught:
        scheduled(failing(body, method), STARVED, BUSY, times)
    assert caught.value.rule == rule
    assert words in caught.value.reason


def test_its_time_per_call_is_limited(times):
    slow = failing("import time; time.sleep(0.002); return offered[0]")
    with pytest.raises(RouterFailureError, match=r"the scheduler took .* ms per call") as caught:
        scheduled(slow, STARVED, BUSY, times, limits=Limits(router_call_mean_ms=1.0))
    assert caught.value.rule == "router-too-slow"
    assert json.dumps(caught.value.reason)


def test_the_builtin_files_are_those_that_are_named():
    files = {path.stem for path in policy_file("builtin:random").parent.glob("*.py")}
    assert files | {"fcfs"} == set(REPLICA_SCHEDULER.builtins)


def everything(policy, offered):
    """A number that depends on all that a scheduler can read, and on its order."""
    view = policy.replica
    seen = [
        (name, getattr(request, name))
        for queue in (offered, view.pending_queue, view.active_queue, policy.known[-5:])
        for request in queue
        for name in sorted(interface.offered(interface.Request))
    ]
    seen += [(name, getattr(view, name)) for name in ("num_allocated_blocks", "replica_id")]
    seen += [dict(view._allocation_map), view.num_pending_requests, view.num_active_requests]
    return zlib.crc32(repr(seen).encode()) ^ random.getrandbits(32)


class Watching(ReplicaPolicy):
    """Decides by everything that it sees; at times admits nobody; marks requests."""

    def __init__(self, replica):
        super().__init__(replica)
        self.known = []

    def admit(self, waiting):
        drawn = everything(self, waiting)
        chosen = waiting[drawn % len(waiting)]
        if drawn % 5 == 0 and self.replica.num_active_requests:
            return None
        if not hasattr(chosen, "mark"):
            chosen.mark = drawn
            self.known.append(chosen)
        return chosen

    def evict(self, running):
        assert all(request in self.known for request in running)
        return running[(everything(self, running) + running[0].mark) % len(running)]


@contextmanager
def serving(make, cluster):
    """The end of a connection behind which there are schedulers, here in a thread."""
    here, there = socket.socketpair()

    def serve():
        link = wire.Link(there.detach())
        link.receive(0)
        random.seed(7)
        with suppress(wire.BrokenLinkError):
            host.serve(link, SchedulersFollower(Schedulers(cluster, make, 0, None)))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield wire.Link(os.dup(here.fileno()))
    finally:
        here.shutdown(socket.SHUT_RDWR)
        here.close()
        thread.join()


def isolated(make, cluster, trace, times):
    with serving(make, cluster) as link:
        calls = RemoteSchedulers(cluster, link, len(trace), None)
        return simulate_calling(calls, cluster, trace, times, None)


@pytest.mark.parametrize("make", [Watching, ReplicaPolicy])
def test_in_another_process_it_sees_and_does_the_same(make, tables, times):
    draw = random.Random(1)
    restarts = 0
    for _ in range(4):
        arrived_at = sorted(draw.choice([0.0, 0.5, 0.5, draw.random()]) for _ in range(25))
        prompts, outputs = ([draw.randint(1, most) for _ in arrived_at] for most in (300, 200))
        trace = Trace(arrived_at, prompts, outputs)
        random.seed(7)
        alone = scheduled(make, STARVED, trace, times)
        apart = isolated(make, STARVED, trace, times)
        assert apart.records.columns() == alone.records.columns()
        assert apart.router_calls == alone.router_calls
        restarts += sum(alone.records.num_restarts)
    assert restarts > 10


@pytest.mark.parametrize(
    ("answer", "rule", "words"),
    [
        (wire.PLACED + wire.PLACEMENT.pack(0, 5), "invalid-choice", "names request 5 of replica"),
        (wire.PLACED + 2 * wire.PLACEMENT.pack(0, 0), "crash", "does not answer what"),
        (wire.PLACED + b"x", "crash", "no list of placements"),
        (wire.PLACED, "never-completed", "that never admitted them"),
        (wire.FAILED + b"{}", "crash", "without a reason"),
    ],
)
def test_whatever_its_process_answers_is_judged(answer, rule, words, times):
    here, there = socket.socketpair()

    def serve():
        link = wire.Link(there.detach())
        link.receive(0)
        link.send(wire.READY)
        with suppress(wire.BrokenLinkError):
            while True:
                link.receive(1 << 20)
                link.send(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    link = wire.Link(here.detach())
    try:
        calls = RemoteSchedulers(STARVED, link, len(BUSY), None)
        with pytest.raises(RouterFailureError) as caught:
            simulate_calling(calls, STARVED, BUSY, times, None)
    finally:
        link._socket.close()
        thread.join()
    assert caught.value.rule == rule
    assert words in caught.value.reason
