"""A benchmark given as a path: its run goes on, is finished and verified from its folder alone."""

import json
import os
import shlex
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from openglia.errors import OpenGliaError, UsageError
from openglia.files import sha256
from openglia.paths import BENCHMARKS
from openglia.problems.routing import scored_on
from openglia.problems.routing.benchmark import length_copies, workload
from openglia.problems.routing.benchmark.loading import available, load_benchmark, to_yaml
from tests.runs.conftest import TINY
from tests.runs.test_runs_whole import results_of, wait_for


def changed(path: Path) -> None:
    path.write_text(path.read_text().replace("duration: 2", "duration: 1"))


def moved(path: Path) -> None:
    path.rename(path.with_name("elsewhere.yaml"))


def broken(path: Path) -> None:
    path.write_text("description: [")


@pytest.fixture
def killed(project, tmp_path):
    """A run on a file of the user's that is called like one that ships, killed on its way."""
    given = tmp_path / "own files" / "paper.yaml"
    given.parent.mkdir()
    given.write_text(TINY)
    process = project.start(
        "scripted.py", "evaluate=good", "hang", BENCHMARK=str(given), PROBLEM="routing"
    )
    wait_for(process, "step hang")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=600)
    (run,) = project.runs()
    return run, given


def test_resumed_after_its_file_has_changed(project, killed):
    run, given = killed
    before = results_of(run)["benchmark"]
    changed(given)
    status, output = project.run("scripted.py", RESUME=str(run), PROBLEM="routing")
    assert status == 0, output
    assert f"the benchmark's file {given} has changed" in output
    results = results_of(run)
    assert results["benchmark"] == before
    assert results["status"] == "completed"
    assert results["verification"]["gain_held_out"] is not None, output


def test_finished_verified_and_repeated_after_its_file_is_gone(project, killed):
    run, given = killed
    moved(given)
    status, output = project.plainly("finish", str(run))
    assert status == 130, output
    assert f"the benchmark's file {given} is gone" in output
    results = results_of(run)
    assert results["verification"]["gain_held_out"] is not None, output
    solution = (run / "solution.md").read_text()
    own = f"generated/{run.name}/benchmark.yaml"
    assert solution.count(f"--benchmark {own}") == 2
    assert "--benchmark paper" not in solution

    status, output = project.openglia("verify", str(run))
    assert status == 0, output
    assert "all figures are those that the run recorded" in output
    assert "is gone" in output
    # The command that solution.md prints for the evaluation seeds works, and finds the same.
    line = next(line for line in solution.splitlines() if " evaluate " in line)
    status, output = project.openglia(*shlex.split(line.partition("#")[0])[1:], "--json")
    assert status == 0, output
    found = json.loads(output.splitlines()[-1])
    assert found["benchmark_hash"] == results["benchmark"]["hash"]
    assert found["per_seed"] == results["final"]["evaluation"]["per_seed"]


def recorded(benchmark, file=None):
    """What results.json holds, read back as JSON."""
    return json.loads(json.dumps({"benchmark": scored_on.described(benchmark, file)}))


@pytest.mark.parametrize("name", available())
def test_every_benchmark_comes_back_from_results_and_from_its_yaml(name, tmp_path, monkeypatch):
    monkeypatch.setattr(scored_on, "replayed", lambda _: None)  # one is of files that may be absent
    benchmark, folder = load_benchmark(name), tmp_path
    assert scored_on.restore(folder, recorded(benchmark)) == benchmark
    scored_on.keep(folder, benchmark)
    again = load_benchmark(str(folder / scored_on.FILE))
    assert again == benchmark
    assert again.hash == benchmark.hash
    assert "extends" not in (folder / scored_on.FILE).read_text()
    assert scored_on.argument(folder, recorded(benchmark)) == name


def test_a_file_called_like_a_shipped_one_is_not_mistaken_for_it(tmp_path):
    given = tmp_path / "smoke.yaml"
    given.write_text("extends: smoke\nduration: 3\n")
    benchmark, folder = load_benchmark(str(given)), tmp_path
    results = recorded(benchmark, given)
    assert scored_on.argument(folder, results) == str(folder / scored_on.FILE)
    assert scored_on.restore(folder, results) == benchmark
    assert scored_on.remark(results, benchmark) is None
    given.write_text("extends: smoke\nduration: 3\nseeds: 0-1\n")  # the same hash
    assert "has changed" in scored_on.remark(results, benchmark)
    broken(given)
    assert "has changed" in scored_on.remark(results, benchmark)
    given.unlink()
    assert "is gone" in scored_on.remark(results, benchmark)


