"""What must hold of any simulation, whatever the workload."""

import random
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from openglia.problems.routing.benchmark.definition import Cluster, ReplicaScheduler
from openglia.problems.routing.benchmark.trace import Trace
from openglia.problems.routing.simulator.dispatch import Dispatcher
from openglia.problems.routing.simulator.engine import Engine, simulate
from openglia.problems.routing.simulator.interface import BaseGlobalScheduler
from openglia.problems.routing.simulator.routers import ROUTERS, LlqRouter
from openglia.problems.routing.simulator.timing import ExecutionTimes

CAP = 8
MAX_TOKENS = 512
SCHEDULERS = (
    ReplicaScheduler(type="sarathi", num_blocks=40, batch_size_cap=CAP, chunk_size=64),
    ReplicaScheduler(type="vllm", num_blocks=40, batch_size_cap=CAP, max_tokens_in_batch=512),
)


def cluster(scheduler: ReplicaScheduler, replicas: int = 2) -> Cluster:
    return Cluster(
        replicas=replicas,
        gpu="A10",
        model="Llama-3-8B",
        max_tokens=MAX_TOKENS,
        replica_scheduler=scheduler,
    )


TIMES = {policy.type: ExecutionTimes.analytic(cluster(policy)) for policy in SCHEDULERS}

requests = st.lists(
    st.tuples(st.integers(0, 400), st.integers(1, 300), st.integers(1, 200)),
    min_size=1,
    max_size=40,
)


def trace_of(rows) -> Trace:
    rows = sorted(rows)
    arrived_at = [hundredths / 100 for hundredths, _, _ in rows]  # ties are frequent
    return Trace(arrived_at, [prompt for _, prompt, _ in rows], [output for _, _, output in rows])


def assigning(targets):
    """A router that sends request i to replica targets[i]."""

    class Assigning(BaseGlobalScheduler):
        def schedule(self):
            placed, self._request_queue = self._request_queue, []
            return [(targets[request.id], request) for request in placed]

    return Assigning


class Checked(Engine):
    """Checks the books after each instant."""

    most_blocks = 0

    def _instant(self, now):
        super()._instant(now)
        for replica in self.replicas:
            view = replica.view
            assert 0 <= replica.allocated <= replica.num_blocks
            assert replica.allocated == view.num_allocated_blocks
            assert replica.allocated == sum(view._allocation_map.values())
            assert [job.index for job in replica.queue] == [r.id for r in view.pending_queue]
            assert {job.index for job in replica.running} == set(view._allocation_map)
            assert replica.decodes == sum(job.decoding for job in replica.running)
            assert sum(replica.crossings) == replica.decodes
            assert len(replica.running) <= CAP
            assert replica.busy or not replica.running
            for job in replica.running:
                processed = job.processed + replica.steps if job.decoding else job.processed
                assert job.view.num_processed_tokens == processed < job.total
            self.most_blocks = max(self.most_blocks, replica.allocated)


@settings(max_examples=60, deadline=None)
@given(requests, st.sampled_from(SCHEDULERS), st.sampled_from(sorted(ROUTERS)), st.integers(1, 4))
def test_the_books_balance(rows, policy, name, replicas):
    trace = trace_of(rows)
    random.seed(0)
    setting = cluster(policy, replicas)
    calls = Dispatcher(setting, ROUTERS[name], len(trace), None)
    engine = Checked(calls, setting, trace, TIMES[policy.type])
    engine.run()
    records = engine.records
    assert records.completed == len(trace)  # each once
    for replica in engine.replicas:
        assert replica.allocated == 0
        assert not replica.running
        assert not replica.queue
    # No token is lost: what came out is what was asked for.
    assert records.num_decode_tokens == trace.num_decode_tokens
    assert records.num_prefill_tokens == trace.num_prefill_tokens
    columns = zip(
        records.arrived_at,
        records.routed_at,
        records.scheduled_at,
        records.first_token_at,
        records.completed_at,
        strict=True,
    )
    for arrived, routed, scheduled, first, completed in columns:
        assert arrived <= routed <= scheduled < first <= completed <= engine.now


