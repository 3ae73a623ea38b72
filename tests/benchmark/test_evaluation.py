"""Scores are what the requests say; whatever goes wrong gives a reason and no score."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from openglia import files
from openglia.errors import OpenGliaError, UsageError
from openglia.files import sha256, write_atomically
from openglia.problems.routing.benchmark.objectives import OBJECTIVES
from openglia.problems.routing.benchmark.trace import HEADER
from openglia.problems.routing.evaluation import baselines, measuring, simulation
from openglia.problems.routing.evaluation.measuring import measure
from openglia.problems.routing.evaluation.scoring import evaluate
from openglia.problems.routing.evaluation.tables import evaluation_table
from openglia.problems.routing.exchange import Failure
from openglia.problems.routing.simulators import SIMULATORS, find

ABSENT = replace(SIMULATORS["embedded"], worker="openglia.no_such_worker")


def test_score_agrees_with_the_files(tiny, router, tmp_path):
    out = tmp_path / "results"
    seen = []
    result = evaluate(
        router("first"),
        tiny,
        output_dir=out,
        progress=lambda done, total: seen.append((done, total)),
    )
    line = result.to_json()
    assert line["status"] == "ok"
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert {path.name for path in out.iterdir()} - {"router.log"} == {"seed_0", "seed_1", "seed_2"}
    tables = [pd.read_csv(out / f"seed_{seed}" / "request_metrics.csv") for seed in range(3)]
    means = [float(np.mean(table["completed_at"] - table["arrived_at"])) for table in tables]
    assert line["per_seed"] == pytest.approx(means, rel=1e-12)
    assert line["mean_response_time"] == pytest.approx(sum(means) / 3, rel=1e-12)
    low, high = line["interval"]
    assert min(means) <= low <= line["mean_response_time"] <= high <= max(means)
    everything = np.concatenate([table["request_e2e_time"] for table in tables])
    assert line["p99"] == pytest.approx(np.percentile(everything, 99))
    ttft = np.concatenate([table["first_token_at"] - table["arrived_at"] for table in tables])
    assert line["ttft_mean"] == pytest.approx(ttft.mean())
    assert 0 < line["kv_use_mean"] < 1
    # Three replicas stay idle, so LLQ must be better.
    assert line["ratio_to_llq"] > 1.01
    assert line["full"] is True
    json.dumps(line, allow_nan=False)


def test_llq_written_as_a_router_is_the_baseline(tiny, router):
    written = evaluate(router("llq"), tiny)
    builtin = evaluate("builtin:llq", tiny)
    assert written.statistics == builtin.statistics
    assert written.ratio == 1.0
    assert builtin.ratio == 1.0
    assert len(written.scheduler) == 12
    assert builtin.scheduler == "builtin:llq"


def test_score_does_not_depend_on_the_number_of_workers(tiny):
    one = measure("builtin:random", tiny, jobs=1)
    three = measure("builtin:random", tiny, jobs=3)
    assert one.statistics == three.statistics


def test_part_of_a_benchmark_is_not_full(tiny):
    part = measure("builtin:llq", tiny, seeds=[1])
    assert (part.full, part.seeds) == (False, (1,))
    assert part.to_json()["interval"] is None
    shorter = measure("builtin:llq", replace(tiny, duration=5.0))
    assert shorter.full is False


@pytest.mark.parametrize(
    ("name", "rule", "reason"),
    [
        ("raises", "exception", "no idea where to send it"),
        ("nowhere", "invalid-placement", "17"),
        ("holds", "never-completed", ""),
        ("peeks", "rules", "num_decode_tokens"),
    ],
)
def test_a_bad_router_gets_a_reason_and_no_score(tiny, router, name, rule, reason):
    line = evaluate(router(name), tiny).to_json()
    assert line["status"] == "failed"
    assert line["rule"] == rule
    assert reason in line["reason"]
    assert "\n" not in line["reason"]
    assert "mean_response_time" not in line
    assert "ratio_to_llq" not in line
    assert "FAILED" in evaluation_table(line, OBJECTIVES["mean_response_time"])


def test_traceback_shows_the_routers_line(tiny, router):
    line = evaluate(router("raises"), tiny).to_json()
    assert 'raise ValueError("no idea where to send it")' in line["detail"]
    assert len(line["detail"].splitlines()) <= 20


def test_endless_router_runs_out_of_time(tiny, router):
    limits = replace(tiny.limits, simulation_seconds=1.0)
    line = evaluate(router("endless"), replace(tiny, limits=limits), seeds=[0]).to_json()
    assert (line["status"], line["rule"]) == ("failed", "timeout")


def test_crash_of_the_simulator_is_not_the_routers(tiny, router):
    with pytest.raises(OpenGliaError, match=r"benchmark tiny: .* exit status 1 .*no_such_worker"):
        evaluate(router("first"), tiny, simulator=ABSENT)


def test_worker_that_writes_nothing_is_not_the_routers(tiny, router):
    silent = replace(ABSENT, worker="this")  # the Zen of Python, status 0
    with pytest.raises(OpenGliaError, match=r"benchmark tiny, seed 0: .* without a result"):
        evaluate(router("first"), tiny, simulator=silent)


@pytest.mark.parametrize("scheduler", ["first", "builtin:llq"])
def test_no_request_in_a_seed_is_the_benchmarks_fault(tiny, router, scheduler):
    scheduler = scheduler if ":" in scheduler else router(scheduler)
    with pytest.raises(
        UsageError, match=r"benchmark tiny: no request arrives in 1e-06 s with seed"
    ):
        evaluate(scheduler, replace(tiny, duration=1e-6))


def test_a_trace_without_requests_is_not_the_routers_fault(tiny, router, tmp_path, monkeypatch):
    """Such as an earlier version kept in its cache."""
    empty = tmp_path / "empty.csv"
    empty.write_text(f"{HEADER}\n")
    monkeypatch.setattr(measuring, "_trace", lambda *_: empty)
    with pytest.raises(OpenGliaError, match=r"benchmark tiny, seed \d: the trace .*empty.csv"):
        evaluate(router("first"), tiny, jobs=1)


def test_a_process_that_cannot_start_is_not_the_routers_fault(tiny, router, monkeypatch):
    monkeypatch.setattr(simulation.worker_fence, "command", lambda *_, **__: ["/nowhere/python"])
    with pytest.raises(OpenGliaError, match=r"could not be started \(No such file or directory\)"):
        evaluate(router("first"), tiny)


def test_a_process_that_the_kernel_killed_for_memory_is_not_the_routers_fault(
    tiny, router, monkeypatch
):
    """A process that was killed is the router's failure, unless the kernel counts one more."""
    monkeypatch.setattr(measuring, "broken_rule", lambda *_: None)
    path = Path(router("raises"))
    text = path.read_text().replace("raise ValueError", "os.kill(os.getpid(), 9)  #")
    path.write_text(f"import os\n{text}")
    monkeypatch.setattr(simulation, "oom_kills", lambda: 3)
    assert evaluate(str(path), tiny, seeds=[0]).failure.rule == "crash"
    counts = iter((3, 4))
    monkeypatch.setattr(simulation, "oom_kills", lambda: next(counts))
    with pytest.raises(OpenGliaError, match=r"tiny, seed 0: the machine's memory ran out"):
        evaluate(str(path), tiny, seeds=[0])


