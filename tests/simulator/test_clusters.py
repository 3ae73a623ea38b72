"""Clusters that Vidur does not simulate: unequal replicas, old signals, failures."""

import random
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_isolated import Watching, both
from test_properties import SCHEDULERS, Checked, assigning, cluster, requests, trace_of

from openglia.problems.routing.benchmark.definition import Group, Outage, Signals
from openglia.problems.routing.benchmark.trace import Trace
from openglia.problems.routing.simulator.delayed import calls_of
from openglia.problems.routing.simulator.engine import simulate
from openglia.problems.routing.simulator.interface import BaseGlobalScheduler
from openglia.problems.routing.simulator.routers import ROUTERS, LlqRouter, RoundRobinRouter
from openglia.problems.routing.simulator.timing import ExecutionTimes

SARATHI, VLLM = SCHEDULERS
GROUPS = (Group(replicas=1, gpu="A10", num_blocks=40), Group(replicas=1, gpu="H100", num_blocks=70))
OUTAGES = (
    Outage(replica=0, at=1.0, duration=0.8),
    Outage(replica=1, at=1.5, duration=2.0),
    Outage(replica=0, at=3.0, duration=0.5),
)
PARTS = {
    "groups": {"groups": GROUPS},
    "signals": {"signals": Signals(delay=0.7)},
    "signals-own": {"signals": Signals(delay=0.7, own_placements=False)},
    "failures": {"failures": OUTAGES},
    "all": {"groups": GROUPS, "signals": Signals(delay=0.3), "failures": OUTAGES},
}


def alone(times, prompt: int, output: int, start: float, processed: int = 0) -> list[float]:
    """When the batches of a request end that has a replica to itself; chunks hold its prompt."""
    ends = [start + times.seconds(prompt, 0, 0, [(0, prompt)])]
    for tokens in range(prompt + 1, prompt + output - processed):
        ends.append(ends[-1] + times.seconds(1, 1, tokens, []))
    return ends


def test_each_replica_is_as_fast_and_as_large_as_its_group_says():
    setting = replace(cluster(SARATHI), groups=GROUPS)
    times = ExecutionTimes.analytic(setting)
    seen = []

    class Reading(assigning([0, 1])):
        def schedule(self):
            views = self._replica_schedulers.values()
            seen.append([(v.num_blocks, v._config.num_blocks, v._watermark_blocks) for v in views])
            return super().schedule()

    found = simulate(setting, Trace([0.0, 0.5], [50, 50], [20, 20]), Reading, times)
    for number, gpu in enumerate(("A10", "H100")):
        of_gpu = ExecutionTimes.analytic(replace(cluster(SARATHI), gpu=gpu))
        expected = alone(of_gpu, 50, 20, 0.5 * number)[-1]
        assert found.records.completed_at[number] == pytest.approx(expected, abs=1e-12)
        assert of_gpu.source in found.execution_times
    assert seen[0] == [(40, 40, 0), (70, 70, 0)]
    assert found.kv_use_mean == pytest.approx(
        sum(blocks_held(found, number) for number in (0, 1)) / (110 * found.end_time), rel=0.05
    )


def blocks_held(found, number) -> float:
    """Block seconds of a request of 50 and 20 tokens, by hand: 4 blocks, later 5."""
    records = found.records
    return 4.4 * (records.completed_at[number] - records.arrived_at[number])