@settings(max_examples=30, deadline=None)
@given(requests, st.sampled_from(SCHEDULERS))
def test_with_memory_for_all_nobody_restarts(rows, policy):
    roomy = cluster(replace(policy, num_blocks=40 * (MAX_TOKENS // 16 + 2)))
    records = simulate(roomy, trace_of(rows), LlqRouter, TIMES[policy.type]).records
    assert sum(records.num_restarts) == 0


@settings(max_examples=30, deadline=None)
@given(requests, st.sampled_from(SCHEDULERS), st.data())
def test_permuting_replicas_permutes_the_result(rows, policy, data):
    trace = trace_of(rows)
    number = st.integers(0, 2)
    targets = data.draw(st.lists(number, min_size=len(rows), max_size=len(rows)))
    permutation = data.draw(st.permutations(range(3)))
    times = TIMES[policy.type]
    three = cluster(policy, 3)
    first = simulate(three, trace, assigning(targets), times).records
    swapped = [permutation[target] for target in targets]
    second = simulate(three, trace, assigning(swapped), times).records
    assert first.completed_at == second.completed_at
    assert first.num_restarts == second.num_restarts
    assert second.replica_id == swapped


@settings(max_examples=20, deadline=None)
@given(requests, requests, st.sampled_from(SCHEDULERS), st.sampled_from(SCHEDULERS))
def test_two_simulations_in_one_process_do_not_meet(rows, others, policy, other_policy):
    trace = trace_of(rows)
    times = TIMES[policy.type]
    alone = simulate(cluster(policy), trace, LlqRouter, times).records

    class Nesting(LlqRouter):
        def schedule(self):
            if len(self._request_queue) > 1:
                simulate(
                    cluster(other_policy), trace_of(others), LlqRouter, TIMES[other_policy.type]
                )
            return super().schedule()

    nested = simulate(cluster(policy), trace, Nesting, times).records
    assert nested.completed_at == alone.completed_at
    assert nested.replica_id == alone.replica_id


@settings(max_examples=30, deadline=None)
@given(requests, st.sampled_from(SCHEDULERS))
def test_one_replica_conserves_work(rows, policy):
    """A replica with something to do is busy, so the order of service cannot idle it."""
    trace = trace_of(rows)
    setting = cluster(policy, 1)
    calls = Dispatcher(setting, LlqRouter, len(trace), None)
    engine = Checked(calls, setting, trace, TIMES[policy.type])
    busy = []
    original = engine._instant

    def watched(now):
        original(now)
        replica = engine.replicas[0]
        busy.append(replica.busy or not (replica.queue or replica.running))

    engine._instant = watched
    engine.run()
    assert all(busy)


def test_sampling_does_not_change_the_result_and_shows_every_replica():
    rng = np.random.default_rng(5)
    rows = [(int(at), 100, 150) for at in rng.integers(0, 300, 40)]
    policy = SCHEDULERS[0]
    plain = simulate(cluster(policy), trace_of(rows), LlqRouter, TIMES["sarathi"])
    sampled = simulate(
        cluster(policy), trace_of(rows), LlqRouter, TIMES["sarathi"], resolution=0.25
    )
    assert sampled.records.completed_at == plain.records.completed_at
    assert sampled.end_time == plain.end_time
    times = sorted({row[0] for row in sampled.samples.rows})
    assert times == [0.25 * step for step in range(len(times))]
    assert plain.end_time - 0.25 <= times[-1] < plain.end_time
    assert {row[1] for row in sampled.samples.rows} == {-1, 0, 1}
    mean = np.mean([row[2] for row in sampled.samples.rows if row[1] >= 0]) / policy.num_blocks
    assert abs(mean - sampled.kv_use_mean) < 0.05