def test_a_crash_of_the_yardstick_is_never_its_failure(tiny, monkeypatch):
    failure = Failure(rule="crash", reason="ended by signal 11", seed=1)
    monkeypatch.setattr(simulation, "_failure", lambda *_: failure)
    with pytest.raises(OpenGliaError, match="benchmark tiny, seed 1: ended by signal 11"):
        measure("builtin:llq", tiny, simulator=ABSENT)


def test_earlier_results_are_removed_and_nothing_else(tiny, router, tmp_path):
    out = tmp_path / "results"
    (out / "seed_9").mkdir(parents=True)
    (out / "notes.txt").write_text("mine")
    measure("builtin:llq", tiny, seeds=[0], output_dir=out)
    assert not (out / "seed_9").exists()
    assert (out / "seed_0" / "request_metrics.csv").exists()
    assert (out / "notes.txt").read_text() == "mine"
    evaluate(router("raises"), tiny, seeds=[0], output_dir=out)
    assert not (out / "seed_0" / "summary.json").exists()


def test_held_out_traces_are_not_left_behind(tiny, cache):
    measure("builtin:llq", tiny, seeds=[0, 77])
    names = {path.name for path in cache.rglob("seed_*.csv")}
    assert names == {"seed_0.csv"}


def test_wrong_calls_are_refused(tiny, tmp_path):
    with pytest.raises(UsageError, match="no scheduler can be read"):
        evaluate(str(tmp_path / "absent.py"), tiny)
    with pytest.raises(UsageError, match="no seeds"):
        evaluate("builtin:llq", tiny, seeds=[])
    with pytest.raises(UsageError, match="no simulator 'fast'"):
        find("fast")
    assert find("auto").name == "embedded"


