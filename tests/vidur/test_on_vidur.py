"""Training and simulating with the real Vidur; skipped where it is not installed."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from openglia import paths
from openglia.problems.routing.benchmark.definition import Cluster, Limits, ReplicaScheduler
from openglia.problems.routing.exchange import Job
from openglia.problems.routing.vidur import checkout, installation, predictors, tree, worker

pytestmark = pytest.mark.skipif(
    not installation.is_installed(), reason="Vidur is not installed (./setup.sh --simulator vidur)"
)

CLUSTER = Cluster(
    replicas=2,
    gpu="A10",
    model="Llama-3-8B",
    max_tokens=256,
    replica_scheduler=ReplicaScheduler(
        type="sarathi", num_blocks=40, chunk_size=256, batch_size_cap=4
    ),
)

ROUTER = """
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler

class AIGlobalScheduler(BaseGlobalScheduler):
    def schedule(self):
        placements = []
        for request in list(self._request_queue):
            {body}
            placements.append(({replica}, request))
        {after}
        return placements
"""
CLEAR = "self._request_queue.clear()"


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache of its own with predictors of a tiny profile."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "CACHE", folder)
        predictors.train(CLUSTER, checkout.PINNED_COMMIT)
        yield folder


def simulate(tmp_path, body="pass", replica="0", after=CLEAR):
    router = tmp_path / "router.py"
    router.write_text(ROUTER.format(body=body, replica=replica, after=after))
    trace = tmp_path / "trace.csv"
    rows = [(0.0, 20, 30), (0.0, 100, 50), (0.25, 7, 1), (0.5, 200, 56)]
    columns = ["arrived_at", "num_prefill_tokens", "num_decode_tokens"]
    pd.DataFrame(rows, columns=columns).to_csv(trace, index=False)
    job = Job(
        scheduler=str(router),
        cluster=CLUSTER,
        limits=Limits(),
        traces={3: trace},
        output_dir=tmp_path / "out",
        resolution=0.5,
    )
    status = worker.work_off(job)
    if status:
        return status, json.loads((job.output_dir / "failure.json").read_text())
    return status, job.output_dir / "seed_3"


def test_a_second_training_gives_the_same_tables(cache, tmp_path, monkeypatch):
    first = predictors.tables(CLUSTER).read_bytes()
    monkeypatch.setattr(paths, "CACHE", tmp_path)
    steps = []
    predictors.train(CLUSTER, checkout.PINNED_COMMIT, lambda done, of, _: steps.append((done, of)))
    assert steps[-1] == (predictors.STEPS, predictors.STEPS)
    assert predictors.tables(CLUSTER).read_bytes() == first
    assert not [path for path in predictors.folder(CLUSTER).parent.iterdir() if path.name[0] == "."]


def test_a_simulation_and_what_it_leaves(cache, tmp_path):
    status, folder = simulate(tmp_path)
    assert status == 0
    metrics = pd.read_csv(folder / "request_metrics.csv")
    assert list(metrics["request_num_prefill_tokens"]) == [20, 100, 7, 200]
    assert (metrics["replica_id"] == 0).all()
    assert (metrics["completed_at"] > metrics["first_token_at"])[[0, 1, 3]].all()
    np.testing.assert_allclose(
        metrics["request_e2e_time"], metrics["completed_at"] - metrics["arrived_at"]
    )
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["router_calls"] == 8, "four arrivals and four completions"
    assert 0 < summary["kv_use_mean"] < 1
    series = pd.read_csv(folder / "replica_metrics.csv.gz")
    assert set(series["replica_id"]) == {-1, 0, 1}


@pytest.mark.parametrize(
    ("rule", "router"),
    [
        ("oracle", {"body": "request.num_decode_tokens"}),
        ("oracle", {"body": "getattr(request, 'pd_ratio', 1)"}),
        ("oracle", {"body": "print(request)"}),
        ("invalid-placement", {"replica": "2"}),
        ("invalid-placement", {"after": "placements *= 2;" + CLEAR}),
        ("never-completed", {"after": "placements.clear()"}),
        ("exception", {"body": "1 / 0"}),
        ("interface", {"body": "request._num_prefill_tokens = 1"}),
        ("import", {"after": CLEAR + "\nimport no_such_module"}),
    ],
)
def test_how_routers_fail(cache, tmp_path, rule, router):
    status, failure = simulate(tmp_path, **router)
    assert status == worker.FAILED
    assert failure["rule"] == rule
    assert failure["seed"] == 3
    assert "\n" not in failure["reason"]
    if rule == "exception":
        assert "ZeroDivisionError" in failure["detail"]
        assert "openglia" not in failure["detail"], "only the router's own frames"


SCHEDULER = """
from vidur.openglia.replica_policy import ReplicaPolicy

class AIReplicaScheduler(ReplicaPolicy):
    def admit(self, waiting):
        {body}
        return waiting[-1]
"""


@pytest.mark.parametrize(
    ("rule", "body"),
    [
        (None, "pass"),
        (None, None),
        ("oracle", "waiting[0].num_decode_tokens"),
        ("exception", "1 / 0"),
        ("invalid-choice", "return self"),
        ("never-completed", "return None"),
    ],
)
def test_schedulers_of_replicas(cache, tmp_path, rule, body):
    """Where ``body`` is None, the built-in shortest_prompt."""
    scheduler = tmp_path / "scheduler.py"
    scheduler.write_text(SCHEDULER.format(body=body))
    trace = tmp_path / "trace.csv"
    rows = [(0.0, 20, 30), (0.0, 100, 50), (0.25, 7, 1), (0.5, 200, 56)]
    columns = ["arrived_at", "num_prefill_tokens", "num_decode_tokens"]
    pd.DataFrame(rows, columns=columns).to_csv(trace, index=False)
    job = Job(
        scheduler="builtin:shortest_prompt" if body is None else str(scheduler),
        cluster=CLUSTER,
        limits=Limits(),
        traces={3: trace},
        output_dir=tmp_path / "out",
        hook="scheduling",
    )
    if rule is not None:
        assert worker.work_off(job) == worker.FAILED
        failure = json.loads((job.output_dir / "failure.json").read_text())
        assert (failure["rule"], failure["seed"]) == (rule, 3)
        return
    assert worker.work_off(job) == 0
    summary = json.loads((job.output_dir / "seed_3" / "summary.json").read_text())
    assert 4 <= summary["router_calls"] <= 8  # LLQ's are not counted


def test_an_edited_checkout_does_not_reach_a_simulation(cache, tmp_path):
    place = tmp_path / "place"
    pristine = tree.pristine(checkout.PINNED_COMMIT)
    (pristine / "simulator.py").write_text("raise SystemExit('edited')\n")
    tree.compose(place, None, checkout.PINNED_COMMIT)
    assert "edited" not in (place / "vidur/simulator.py").read_text()


def test_vidurs_own_command_line_knows_our_routers(cache, tmp_path):
    tree.compose(tmp_path, None, checkout.PINNED_COMMIT)
    result = subprocess.run(
        [sys.executable, "-P", "-m", "vidur.main", "--global_scheduler_config_type", "best"],
        cwd=tmp_path,
        env=predictors.simulation_environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "'ai', 'llq'" in result.stderr
