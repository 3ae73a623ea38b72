"""Other objectives and constraints: figures against a computation by hand, and what follows."""

import csv
import json
from dataclasses import replace
from math import ceil, floor
from statistics import fmean

import pytest

from openglia.cli import main
from openglia.presenting.score import Keys
from openglia.problems.problem import Look
from openglia.problems.routing.benchmark.definition import Constraint, Slo
from openglia.problems.routing.benchmark.loading import load_benchmark, to_yaml
from openglia.problems.routing.benchmark.objectives import OBJECTIVES
from openglia.problems.routing.evaluation.scoring import evaluate
from openglia.problems.routing.problem import Routing
from openglia.problems.routing.simulators import find
from openglia.runs.cache import Cache

DURATION = 12  # s, in which requests arrive
SLO = {"ttft": 2.0, "tpot": 0.08}


def rows(folder, seed):
    with (folder / f"seed_{seed}" / "request_metrics.csv").open() as stream:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(stream)]


def quantile(values, share):
    ranked = sorted(values)
    place = share * (len(ranked) - 1)
    low, high = ranked[floor(place)], ranked[ceil(place)]
    return low + (place - floor(place)) * (high - low)


def by_hand(name, requests):
    """A metric of a seed's requests, in plain Python."""
    times = {
        "response_time": [r["completed_at"] - r["arrived_at"] for r in requests],
        "ttft": [r["first_token_at"] - r["arrived_at"] for r in requests],
        "tpot": [
            (r["completed_at"] - r["first_token_at"]) / (r["request_num_decode_tokens"] - 1)
            for r in requests
        ],
    }
    kind, _, of = name.partition("_")
    if of in times:
        if kind == "mean":
            return fmean(times[of])
        return quantile(times[of], float(kind[1:]) / 100)
    pairs = zip(times["ttft"], times["tpot"], strict=True)
    within = sum(ttft <= SLO["ttft"] and tpot <= SLO["tpot"] for ttft, tpot in pairs)
    if name == "slo_attainment":
        return within / len(requests)
    return within / DURATION


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """LOR on two short seeds, every metric constrained: the requests, and the evaluation."""
    folder = tmp_path_factory.mktemp("measured")
    short = replace(
        load_benchmark("smoke"), duration=DURATION, full_duration=DURATION, seeds=(0, 1)
    )
    held = tuple(Constraint(metric=name, at_most=1e9) for name in OBJECTIVES)
    benchmark = replace(short, objective="goodput", slo=Slo(**SLO), constraints=held)
    evaluation = evaluate("builtin:lor", benchmark, output_dir=folder)
    return [rows(folder, seed) for seed in (0, 1)], evaluation


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_metric_is_the_mean_over_seeds_of_each_ones_own(measured, name):
    seeds, evaluation = measured
    expected = [by_hand(name, requests) for requests in seeds]
    line = evaluation.to_json()
    assert line[name] == pytest.approx(fmean(expected), rel=1e-9)
    assert evaluation.statistics.metrics_by_seed[name] == pytest.approx(expected, rel=1e-9)
    if name == "goodput":
        assert line["per_seed"] == pytest.approx(expected, rel=1e-9)
        assert line["interval"] == pytest.approx(sorted(expected), rel=0.5)


def test_the_ratio_is_of_the_objective(tiny):
    benchmark = replace(tiny, objective="p90_ttft")
    lines = [evaluate(f"builtin:{name}", benchmark).to_json() for name in ("random", "llq")]
    ratio = lines[0]["p90_ttft"] / lines[1]["p90_ttft"]
    assert lines[0]["ratio_to_llq"] == pytest.approx(ratio, rel=1e-12)
    assert lines[1]["ratio_to_llq"] == 1.0


