"""What is known, and what it is worth: the secrets of a trace, and the policy that is told some."""

from dataclasses import replace

import numpy as np
import pytest

from openglia.problems.routing.benchmark.definition import Group
from openglia.problems.routing.benchmark.loading import load_benchmark
from openglia.problems.routing.benchmark.trace import Trace
from openglia.problems.routing.benchmark.workload import generate
from openglia.problems.routing.reference import clairvoyant, gap, informed
from openglia.problems.routing.reference.informed import AHEAD, Knowledge, Secrets
from openglia.problems.routing.simulator.engine import simulate
from openglia.problems.routing.simulator.routers import LlqRouter
from openglia.problems.routing.simulator.timing import ExecutionTimes

SMOKE = load_benchmark("smoke")


@pytest.fixture(scope="module")
def secrets() -> Secrets:
    patch = pytest.MonkeyPatch()
    patch.setattr(informed, "_SAMPLE_SECONDS", 2000.0)
    try:
        yield Secrets.of(SMOKE, 1)
    finally:
        patch.undo()


def test_both_secrets_together_are_the_output(secrets):
    assert secrets.outputs.tolist() == generate(SMOKE, 1).num_decode_tokens
    inflated = secrets.inflated
    assert 0 < inflated.mean() < 0.1
    assert secrets.lengths.max() <= 770
    assert np.array_equal(
        secrets.outputs, np.where(inflated, 10 * secrets.lengths, secrets.lengths)
    )
    assert secrets.share == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize("known", ["nothing", "inflation", "length", "late", "everything"])
def test_a_forecast_is_right_on_average_whatever_is_known(secrets, known):
    ids = np.arange(len(secrets.outputs))
    for produced in (0, 200):
        ids = ids[secrets.outputs[ids] > produced]
        foretold = Knowledge(known, secrets).stays(ids, np.full(len(ids), produced))
        assert foretold.shape == (len(AHEAD), len(ids))
        happened = secrets.outputs[ids] - produced > AHEAD[:, None]
        assert np.abs(foretold.mean(axis=1) - happened.mean(axis=1)).max() < 0.08


def test_each_piece_of_knowledge_says_what_it_should(secrets):
    inflated, plain = (
        int(np.flatnonzero(mask)[0]) for mask in (secrets.inflated, ~secrets.inflated)
    )
    ids = np.array([inflated, plain])
    ahead = AHEAD[:, None]

    def stays(known, produced):
        return Knowledge(known, secrets).stays(ids, np.array(produced))

    outputs = secrets.all_outputs
    for produced in ([0, 0], [100, 100]):
        longer = [(outputs > produced[0] + h).sum() / (outputs > produced[0]).sum() for h in AHEAD]
        found = stays("nothing", produced)
        assert np.allclose(found, np.array(longer)[:, None], atol=1e-6)
        assert np.allclose(stays("late", produced), found)
    after = int(outputs.mean()) + 1
    late = stays("late", [after, 0])
    assert np.array_equal(late[:, :1], secrets.outputs[inflated] - after > ahead)
    # One bit: of an inflated one that has produced less than any of these are long, it is certain.
    least = secrets.inflated_outputs[0]
    assert (stays("inflation", [0, 0])[least - 1 > AHEAD, 0] == 1).all()
    assert (stays("inflation", [0, 0])[AHEAD >= 770, 1] < 1e-6).all()
    # A length: up to it all is certain, then one in twenty runs on to its tenfold.
    length = secrets.lengths[plain]
    told = stays("length", [0, 0])[:, 1]
    assert (told[length > AHEAD] == 1).all() and (told[10 * length <= AHEAD] == 0).all()
    between = (length <= AHEAD) & (10 * length > AHEAD)
    assert np.allclose(told[between], secrets.share)
    passed = stays("length", [secrets.lengths[inflated], 0])[:, :1]
    assert np.array_equal(passed, 9 * secrets.lengths[inflated] > ahead)


def test_expectations_agree_with_what_is_known(secrets):
    expected = {known: Knowledge(known, secrets).expected for known in ("nothing", "inflation")}
    assert np.unique(expected["inflation"]).size == 2
    mixed = secrets.share * expected["inflation"].max()
    mixed += (1 - secrets.share) * expected["inflation"].min()
    assert mixed == pytest.approx(expected["nothing"][0])
    everything = Knowledge("everything", secrets).expected
    assert np.array_equal(everything, secrets.outputs)


def test_who_knows_all_waits_for_memory_and_evicts_nobody(secrets):
    cluster = replace(
        SMOKE.cluster,
        replica_scheduler=replace(SMOKE.cluster.replica_scheduler, num_blocks=700),
    )
    trace = generate(SMOKE, 1)
    times = ExecutionTimes.analytic(cluster)
    share = {}
    for known in ("everything", "nothing"):
        knowledge = Knowledge(known, secrets)
        records = simulate(
            cluster, trace, informed.router(knowledge, knowledge, 0.0), times
        ).records
        assert records.completed == len(trace)
        share[known] = np.mean(np.greater(records.num_restarts, 0))
    assert share["everything"] < 0.5 * share["nothing"]


@pytest.mark.parametrize("each", [(600, 2000), (2000, 600)])
def test_who_knows_all_fills_each_replica_by_its_own_memory(secrets, each):
    groups = tuple(Group(replicas=1, gpu=SMOKE.cluster.gpu, num_blocks=own) for own in each)
    cluster = replace(SMOKE.cluster, replicas=2, groups=groups)
    trace, times = generate(SMOKE, 1), ExecutionTimes.analytic(cluster)
    knowledge = Knowledge("everything", secrets)
    for router in (clairvoyant.router(trace), informed.router(knowledge, knowledge, 0.05)):
        records = simulate(cluster, trace, router, times).records
        assert sum(records.num_restarts) <= 2
        # The other way round the large one would be filled as if it were small.
        tokens = np.add(trace.num_prefill_tokens, trace.num_decode_tokens)
        shares = [tokens[np.equal(records.replica_id, number)].sum() for number in (0, 1)]
        assert shares[each.index(2000)] > 2 * shares[each.index(600)]


@pytest.mark.parametrize(("prompt", "output"), [(1, 1), (17, 1), (300, 200), (5000, 3)])
def test_the_time_alone_is_that_of_a_request_that_is_alone(prompt, output):
    times = ExecutionTimes.analytic(SMOKE.cluster)
    trace = Trace([1.0], [prompt], [output])
    records = simulate(SMOKE.cluster, trace, LlqRouter, times).records
    alone = records.completed_at[0] - records.arrived_at[0]
    assert gap.seconds_alone(times, [prompt], [output]) == pytest.approx(alone, rel=1e-9)


def test_no_router_is_faster_than_alone():
    times = ExecutionTimes.analytic(SMOKE.cluster)
    trace = generate(SMOKE, 0)
    records = simulate(SMOKE.cluster, trace, LlqRouter, times).records
    found = np.subtract(records.completed_at, records.arrived_at)
    alone = gap.seconds_alone(times, trace.num_prefill_tokens, trace.num_decode_tokens)
    assert (found >= alone - 1e-9).all()
    assert (found > alone + 0.1).any()