@pytest.mark.parametrize("policy", SCHEDULERS, ids=lambda policy: policy.type)
def test_a_request_loses_its_cache_with_its_replica_and_goes_on_elsewhere(policy):
    setting = replace(cluster(policy), failures=(Outage(replica=0, at=0.3, duration=9.0),))
    times = ExecutionTimes.analytic(setting)
    seen = []

    class Seeing(BaseGlobalScheduler):
        def schedule(self):
            placed, self._request_queue = self._request_queue, []
            for request in placed:
                views = self._replica_schedulers.values()
                failed = [view.failed for view in views]
                seen.append((failed, request.num_prefill_tokens, request.num_restarts))
            return [(int(failed[0]), request) for request in placed]

    found = simulate(setting, Trace([0.0], [40], [60]), Seeing, times)
    records = found.records
    before = [end for end in alone(times, 40, 60, 0.0) if end < 0.3]
    assert 2 < len(before) < 59
    processed = 40 + len(before)  # one token with the prefill, one with each batch after it
    after = alone(times, processed, 60, 0.3, processed=len(before))
    assert records.completed_at[0] == pytest.approx(after[-1], abs=1e-12)
    assert (records.num_restarts, records.replica_id, records.routed_at) == ([1], [1], [0.0])
    assert records.first_token_at[0] == pytest.approx(before[0], abs=1e-12)
    assert seen == [([False, False], 40, 0), ([True, False], processed, 1)]
    # Blocks times seconds: the batch under way counts until the failure, what follows elsewhere.
    starts, ends = [0.0, *before, 0.3, *after[:-1]], [*before, 0.3, *after]
    tokens = [40, *range(41, processed + 1), processed, *range(processed + 1, 100)]
    held = [-(-count // 16) * (b - a) for count, a, b in zip(tokens, starts, ends, strict=True)]
    assert found.kv_use_mean == pytest.approx(sum(held) / (80 * after[-1]), rel=1e-9)


def test_a_failed_replica_keeps_what_is_placed_on_it_until_it_is_back():
    """Half of a prompt is lost altogether; who only waited there counts no restart."""
    one = replace(
        cluster(replace(SARATHI, num_blocks=22, chunk_size=64), 1),
        max_tokens=300,
        failures=(Outage(replica=0, at=0.05, duration=1.0),),
    )
    times = ExecutionTimes.analytic(one)
    assert 0.03 < times.seconds(64, 0, 0, [(0, 64)]) < 0.05  # one chunk is done
    records = simulate(one, Trace([0.0, 0.01], [200, 200], [2, 2]), LlqRouter, times).records
    chunks = [(0, 64), (64, 64), (128, 64), (192, 8)]
    done = 1.05 + sum(times.seconds(chunk, 0, 0, [(old, chunk)]) for old, chunk in chunks)
    assert records.first_token_at[0] == pytest.approx(done, abs=1e-12)
    assert records.num_restarts == [1, 0]
    assert records.scheduled_at[0] == 0.0
    assert records.scheduled_at[1] > 1.05


@pytest.mark.parametrize(
    ("own", "targets"), [(True, [0, 1, 0, 1, 0, 1]), (False, [0, 0, 0, 0, 1, 1])]
)
def test_llq_goes_by_what_it_saw_last(own, targets):
    """Four arrive before the refresh at 0.5 s, two after it; none completes so soon."""
    signals = Signals(delay=0.5, own_placements=own)
    setting = replace(cluster(replace(SARATHI, num_blocks=400)), signals=signals)
    trace = Trace([0.1, 0.2, 0.3, 0.4, 0.6, 0.7], [20] * 6, [200] * 6)
    found = simulate(setting, trace, LlqRouter, ExecutionTimes.analytic(setting)).records
    assert min(found.completed_at) > 0.7
    assert found.replica_id == targets


@pytest.mark.parametrize("delay", [0.25, 2.0])
def test_what_a_router_sees_is_the_sample_of_that_time(delay):
    """Round robin goes by nothing, so that it does the same in both simulations."""
    draw = random.Random(3)
    rows = [(draw.random() * 4, draw.randint(1, 300), draw.randint(1, 200)) for _ in range(40)]
    trace = Trace(*map(list, zip(*sorted(rows), strict=True)))
    seen = []

    class Looking(RoundRobinRouter):
        def add_request(self, request):
            super().add_request(request)
            for view in self._replica_schedulers.values():
                state = (view.num_allocated_blocks, view.num_active_requests)
                assert view.num_allocated_blocks == sum(view._allocation_map.values())
                at = request.arrived_at // delay * delay
                seen.append((at, view.replica_id, *state, view.num_pending_requests))

    times = ExecutionTimes.analytic(cluster(SARATHI))
    plain = simulate(cluster(SARATHI), trace, RoundRobinRouter, times, resolution=delay)
    setting = replace(cluster(SARATHI), signals=Signals(delay=delay, own_placements=False))
    late = simulate(setting, trace, Looking, times)
    assert late.records.completed_at == plain.records.completed_at
    samples = {(row[0], row[1]): (row[2], row[4], row[5]) for row in plain.samples.rows}
    assert len(seen) == 80
    for at, number, *state in seen:
        assert samples[at, number] == tuple(state)


def test_a_router_that_holds_back_is_called_at_refreshes():
    """It places one request at a time, where it sees nothing; nothing arrives later."""

    class Careful(BaseGlobalScheduler):
        def schedule(self):
            if not self._request_queue or not self.is_quiet():
                return []
            return [(0, self._request_queue.pop(0))]

        def is_quiet(self):
            return all(view.is_empty() for view in self._replica_schedulers.values())

    setting = replace(cluster(SARATHI), signals=Signals(delay=5.0))
    times = ExecutionTimes.analytic(setting)
    records = simulate(setting, Trace([1.0, 1.0, 1.0], [20] * 3, [5] * 3), Careful, times).records
    assert records.routed_at == [1.0, 5.0, 10.0]


def test_a_router_of_old_signals_is_called_when_there_is_news_for_it():
    """At the arrivals and at one refresh: not at a completion, nor while nothing happens."""
    setting = replace(cluster(SARATHI), signals=Signals(delay=0.5))
    times = ExecutionTimes.analytic(setting)
    found = simulate(setting, Trace([0.1, 5.0], [20, 20], [2, 2]), LlqRouter, times)
    assert found.records.completed_at[0] < 0.5
    assert found.router_calls == 3
    assert found.end_time == found.records.completed_at[1]


@settings(max_examples=50, deadline=None)
@given(
    requests,
    st.sampled_from(SCHEDULERS),
    st.sampled_from(sorted(PARTS)),
    st.sampled_from(sorted(ROUTERS)),
)
def test_the_books_balance_and_every_request_ends(rows, policy, part, name):
    trace = trace_of(rows)
    random.seed(0)
    setting = replace(cluster(policy), **PARTS[part])
    calls = calls_of(setting, ROUTERS[name], len(trace), None)
    engine = Balanced(calls, setting, trace, ExecutionTimes.analytic(setting))
    engine.run()
    records = engine.records
    assert records.completed == len(trace)
    for replica in engine.replicas:
        assert (replica.allocated, replica.offset_sum, sum(replica.crossings)) == (0, 0, 0)
        assert not replica.running
        assert not replica.queue
        assert replica.block_seconds >= 0
    assert records.num_decode_tokens == trace.num_decode_tokens
    assert records.num_prefill_tokens == trace.num_prefill_tokens
    columns = (records.arrived_at, records.routed_at, records.scheduled_at)
    for times in zip(*columns, records.first_token_at, records.completed_at, strict=True):
        assert all(earlier <= later for earlier, later in pairwise(times))


class Balanced(Checked):
    """The books of views that the engine writes to, whoever sees them."""

    def call_router(self, now):
        super().call_router(now)
        for replica in self.replicas:
            assert replica.view.failed == (replica.busy and not self.is_under_way(replica))
            if replica.view.failed:
                assert (replica.allocated, len(replica.running)) == (0, 0)
                assert len(replica.finishing) == 1  # else one that decodes elsewhere ends here

    def is_under_way(self, replica):
        return any(entry[2] is replica and entry[0] < float("inf") for entry in self.ends)


@pytest.mark.parametrize("policy", SCHEDULERS, ids=lambda policy: policy.type)
@pytest.mark.parametrize("name", sorted(ROUTERS))
def test_equal_groups_and_a_failure_after_the_end_are_a_plain_cluster(name, policy):
    draw = random.Random(5)
    trace = trace_of(
        [(draw.randint(0, 300), draw.randint(1, 300), draw.randint(1, 200)) for _ in range(60)]
    )
    plain = cluster(policy)
    times = ExecutionTimes.analytic(plain)
    random.seed(0)
    expected = simulate(plain, trace, ROUTERS[name], times)
    equal = replace(plain, groups=(Group(replicas=1, gpu="A10", num_blocks=40),) * 2)
    late = replace(plain, failures=(Outage(replica=0, at=1e6, duration=1.0),))
    for other in (equal, late):
        random.seed(0)
        found = simulate(other, trace, ROUTERS[name], ExecutionTimes.analytic(other))
        assert found.records.columns() == expected.records.columns()
        assert (found.end_time, found.kv_use_mean) == (expected.end_time, expected.kv_use_mean)
        assert found.router_calls == expected.router_calls


@pytest.mark.parametrize("policy", SCHEDULERS, ids=lambda policy: policy.type)
@pytest.mark.parametrize("part", sorted(PARTS))
def test_an_isolated_router_sees_and_does_the_same(part, policy):
    """Arrivals at one instant, with failures and with refreshes; little memory, many evictions."""
    setting = replace(cluster(policy), **PARTS[part])
    times = ExecutionTimes.analytic(setting)
    draw = random.Random(1)
    arrived_at = sorted(draw.choice([0.7, 1.0, 1.5, draw.random() * 4]) for _ in range(25))
    prompts = [draw.randint(1, 300) for _ in arrived_at]
    outputs = [draw.randint(1, 200) for _ in arrived_at]
    beside, apart = both(Watching, setting, Trace(arrived_at, prompts, outputs), times)
    assert beside == apart
    assert sum(beside[4])
