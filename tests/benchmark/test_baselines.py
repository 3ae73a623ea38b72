"""Baselines: measured, stored under what they depend on, never for held-out seeds."""

import json

import pytest

from openglia.errors import OpenGliaError
from openglia.problems.routing.evaluation import baselines
from openglia.problems.routing.evaluation.baselines import (
    measure_baselines,
    ratio_to_yardstick,
    store_path,
    stored,
)
from openglia.problems.routing.evaluation.measuring import measure
from openglia.problems.routing.evaluation.scoring import evaluate
from openglia.problems.routing.simulators import SIMULATORS, find


def test_all_are_measured_and_stored(tiny):
    found = measure_baselines(tiny, seeds=[0, 1])
    assert list(found) == ["random", "round_robin", "lor", "llq"]
    times = found["llq"].execution_times
    kept = stored(tiny, find("embedded"), times)
    for name, evaluation in found.items():
        means = [figures["mean_response_time"] for figures in kept[name].values()]
        assert means == list(evaluation.statistics.per_seed)
        assert list(kept[name]) == ["0", "1"]


def test_ratio_is_to_the_same_seeds(tiny):
    evaluation = measure("builtin:round_robin", tiny, seeds=[2, 0])
    llq = measure("builtin:llq", tiny, seeds=[2, 0])
    expected = evaluation.statistics.mean_response_time / llq.statistics.mean_response_time
    assert ratio_to_yardstick(evaluation, tiny) == pytest.approx(expected, rel=1e-12)


def test_stored_figures_are_used_and_only_missing_seeds_measured(tiny, monkeypatch):
    measure_baselines(tiny, seeds=[0])
    calls = []

    def spy(scheduler, benchmark, **options):
        calls.append((scheduler, list(options["seeds"])))
        return measure(scheduler, benchmark, **options)

    monkeypatch.setattr(baselines, "measure", spy)
    monkeypatch.setattr(baselines, "_measured", {})  # as in a new process
    evaluate("builtin:random", tiny, seeds=[0])
    assert calls == []
    evaluate("builtin:random", tiny, seeds=[0, 1])
    assert calls == [("builtin:llq", [1])]


def test_figures_of_other_code_do_not_hold(tiny):
    found = measure_baselines(tiny, seeds=[0])["llq"]
    path = store_path(tiny, find("embedded"), found.execution_times)
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"code": "another"}))
    assert stored(tiny, find("embedded"), found.execution_times) == {}
    path.write_text("{")
    assert stored(tiny, find("embedded"), found.execution_times) == {}


def test_held_out_figures_are_not_stored(tiny, cache):
    evaluate("builtin:random", tiny, seeds=[77, 0])
    text = "".join(path.read_text() for path in (cache / "baselines").iterdir())
    assert '"0"' in text
    assert '"77"' not in text


def test_vidur_without_a_measured_llq_says_how_to_get_it(tiny):
    from dataclasses import replace

    measured = measure("builtin:random", tiny, seeds=[0])
    evaluation = replace(measured, simulator=SIMULATORS["vidur"])
    with pytest.raises(OpenGliaError, match="openglia baseline --benchmark tiny --simulator vidur"):
        ratio_to_yardstick(evaluation, tiny)
