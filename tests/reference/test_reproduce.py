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
from openglia.problems.routing.reference import gap, reproduce, results
from openglia.problems.routing.reference.gap_words import section
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


def here(simulate, benchmark):
    """In the place of several processes."""
    return [simulate(benchmark, seed) for seed in benchmark.seeds]


@pytest.fixture
def benchmark(tmp_path, monkeypatch):
    """A small, tight one; few routers; no cache but its own; clairvoyant in this process."""
    monkeypatch.setattr(reproduce, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(reproduce, "REFERENCES", FEW)
    monkeypatch.setattr(reproduce.clairvoyant, "by_seed", here)
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
    text = results.render([table], [])
    assert "nowhere.csv is missing" in text.split("## conversation")[1]


def test_the_gap_is_told_in_shares_of_what_was_measured():
    means = dict.fromkeys(gap.POLICIES, 26.0) | {gap.INFLATION: 23.0, gap.ALL: 21.0, gap.LATE: 27.0}
    figures = {
        policy: {
            "mean": [mean - 1, mean + 1],
            "of_inflated": [100.0, 120.0],
            "of_others": [mean - 5, mean - 5],
            "restarted": [0.01, 0.03],
        }
        for policy, mean in means.items()
    }
    facts = {"inflated": [0.04, 0.06], "memory": [0.7, 0.7], "alone": [12.0, 13.0]}
    paper = load_benchmark("paper")
    row = {"mean_response_time": 26.5}
    rows = {reference.label: row for reference in (*REFERENCES, CLAIRVOYANT)}
    told = " ".join(section(reproduce.Gap(paper, figures, facts), reproduce.Table(paper, rows)))
    for part in (
        "5.0% of the requests",
        "70% of the memory",
        "a gap of 5.00 s",
        "one bit for each, closes 60% of it",
        "passed the mean output closes none of it",
        "falls from 21.00 to 16.00 s",
        "has less than 12.50 s",
        f"| {gap.INFLATION.words} | 23.00 | ",
        "| 110.0 | 18.00 | 2.0% |",
    ):
        assert part in told, part
