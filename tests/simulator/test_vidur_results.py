"""The engine against the real Vidur: recorded results, and live ones where it is installed."""

import json
from dataclasses import replace

import numpy as np
import pytest
from vidur_cases import (
    FIELDS,
    RECORDINGS,
    draw_trace,
    random_case,
    recorded_case,
    run_engine,
    run_vidur,
    scheduling_cases,
)

from openglia.problems.routing.hardware.tables import Tables
from openglia.problems.routing.simulator.timing import ExecutionTimes

INDEX = json.loads((RECORDINGS / "cases.json").read_text())["cases"]
SCHEDULING = json.loads((RECORDINGS / "scheduling.json").read_text())["cases"]


@pytest.fixture(scope="module")
def tables() -> Tables:
    with np.load(RECORDINGS / "tables.npz") as archive:
        return Tables({name: memoryview(array) for name, array in archive.items()})


@pytest.fixture(scope="module")
def results() -> dict[str, np.ndarray]:
    found = {}
    for name in ("results", "scheduling"):
        with np.load(RECORDINGS / f"{name}.npz") as archive:
            found |= archive
    return found


@pytest.mark.parametrize("entry", [*INDEX, *SCHEDULING], ids=lambda entry: entry["name"])
def test_engine_repeats_the_recorded_result_to_the_last_bit(entry, tables, results):
    case = recorded_case(entry, results)
    got = run_engine(case, ExecutionTimes.of(case.cluster, tables, "recorded"))
    if entry["error"]:
        assert got["error"].startswith("never-completed:")
        return
    assert "error" not in got
    for field in FIELDS:
        np.testing.assert_array_equal(got[field], results[f"{case.name}/{field}"], field)
    assert got["end_time"] == entry["end_time"]


def test_recordings_hold_what_makes_them_hard(results):
    names = [entry["name"] for entry in INDEX]
    assert {entry["cluster"]["replica_scheduler"]["type"] for entry in INDEX} == {"sarathi", "vllm"}
    restarts = sum(results[f"{name}/num_restarts"].sum() for name in names if "stuck" not in name)
    assert restarts > 500
    held = results["sarathi-hold_back/routed_at"] - results["sarathi-hold_back/arrived_at"]
    assert held.max() > 0.1
    assert any(entry["error"] for entry in INDEX)
    assert len({entry["policy"] for entry in SCHEDULING}) == 5
    assert min(results[f"{entry['name']}/num_restarts"].sum() for entry in SCHEDULING) > 5
    times = {results[f"{entry['name']}/completed_at"].sum() for entry in SCHEDULING}
    assert len(times) == len(SCHEDULING)


@pytest.fixture(scope="module")
def vidur_commit() -> str:
    from openglia.problems.routing.vidur import checkout, installation

    if not installation.is_installed():
        pytest.skip("the real Vidur is not installed; ./setup.sh installs it")
    return checkout.PINNED_COMMIT


def test_engine_equals_vidur_on_fresh_random_workloads(vidur_commit, tables):
    seed = int(np.random.default_rng().integers(1 << 31))  # printed below when it fails
    cases = [random_case(number, seed) for number in range(12)]
    # And one that strands a request: the prompt's blocks never fit beside the watermark.
    stuck = random_case(99, seed)
    policy = replace(stuck.cluster.replica_scheduler, num_blocks=70)
    trace = replace(draw_trace(np.random.default_rng(seed), 5, 1.0), num_prefill_tokens=[1400] * 5)
    cases.append(
        replace(stuck, cluster=replace(stuck.cluster, replica_scheduler=policy), trace=trace)
    )
    found = run_vidur(cases, vidur_commit, RECORDINGS / "tables.npz")
    for case, expected in zip(cases, found, strict=True):
        got = run_engine(case, ExecutionTimes.of(case.cluster, tables, "recorded"))
        assert ("error" in got) == ("error" in expected), case
        if "error" in expected:
            assert expected["error"].startswith("AssertionError"), expected["error"]
            continue
        for field in FIELDS:
            np.testing.assert_array_equal(got[field], expected[field], f"{field} of {case}")


def test_schedulers_do_the_same_inside_vidurs_replicas(vidur_commit, tables):
    seed = int(np.random.default_rng().integers(1 << 31))  # printed below when it fails
    cases = scheduling_cases(seed, 2)
    without = [replace(case, policy=None) for case in cases if case.policy == "stub.py"]
    found = run_vidur([*cases, *without], vidur_commit, RECORDINGS / "tables.npz")
    for case, expected in zip([*cases, *without], found, strict=True):
        got = run_engine(case, ExecutionTimes.of(case.cluster, tables, "recorded"))
        assert "error" not in got
        for field in FIELDS:
            np.testing.assert_array_equal(got[field], expected[field], f"{field} of {case}")
    # First come, first served, asked for each admission and eviction, is Vidur's own to the bit.
    asked = [result for case, result in zip(cases, found, strict=False) if case.policy == "stub.py"]
    for mine, own in zip(asked, found[len(cases) :], strict=True):
        assert all(mine[field] == own[field] for field in FIELDS)