def test_a_changed_record_is_refused(tmp_path):
    results = recorded(load_benchmark("smoke"))
    results["benchmark"]["definition"]["duration"] = 3.0
    with pytest.raises(OpenGliaError, match="is not the one that the run was scored on"):
        scored_on.restore(tmp_path, results)
    results["benchmark"]["definition"]["cluster"]["gpu"] = "abacus"
    with pytest.raises(UsageError, match=r"results\.json: cluster\.gpu"):
        scored_on.restore(tmp_path, results)


def test_a_run_of_an_early_version_is_looked_up_by_name(tmp_path):
    smoke = load_benchmark("smoke")
    results = {"benchmark": {"name": "smoke", "hash": smoke.hash}}
    assert scored_on.restore(tmp_path, results) == smoke
    assert scored_on.remark(results, smoke) is None


def test_limits_that_came_later_take_their_defaults(tmp_path):
    smoke = load_benchmark("smoke")
    results = recorded(smoke)
    del results["benchmark"]["definition"]["limits"]["router_call_seconds"]
    assert scored_on.restore(tmp_path, results) == smoke


@pytest.mark.parametrize("name", ["a/b", "../b", ".b", "a\tb", "b" * 101])
def test_a_name_that_is_no_file_name_is_refused(tmp_path, name):
    path = tmp_path / "own.yaml"
    path.write_text(f"extends: smoke\nname: {json.dumps(name)}\n")
    with pytest.raises(UsageError, match="name: must be"):
        load_benchmark(str(path))


def test_a_name_is_not_inherited(tmp_path):
    (tmp_path / "base.yaml").write_text("extends: smoke\nname: other\n")
    (tmp_path / "own.yaml").write_text("extends: base\n")
    assert load_benchmark(str(tmp_path / "base.yaml")).name == "other"
    assert load_benchmark(str(tmp_path / "own.yaml")).name == "own"


def test_length_files_are_copied_along_and_found_again(tmp_path, monkeypatch):
    vidur, cache = tmp_path / "vidur", tmp_path / "cache"
    vidur.mkdir()
    for module in (workload, length_copies):
        monkeypatch.setattr(module, "VIDUR", vidur)
    monkeypatch.setattr(length_copies, "CACHE", cache)
    text = "num_prefill_tokens,num_decode_tokens\n374,44\n396,16\n"
    (vidur / "own.csv").write_text(text)
    given = tmp_path / "own.yaml"
    lengths = {"distribution": "file", "file": "own.csv", "sha256": sha256(text)}
    given.write_text(
        "extends: smoke\nduration: 3\n" + f"workload: {{lengths: {json.dumps(lengths)}}}\n"
    )
    benchmark = load_benchmark(str(given))
    folder = tmp_path / "run"
    folder.mkdir()
    scored_on.keep(folder, benchmark)
    trace = workload.generate(benchmark, 0)
    for spoiled in (b"num_prefill_tokens,num_decode_tokens\n1,1\n", None):
        if spoiled is None:
            (vidur / "own.csv").unlink()
        else:
            (vidur / "own.csv").write_bytes(spoiled)
        with pytest.raises(OpenGliaError):
            workload.generate(benchmark, 0)
        restored = scored_on.restore(folder, recorded(benchmark, given))
        assert workload.generate(restored, 0) == trace
        (cache / "lengths" / f"{sha256(text)}.csv").unlink()
    # The printed command finds it too.
    assert workload.generate(load_benchmark(str(folder / scored_on.FILE)), 0) == trace


def test_yaml_is_the_same_for_any_float():
    smoke = load_benchmark("smoke")
    odd = replace(smoke, duration=1e-05, full_duration=1e-05, held_out_seeds=())
    path = BENCHMARKS / "unused.yaml"
    import yaml

    from openglia.problems.routing.benchmark.loading import resolved

    assert resolved(yaml.safe_load(to_yaml(odd)), path) == odd
