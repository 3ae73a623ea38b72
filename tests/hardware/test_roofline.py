"""The analytic profile against figures worked out by hand."""

from dataclasses import replace

import pytest

from openglia.errors import UsageError
from openglia.problems.routing.benchmark import catalogue
from openglia.problems.routing.benchmark.definition import Cluster, ReplicaScheduler
from openglia.problems.routing.hardware.roofline import (
    LINEAR_OPERATORS,
    max_tokens_in_batch,
    operator_times,
    profile_hash,
)

CLUSTER = Cluster(
    replicas=4,
    gpu="A10",
    model="Llama-3-8B",
    max_tokens=8192,
    replica_scheduler=ReplicaScheduler(type="sarathi", num_blocks=2400, chunk_size=8192),
)
LAUNCH = 0.006  # ms


@pytest.fixture
def times():
    return operator_times(catalogue.gpu("A10"), catalogue.model("Llama-3-8B"))


def test_small_products_are_bound_by_reading_the_weights(times):
    weights = 4096 * (4096 + 2 * 1024)
    traffic = 2 * (weights + 4096 + 4096 + 2 * 1024)
    assert times.linear("attn_pre_proj", 1) == pytest.approx(LAUNCH + traffic / 480e6)


def test_large_products_are_bound_by_arithmetic(times):
    flops = 2 * 8192 * 4096 * 2 * 14336
    assert times.linear("mlp_up_proj", 8192) == pytest.approx(LAUNCH + flops / 80e9)


def test_decode_reads_the_cache_of_every_request(times):
    traffic = 2 * (2 * 100 * 4096 + 100 * 1000 * 2 * 1024)
    assert times.attn_decode(100, 1000) == pytest.approx(LAUNCH + traffic / 480e6)


def test_prefill_of_a_whole_prompt_is_causal(times):
    flops = 4 * 4096 * (8192 * 8193 / 2)
    assert times.attn_prefill(0, 8192) == pytest.approx(LAUNCH + flops / 80e9)


def test_prefill_in_chunks_does_the_same_arithmetic(times):
    whole = times.attn_prefill(0, 4096) - LAUNCH
    chunks = times.attn_prefill(0, 2048) + times.attn_prefill(2048, 2048) - 2 * LAUNCH
    assert chunks == pytest.approx(whole)


@pytest.mark.parametrize("operator", LINEAR_OPERATORS)
def test_more_tokens_never_take_less_time(times, operator):
    spent = [times.linear(operator, tokens) for tokens in range(1, 8193)]
    assert spent == sorted(spent)
    assert spent[0] > LAUNCH


def test_an_iteration_reads_the_weights_once(times):
    layer = sum(times.linear(operator, 1) for operator in LINEAR_OPERATORS)
    weights = 2 * 32 * (4096 * 6144 + 4096 * 4096 + 3 * 4096 * 14336)
    assert 32 * layer == pytest.approx(weights / 480e6 + 32 * 10 * LAUNCH, rel=0.01)


def test_unknown_operators_and_names_are_refused(times):
    with pytest.raises(KeyError):
        times.linear("mlp_sideways_proj", 1)
    with pytest.raises(UsageError, match="A10, A100, H100"):
        catalogue.gpu("B52")
    with pytest.raises(UsageError, match="Llama-2-7B, Llama-3-8B"):
        catalogue.model("Llama-9")


@pytest.mark.parametrize(
    "other",
    [
        replace(CLUSTER, gpu="H100"),
        replace(CLUSTER, model="Llama-2-7B"),
        replace(CLUSTER, max_tokens=4096),
        replace(CLUSTER, profile="vidur"),
        replace(CLUSTER, replica_scheduler=replace(CLUSTER.replica_scheduler, batch_size_cap=64)),
        replace(CLUSTER, replica_scheduler=replace(CLUSTER.replica_scheduler, chunk_size=16384)),
    ],
)
def test_the_hash_follows_what_decides_the_tables(other):
    assert profile_hash(other) != profile_hash(CLUSTER)


def test_the_hash_leaves_out_what_does_not():
    same = replace(
        CLUSTER, replicas=9, replica_scheduler=replace(CLUSTER.replica_scheduler, num_blocks=5)
    )
    assert profile_hash(same) == profile_hash(CLUSTER)
    assert len(profile_hash(CLUSTER)) == 12


def test_a_batch_holds_what_its_scheduler_allows():
    vllm = ReplicaScheduler(type="vllm", num_blocks=10, max_tokens_in_batch=16384)
    assert max_tokens_in_batch(replace(CLUSTER, replica_scheduler=vllm)) == 16384
    assert max_tokens_in_batch(CLUSTER) == 8192


def test_every_entry_of_the_catalogue_is_well_formed():
    for name in catalogue._read()["gpus"]:
        gpu = catalogue.gpu(name)
        assert gpu.effective_tflops < gpu.peak_tflops
        assert gpu.effective_bandwidth_gb_s < gpu.peak_bandwidth_gb_s
    for name in catalogue._read()["models"]:
        model = catalogue.model(name)
        assert model.head_dim * model.num_q_heads == model.embedding_dim