def test_constraints_are_held_on_the_same_seeds(tiny):
    constraints = (
        Constraint(metric="p99_response_time", at_most=0.9, relative_to="lor"),
        Constraint(metric="goodput", at_least=1e6),
        Constraint(metric="mean_ttft", at_most=1e6),
    )
    benchmark = replace(tiny, constraints=constraints, slo=Slo(ttft=1.0))
    line = evaluate("builtin:random", benchmark, seeds=[1, 2]).to_json()
    lor = evaluate(
        "builtin:lor", replace(tiny, objective="p99_response_time"), seeds=[1, 2]
    ).to_json()
    first, second, third = line["constraints"]
    assert first["bound"] == pytest.approx(0.9 * lor["p99_response_time"], rel=1e-12)
    assert first["violation"] == pytest.approx(first["value"] / first["bound"] - 1, rel=1e-9)
    assert first["words"].endswith(f"(0.9 x LOR's): BROKEN by {100 * first['violation']:.1f} %")
    assert second["violation"] == pytest.approx(1 - line["goodput"] / 1e6, rel=1e-9)
    assert third["violation"] == 0
    assert third["words"].endswith(": kept")
    score = Keys().of(line)
    assert score.violation == first["violation"] + second["violation"]
    assert (len(score.constraints), len(score.broken)) == (3, 2)
    assert replace(benchmark, constraints=()).hash != benchmark.hash


def test_where_the_figures_are_not_there_nothing_is_called_broken(tiny, monkeypatch):
    constraint = Constraint(metric="mean_ttft", at_most=0.5, relative_to="llq")
    embedded = find("embedded")
    slow = replace(embedded, measures_yardstick=False)
    line = evaluate(
        "builtin:random", replace(tiny, constraints=(constraint,)), seeds=[0], simulator=slow
    ).to_json()
    (held,) = line["constraints"]
    assert (held["bound"], held["violation"]) == (None, None)
    assert held["words"].endswith(": not known")
    assert Keys().of(line).violation == 0
    assert "llq is not measured" in line["ratio_note"]


def test_giving_up_knows_which_way_is_better(tmp_path, capsys):
    five = tmp_path / "five.yaml"
    five.write_text(
        "extends: smoke\nduration: 4\nseeds: 0-4\nheld_out_seeds: [70]\nobjective: goodput\n"
        "slo: {ttft: 1}\n"
    )
    words = ["evaluate", "builtin:llq", "--benchmark", str(five), "--json"]
    lines = []
    for bound in ("0.001", "1000"):
        assert main([*words, "--stop-if-worse", bound]) == 0
        lines.append(json.loads(capsys.readouterr().out))
    assert lines[0]["full"] and "stopped" not in lines[0]
    assert not lines[1]["full"]
    assert lines[1]["stopped"].startswith("the goodput of 4 seeds, ")
    assert lines[1]["stopped"].endswith(" requests/s, is below 1000 requests/s")


@pytest.mark.parametrize("name", ["paper-p99", "paper-goodput"])
def test_the_benchmarks_that_ship_survive_a_runs_folder(name, tmp_path):
    benchmark = load_benchmark(name)
    (tmp_path / f"{name}.yaml").write_text(to_yaml(benchmark))
    assert load_benchmark(str(tmp_path / f"{name}.yaml")) == benchmark
    assert benchmark.hash != load_benchmark("paper").hash


def test_agents_are_told_what_counts():
    plain, p99, goodput = (
        Routing(load_benchmark(name), find("embedded")).statement("TABLE")
        for name in ("paper", "paper-p99", "paper-goodput")
    )
    assert "The **mean response time** (completion minus arrival, in seconds)" in plain
    assert "constraint" not in plain.split("## The objective")[1].split("TABLE")[0]
    assert "at most LLQ's on the same seeds" in p99
    assert "The **goodput** (requests, per second in which requests arrive, that have" in goodput
    assert "have a TTFT of at most 2 s and a TPOT of at most 0.1 s). " not in plain
    assert "Higher is better" in goodput


def test_scores_by_another_objective_are_not_taken_for_ones_own(tmp_path, monkeypatch):
    monkeypatch.setattr("openglia.paths.CACHE", tmp_path)
    look = Look((0, 1, 2))
    problems = [
        Routing(load_benchmark(name), find("embedded"))
        for name in ("paper", "paper-p99", "paper-goodput")
    ]
    for place, problem in enumerate(problems):
        cache = Cache(problem, "harness", {})
        assert cache.get("a router", look) is None
        cache.keep("a router", look, {"status": "ok", "place": place})
        assert cache.get("a router", look)["place"] == place
