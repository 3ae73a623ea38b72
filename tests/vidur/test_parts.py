"""The parts of openglia.problems.routing.vidur that need no Vidur."""

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from openglia.errors import OpenGliaError, UsageError
from openglia.problems.routing.benchmark.definition import Cluster, Limits, ReplicaScheduler
from openglia.problems.routing.hardware.roofline import LINEAR_OPERATORS
from openglia.problems.routing.simulator.clock import mapped
from openglia.problems.routing.vidur import command, predictors, profiles, tree, worker

CLUSTER = Cluster(
    replicas=2,
    gpu="A10",
    model="Llama-3-8B",
    max_tokens=256,
    replica_scheduler=ReplicaScheduler(
        type="sarathi", num_blocks=40, chunk_size=256, batch_size_cap=4
    ),
)


def test_the_hash_of_a_tree_is_gits(tmp_path):
    (tmp_path / "a.d").mkdir()
    (tmp_path / "a.d" / "file").write_text("content\n")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(b"\0\1")
    (tmp_path / "a-b").write_text("")
    (tmp_path / "run").write_text("#!/bin/sh\n")
    (tmp_path / "run").chmod(0o755)

    def git(*words):
        done = subprocess.run(["git", *words], cwd=tmp_path, capture_output=True, check=True)
        return done.stdout.decode().strip()

    git("init", "--quiet", "--separate-git-dir", str(tmp_path.parent / "objects"))
    git("add", "--all")
    wanted = git("write-tree")
    (tmp_path / ".git").unlink()
    assert tree.tree_hash(tmp_path) == wanted
    (tmp_path / "a" / "x").write_bytes(b"\0\2")
    assert tree.tree_hash(tmp_path) != wanted


def test_every_override_has_a_place():
    places = tree.overrides()
    assert "types/global_scheduler_type.py" in places
    assert "openglia/supervision.py" in places
    assert all(path.is_file() for path in places.values())


def test_the_arguments_name_the_cluster():
    words = command.arguments(CLUSTER, "ai", Path("/t.csv"), Path("/out"), 7)
    options = dict(pairwise(words))
    assert options["--seed"] == "7"
    assert options["--cluster_config_num_replicas"] == "2"
    assert options["--global_scheduler_config_type"] == "ai"
    assert options["--sarathi_scheduler_config_num_blocks"] == "40"
    prefix = "--random_forrest_execution_time_predictor_config"
    assert options[f"{prefix}_prediction_max_tokens_per_request"] == "256"
    assert options[f"{prefix}_prediction_max_batch_size"] == "4"
    assert "--no-metrics_config_store_plots" in words


def test_another_replica_scheduler_has_other_options():
    scheduler = ReplicaScheduler(type="vllm", num_blocks=40, max_tokens_in_batch=512)
    cluster = replace(CLUSTER, replica_scheduler=scheduler)
    words = command.arguments(cluster, "llq", Path("/t.csv"), Path("/out"), 0)
    assert words[words.index("--vllm_scheduler_config_max_tokens_in_batch") + 1] == "512"
    assert not any("chunk_size" in word and "sarathi" in word for word in words)


def test_routers_by_name():
    assert command.router_type("/x/y.py") == "ai"
    assert command.router_type("builtin:lor") == "lor"
    with pytest.raises(UsageError, match="random, round_robin, lor, llq"):
        command.router_type("builtin:best")


def test_the_profile_covers_what_is_asked_of_it():
    compute, attention = profiles.compute(CLUSTER), profiles.attention(CLUSTER)
    assert compute["num_tokens"].iloc[-1] == 256
    prefills = attention[attention["prefill_chunk_size"] > 0]
    decodes = attention[attention["prefill_chunk_size"] == 0]
    assert set(range(1, 65)) <= set(prefills["prefill_chunk_size"])
    assert prefills["prefill_chunk_size"].max() == 256
    assert set(decodes["batch_size"]) == {1, 2, 3, 4}
    assert not attention.isna().any().any()
    assert not attention.duplicated().any()


def test_predictions_become_arrays():
    linear = {operator: {(1,): 0.5, (256,): 2.0} for operator in LINEAR_OPERATORS}
    arrays = predictors.to_arrays(
        CLUSTER,
        {
            **linear,
            "attn_decode": {(4, 128): 3.0},
            "attn_prefill": {(64, 1): 4.0, (0, 255**2): 5.0},
        },
    )
    assert arrays["add"].shape == (257,)
    assert np.isnan(arrays["add"][0])
    assert arrays["add"][256] == 2.0
    assert arrays["attn_decode"][4, 2] == 3.0
    assert arrays["attn_prefill"][1, 1] == 4.0
    assert arrays["attn_prefill"][0, 255] == 5.0
    assert arrays["attn_prefill"].shape == (5, 257)


def test_untrained_and_changed_predictors_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(predictors.paths, "CACHE", tmp_path)
    with pytest.raises(OpenGliaError, match="not trained"):
        predictors.verify(CLUSTER)
    work = predictors.folder(CLUSTER)
    (work / command.PREDICTOR_CACHE).mkdir(parents=True)
    table = work / command.PREDICTOR_CACHE / "add_00000000_predictions.pkl"
    table.write_bytes(b"trained")
    predictors.write_json(work / predictors.MANIFEST, predictors._hashes(work))
    assert predictors.verify(CLUSTER) == work
    table.write_bytes(b"changed")
    with pytest.raises(OpenGliaError, match="changed after training"):
        predictors.verify(CLUSTER)


def test_a_simulation_works_in_a_folder_of_its_own(tmp_path):
    """Vidur's lock files lie beside its predictors, whose folder may not be writable."""
    trained = tmp_path / "trained"
    (trained / command.PREDICTOR_CACHE).mkdir(parents=True)
    (trained / "mlp.csv").write_text("profile")
    (trained / command.PREDICTOR_CACHE / "add_00000000_predictions.pkl").write_bytes(b"table")
    work = predictors.linked(trained, tmp_path / "work")
    assert predictors._hashes(work) == predictors._hashes(trained)
    (work / command.PREDICTOR_CACHE / "lock.file").touch()
    assert not (trained / command.PREDICTOR_CACHE / "lock.file").exists()


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(router_call_seconds=0.3), "longer than 0.3 s (limits.router_call_seconds)"),
        (Limits(vidur_simulation_seconds=0.3), "seed 7 was stopped after 0.3 s"),
    ],
)
def test_the_worker_stops_a_simulation_whose_router_hangs(limits, words, tmp_path):
    """What a simulation writes into the clock's file, its worker reads, whatever hangs there."""
    code = (
        "import sys, time; from pathlib import Path\n"
        "from openglia.problems.routing.simulator.clock import mapped\n"
        "mapped(Path(sys.argv[1]))[0] = time.perf_counter(); time.sleep(99)"
    )
    clock = tmp_path / "clock"
    shared = mapped(clock)
    with subprocess.Popen([sys.executable, "-c", code, str(clock)]) as process:
        try:
            with pytest.raises(worker.SeedFailedError) as caught:
                worker._wait(process, 7, limits, shared, "router")
        finally:
            process.kill()
    assert caught.value.failure.rule == "timeout"
    assert words in caught.value.failure.reason
