"""The reference table: what it says is what was measured, and nothing is measured twice."""

import re
from dataclasses import replace
from statistics import fmean, geometric_mean

import numpy as np
import pytest

from openglia.cli import main
from openglia.errors import OpenGliaError
from openglia.problems.routing.benchmark.loading import load_benchmark
from openglia.problems.routing.benchmark.workload import generate
from openglia.problems.routing.reference import reproduce, results
from openglia.problems.routing.reference.references import CLAIRVOYANT, REFERENCES
from openglia.problems.routing.simulator.engine import simulate
from openglia.problems.routing.simulator.routers import ROUTERS
from openglia.problems.routing.simulator.timing import ExecutionTimes

FEW = [r for r in REFERENCES if r.label in ("round-robin", "LLQ", "head-room")]
TIGHT = """\
extends: smoke
description: for tests
duration: 15
seeds: 0-1
cluster: {replica_scheduler: {num_blocks: 1000}}
"""


class Here:
    """In the place of a pool of processes."""

    def __init__(self, **_): ...

    def __enter__(self):
        return self

    def __exit__(self, *_): ...

    map = staticmethod(map)


@pytest.fixture
def benchmark(tmp_path, monkeypatch):
    """A small, tight one; few routers; no cache but its own; clairvoyant in this process."""
    monkeypatch.setattr(reproduce, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(reproduce, "REFERENCES", FEW)
    monkeypatch.setattr(reproduce.clairvoyant, "ProcessPoolExecutor", Here)
    monkeypatch.setattr(results, "REFERENCES", FEW)
    path = tmp_path / "tight.yaml"
    path.write_text(TIGHT)
    return path


def test_the_table_is_what_was_measured(benchmark, tmp_path, capsys, monkeypatch):
    assert main(["reproduce", "--benchmark", str(benchmark), "--output", str(tmp_path)]) == 0
    text = (tmp_path / "RESULTS.md").read_text()
    assert (tmp_path / results.PLOT).read_bytes().startswith(b"\x89PNG")
    loaded = load_benchmark(str(benchmark))
    means, p99 = {}, {}
    for name in ("round_robin", "llq"):
        times = []
        for seed in loaded.seeds:
            trace = generate(loaded, seed)
            load = ExecutionTimes.load(loaded.cluster)
            records = simulate(loaded.cluster, trace, ROUTERS[name], load).records
            times.append(np.subtract(records.completed_at, records.arrived_at))
        means[name] = [float(t.mean()) for t in times]
        p99[name] = np.quantile(np.concatenate(times), 0.99)
    ratio = geometric_mean(map(lambda a, b: a / b, means["round_robin"], means["llq"]))
    row = next(line for line in text.splitlines() if line.startswith("| round-robin |"))
    assert f"| {fmean(means['round_robin']):.2f} |" in row
    assert f"| {ratio:.3f} (" in row
    assert f"| {p99['round_robin']:.0f} |" in row
    assert re.search(rf"^\| {re.escape(CLAIRVOYANT.label)} \| \d", text, re.MULTILINE)

    def measured_again(*_, **__):
        raise AssertionError

    monkeypatch.setattr(reproduce, "measure", measured_again)
    monkeypatch.setattr(reproduce.clairvoyant, "measure", measured_again)
    capsys.readouterr()
    assert main(["reproduce", "--benchmark", str(benchmark), "--output", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("(known)") == len(FEW) + 1
    assert (tmp_path / "RESULTS.md").read_text() == text


def test_what_was_measured_before_an_interruption_stays(benchmark, monkeypatch):
    loaded = load_benchmark(str(benchmark))
    measure, calls = reproduce.measure, []

    def interrupted(scheduler, *arguments, **options):
        calls.append(scheduler)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return measure(scheduler, *arguments, **options)

    monkeypatch.setattr(reproduce, "measure", interrupted)
    with pytest.raises(KeyboardInterrupt):
        reproduce.measure_all([loaded], "embedded", say=print)
    said = []
    with pytest.raises(OpenGliaError, match="head-room failed on tight"):
        monkeypatch.setattr(
            reproduce,
            "measure",
            lambda scheduler, benchmark, **options: measure(
                scheduler,
                replace(benchmark, limits=replace(benchmark.limits, router_call_mean_ms=1e-9)),
                **options,
            ),
        )
        reproduce.measure_all([loaded], "embedded", say=said.append)
    assert [line.endswith("(known)") for line in said] == [True, True]


def test_a_benchmark_whose_files_are_missing_is_said_and_left_out(tmp_path, monkeypatch):
    loaded = load_benchmark("conversation")
    missing = {**loaded.workload["lengths"], "file": "nowhere.csv", "sha256": "0" * 64}
    loaded = replace(loaded, workload={**loaded.workload, "lengths": missing})
    (table,) = reproduce.measure_all([loaded], "embedded", say=print)
    text = results.render([table])
    assert "nowhere.csv is missing" in text.split("## conversation")[1]