def test_missing_vidur_is_an_error(monkeypatch):
    monkeypatch.setattr("openglia.problems.routing.vidur.installation.is_installed", lambda: False)
    with pytest.raises(OpenGliaError, match="Vidur is not installed"):
        find("vidur")


def test_a_method_that_nothing_calls_is_said_and_changes_no_score(tiny, router):
    path = Path(router("first"))
    plain = evaluate(str(path), tiny, seeds=[0])
    assert "warnings" not in plain.to_json()
    path.write_text(path.read_text() + "    def on_request_end(self, request):\n        pass\n")
    warned = evaluate(str(path), tiny, seeds=[0])
    assert warned.statistics == plain.statistics
    assert warned.ratio == plain.ratio
    (line,) = warned.to_json()["warnings"]
    assert line.startswith("line 12: nothing calls the method on_request_end: ")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1", "utf-16"])
def test_a_byte_order_mark_is_passed_over_and_other_encodings_are_refused(tiny, router, encoding):
    path = Path(router("first"))
    expected = evaluate(str(path), tiny, seeds=[0])
    text = "# für alle\n" + path.read_text()
    path.write_bytes(text.replace("\n", "\r\n").encode(encoding))
    line = evaluate(str(path), tiny, seeds=[0])
    assert line.scheduler == sha256(path.read_bytes())[:12]
    if encoding == "utf-8-sig":
        assert line.statistics == expected.statistics
    else:
        assert line.failure.reason == "first.py is not UTF-8 text: save it as UTF-8"


def test_scheduler_may_be_no_text(tiny, tmp_path):
    path = Path(tmp_path / "binary.py")
    path.write_bytes(b"\xff\xfe\x00")
    assert evaluate(str(path), tiny).to_json()["rule"] == "rules"


def below_a_file(tmp_path, monkeypatch):
    """A cache that not even root can write."""
    (tmp_path / "file").write_text("")
    for module in (measuring, baselines):
        monkeypatch.setattr(module, "CACHE", tmp_path / "file" / "cache")


def refused(error):
    """A cache that the system refuses to write."""

    def hinder(tmp_path, monkeypatch):
        def write(path, content):
            if path.is_relative_to(tmp_path / "empty"):
                raise OSError(error, os.strerror(error), str(path))
            write_atomically(path, content)

        monkeypatch.setattr(files, "write_atomically", write)
        for module in (measuring, baselines):
            monkeypatch.setattr(module, "CACHE", tmp_path / "empty")

    return hinder


@pytest.mark.parametrize(
    "hinder",
    [below_a_file, refused(errno.EROFS), refused(errno.EACCES), refused(errno.ENOSPC)],
    ids=["below a file", "read-only", "forbidden", "full"],
)
def test_a_cache_that_cannot_be_written_costs_no_result(
    tiny, router, tmp_path, monkeypatch, capsys, hinder
):
    def figures():
        monkeypatch.setattr(baselines, "_measured", {})
        # 0 is an evaluation seed, 9 is another.
        line = evaluate(router("first"), replace(tiny, duration=2), seeds=[0, 9]).to_json()
        del line["wall_seconds"], line["router_ms_mean"]
        return line

    expected = figures()
    hinder(tmp_path, monkeypatch)
    files._warn_of_cache.cache_clear()
    capsys.readouterr()
    assert figures() == figures() == expected
    assert expected["ratio_to_llq"] is not None
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2  # the traces and the baselines, each said once
    assert all(line.startswith("openglia: nothing can be kept in ") for line in lines)
