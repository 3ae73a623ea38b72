"""What is measured for the report: reading a simulation's output, and simulating a seed again."""

import json

import pytest

from openglia.problems.routing.presentation import PRESENTATION, measured
from openglia.report.data import read

ROUTING = PRESENTATION


def test_requests_are_summed_up(output_dir):
    found = measured.requests(output_dir / "request_metrics.csv")
    assert found["requests"] == 101
    assert found["mean"] == pytest.approx(50.5)
    quantiles = found["quantiles"]
    assert len(quantiles) == measured.QUANTILES + 1
    assert (quantiles[0], quantiles[200], quantiles[-1]) == (0.5, 50.5, 100.5)


def test_series_keep_router_and_replicas_apart(output_dir):
    found = measured.series(output_dir / "replica_metrics.csv.gz")
    assert found == {
        "time": [0.0, 5.0],
        "kv_mean": [0.2, 0.75],
        "kv_min": [0.1, 0.5],
        "kv_max": [0.3, 1.0],
        "router_queue": [3.0, 1.0],
        "replica_queue": [2.0, 4.0],
    }


def test_median_seed():
    assert measured.median_seed({3: 9.0, 1: 2.0, 2: 5.0}) == 2
    assert measured.median_seed({3: 9.0, 1: 2.0}) == 1
    assert measured.median_seed({}) is None


def test_seed_is_simulated_once_and_kept(folders, monkeypatch):
    from openglia.paths import STUB
    from openglia.problems.routing.benchmark.loading import load_benchmark

    folder = folders.make(count=3)
    smoke = load_benchmark("smoke")
    folders.change(folder, benchmark={"name": "smoke", "hash": smoke.hash}, baselines=None)
    (folder / "final_scheduler.py").write_text(STUB.read_text())
    first = measured.measure(read(folder, ROUTING))
    assert first["seed"] == smoke.seeds[0]
    for router in first["routers"].values():
        assert router["requests"] > 10
        assert max(router["series"]["kv_max"]) <= 1
        assert max(router["series"]["kv_max"]) > 0

    def again(*_):
        raise AssertionError("simulated although nothing changed")

    monkeypatch.setattr(measured, "_simulate", again)
    assert measured.measure(read(folder, ROUTING)) == json.loads(json.dumps(first))
    (folder / "final_scheduler.py").write_text(STUB.read_text() + "# changed\n")
    with pytest.raises(AssertionError, match="simulated although"):
        measured.measure(read(folder, ROUTING))


def test_changed_benchmark_is_not_drawn(folders):
    folder = folders.make(count=3)  # its hash is made up
    with pytest.raises(measured.NotMeasured, match="not the one that the run was scored on"):
        measured.measure(read(folder, ROUTING))
