"""Damaged files, a full disk, odd clocks and paths: each ends well or with one clear line."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

STUB = "environment/stubs/ai_global_scheduler_stub.py"
EVALUATE = ("evaluate", STUB, "--benchmark", "tiny", "--json")


def line(faulty) -> dict:
    """The JSON line that a command ended with."""
    return json.loads(faulty.output.splitlines()[-1])


def one_line(faulty) -> str:
    """What a command that failed said: one line for its user."""
    said = [row for row in faulty.output.splitlines() if row.startswith("openglia ")]
    assert "Traceback" not in faulty.output
    assert len(said) == 1, faulty.output
    return said[0]


def evaluated(faulty, **order) -> dict:
    assert faulty.command(*EVALUATE, **order) == 0, faulty.output
    return line(faulty)


def score(faulty) -> dict:
    result = evaluated(faulty, replay=False)
    return {key: value for key, value in result.items() if key in ("per_seed", "ratio_to_llq")}


@pytest.mark.parametrize(
    "damage",
    ["", "{", "[]", "null", '{"code": 3}', "half", "other shape", "binary"],
)
def test_a_damaged_store_of_baselines_is_made_anew(faulty, damage):
    before = score(faulty)
    (store,) = (faulty.root / "environment/cache/baselines").iterdir()
    whole = json.loads(store.read_text())
    damaged = {
        "half": store.read_text()[:-20],
        "other shape": json.dumps(
            whole | {"metrics": {"llq": {"0": {"mean_response_time": "fast"}}}}
        ),
    }
    if damage == "binary":
        store.write_bytes(b"\xff\xfe\0")
    else:
        store.write_text(damaged.get(damage, damage))
    assert score(faulty) == before
    assert json.loads(store.read_text()) == whole


@pytest.mark.parametrize("damage", ["cut", "empty", "cut in a line", "edited"])
def test_a_damaged_trace_is_made_anew(faulty, damage):
    """A trace cut at the end of a line looks whole: fewer requests, another score."""
    before = score(faulty)
    (trace,) = (faulty.root / "environment/cache/traces").rglob("seed_1.csv")
    whole = trace.read_text()
    damaged = {
        "cut": "".join(whole.splitlines(keepends=True)[:-5]),
        "empty": "",
        "cut in a line": whole[:-4],
        "edited": whole.replace(",", ",1", 1),
    }
    trace.write_text(damaged[damage])
    assert score(faulty) == before
    assert trace.read_text() == whole


@pytest.mark.parametrize("content", [b"", b"{}\n", b"not tables", "half", "changed"])
def test_damaged_tables_are_one_clear_line(faulty, content):
    sys.path.insert(0, str(faulty.root))
    from openglia.problems.routing.benchmark.loading import load_benchmark
    from openglia.problems.routing.hardware.roofline import profile_hash
    from openglia.problems.routing.hardware.tables import Tables

    digest = profile_hash(load_benchmark("smoke").cluster)
    tables = faulty.root / "environment" / "cache" / "tables"
    tables.mkdir(parents=True)
    path = tables / f"{digest}.tables"
    whole = Tables({"add": memoryview(bytes(40_000)).cast("d")}).to_bytes()
    damaged = {"half": whole[:-3000], "changed": whole[:-1] + b"x"}
    path.write_bytes(damaged.get(content, content))
    try:
        assert faulty.command(*EVALUATE, replay=False) == 1, faulty.output
        said = one_line(faulty)
        assert "benchmark tiny" in said
        assert "cannot be used" in said
        assert "./setup.sh" in said
    finally:
        shutil.rmtree(tables)


def test_the_disk_is_full_for_the_record(faulty):
    """The evaluation that could not be kept is said not to count; what was kept stays."""
    faulty.run("full:evaluations.jsonl:2")
    assert "No space left on device" in faulty.output
    assert "Traceback" not in faulty.output
    (run,) = faulty.runs()
    found = json.loads((run / "results.json").read_text())
    assert found["evaluations"]["total"] == 1
    assert any("No space left" in warning for warning in found["warnings"])


def test_the_disk_is_full_for_caches(faulty):
    """Neither traces nor figures can be kept: a line for each, the same score, no half file."""
    status = faulty.command(*EVALUATE, fault="full:cache:1", replay=False)
    assert status == 0, faulty.output
    *warnings, result = faulty.output.strip().splitlines()
    assert len(warnings) == 2, faulty.output
    assert all("No space left" in warning for warning in warnings)
    assert not list((faulty.root / "environment/cache").rglob(".*"))
    without = json.loads(result)
    with_caches = score(faulty)
    assert with_caches == {name: without[name] for name in with_caches}


def test_files_cannot_grow(faulty):
    """As with a quota: the worker cannot write its results."""
    score(faulty)
    assert faulty.command(*EVALUATE, fault="small-files", replay=False) == 1, faulty.output
    assert "seed 0: File too large" in one_line(faulty)
    assert score(faulty)["per_seed"]


@pytest.mark.parametrize("kind", ["a file", "elsewhere, read-only", "read-only"])
def test_generated_cannot_be_written(faulty, kind):
    generated = faulty.root / "generated"
    if kind == "read-only" and os.geteuid() == 0:
        pytest.skip("the superuser may write everywhere")
    if kind == "a file":
        generated.write_text("")
    elif kind == "read-only":
        generated.mkdir(mode=0o500)
    else:
        generated.symlink_to("/sys/kernel")
    try:
        assert faulty.run() == 1, faulty.output
        assert "no run folder can be made" in one_line(faulty)
    finally:
        generated.rmdir() if kind == "read-only" else generated.unlink()
    assert faulty.run() == 0, faulty.output


def test_the_run_folder_is_deleted_meanwhile(faulty):
    assert faulty.run(steps=["GOOD", "delete", "POOR"]) == 1, faulty.output
    assert "was deleted" in one_line(faulty)
    assert not faulty.runs()
    assert faulty.run() == 0, faulty.output


def test_a_clock_that_runs_backwards(faulty):
    assert faulty.run("clock") == 0, faulty.output
    (run,) = faulty.runs()
    found = json.loads((run / "results.json").read_text())
    records = [json.loads(row) for row in (run / "evaluations.jsonl").read_text().splitlines()]
    elapsed = [record["elapsed_seconds"] for record in records]
    assert 0 <= elapsed[0] <= elapsed[1] <= found["elapsed_seconds"] < 600
    assert all(0 <= record["result"]["wall_seconds"] < 600 for record in records)
    assert all(0 <= seconds < 600 for seconds in found["timings"].values())


def test_two_runs_in_the_same_second(faulty):
    assert [faulty.run("second"), faulty.run("second")] == [0, 0]
    names = [run.name for run in faulty.runs()]
    assert names == ["run_20260101_000000", "run_20260101_000000_2"]
    solutions = [(run / "solution.md").read_text() for run in faulty.runs()]
    assert [run.name in text for run, text in zip(faulty.runs(), solutions, strict=True)] == [
        True
    ] * 2


def test_a_symlinked_project_path(faulty, tmp_path):
    link = tmp_path / "linked"
    link.symlink_to(faulty.root)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "openglia", *EVALUATE],
        cwd=link,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(link)},
        capture_output=True,
        text=True,
        check=True,
    )
    through_link = json.loads(done.stdout.splitlines()[-1])
    assert through_link["per_seed"] == evaluated(faulty)["per_seed"]


def test_a_lock_file_of_a_dead_process_stops_nothing(faulty):
    lock = faulty.root / "environment" / "cache" / "run.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text("999999\n")
    assert faulty.run() == 0, faulty.output


def test_a_lock_that_is_held_is_one_clear_line(faulty):
    lock = faulty.root / "environment" / "cache" / "run.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as stream:
        stream.write("4321")
        stream.flush()
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert faulty.run() == 1
    assert "already under way in process 4321" in one_line(faulty)


def test_a_stale_socket_is_one_clear_line(faulty, tmp_path):
    import socket

    path = tmp_path / "evaluator"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
    done = subprocess.run(
        [sys.executable, "-P", "-m", "openglia", *EVALUATE],
        cwd=faulty.root,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(faulty.root),
             "OPENGLIA_EVALUATOR": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "does not answer" in done.stderr


@pytest.mark.parametrize("content", ["", "{", "[]", '{"status": "running"}', "\0"])
def test_damaged_results_are_one_clear_line(faulty, content):
    assert faulty.run() == 0, faulty.output
    (run,) = faulty.runs()
    (run / "results.json").write_text(content)
    for words in (("finish", run), ("verify", run)):
        assert faulty.command(*words) == 1, faulty.output
        assert "results" in one_line(faulty)


def test_a_damaged_record_keeps_its_other_lines(faulty):
    assert faulty.run("at:held-out") == -9
    (run,) = faulty.runs()
    record = run / "evaluations.jsonl"
    first, second = record.read_text().splitlines()
    record.write_bytes(f"{first}\n".encode() + b"\xff\0garbage\n" + f"[]\n{second}\n".encode())
    assert faulty.command("finish", run) == 0, faulty.output
    found = json.loads((run / "results.json").read_text())
    assert found["evaluations"]["total"] == 2


def test_a_candidate_that_is_gone_is_reported(faulty):
    assert faulty.run("at:held-out") == -9
    (run,) = faulty.runs()
    final = json.loads((run / "results.json").read_text())["final"]
    (run / final["candidate"]).unlink()
    assert faulty.command("finish", run) in (0, 1), faulty.output
    assert "Traceback" not in faulty.output
    assert final["candidate"].removeprefix("candidates/") in faulty.output


def test_times_in_the_record_are_utc(faulty):
    assert faulty.run(steps=["GOOD"]) == 0, faulty.output
    (run,) = faulty.runs()
    record = json.loads((run / "evaluations.jsonl").read_text())
    assert datetime.fromisoformat(record["time"]).utcoffset().total_seconds() == 0


def test_a_copy_of_the_project_elsewhere_works(faulty, tmp_path):
    """A checkout that was moved: nothing points back to where it was."""
    before = score(faulty)
    moved = tmp_path / "elsewhere"
    shutil.copytree(faulty.root, moved, ignore=shutil.ignore_patterns("generated", "simulated"))
    done = subprocess.run(
        [sys.executable, "-P", "-m", "openglia", *EVALUATE],
        cwd=moved,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(moved)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1])["per_seed"] == before["per_seed"]
    assert Path(moved / "environment/cache/baselines").is_dir()
