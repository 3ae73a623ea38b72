"""Kill -9 and a full disk at every moment of a run: no finished evaluation is lost.

A run measures the baseline, evaluates two routers, verifies, and writes its results. After each
fault ``openglia finish`` completes the folder; then a further run works.
"""

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
from living import is_alive

KILLED = -signal.SIGKILL

# fault -> (exit status of the run, evaluations on record after it, status once finished)
FAULTS = {
    # Killed; "half": in the middle of writing the Nth such file, "after": once it is in place.
    "half:evaluations.jsonl:1": (KILLED, 0, "interrupted"),
    "half:evaluations.jsonl:2": (KILLED, 1, "interrupted"),
    "half:candidates:2": (KILLED, 1, "interrupted"),
    "after:candidates:2": (KILLED, 1, "interrupted"),  # its line in the record never comes
    "half:results.json:2": (KILLED, 0, "interrupted"),  # the baselines
    "half:results.json:3": (KILLED, 2, "interrupted"),  # how the discovery ended
    "after:results.json:3": (KILLED, 2, "completed"),
    "half:results.json:4": (KILLED, 2, "completed"),
    "half:results.json:5": (KILLED, 2, "completed"),
    "half:final_scheduler.py:1": (KILLED, 2, "completed"),
    "half:solution.md:1": (KILLED, 2, "completed"),
    "after:solution.md:1": (KILLED, 2, "completed"),
    "half:baselines:1": (KILLED, 0, "interrupted"),
    "half:traces:1": (KILLED, 0, "interrupted"),
    "at:held-out": (KILLED, 2, "completed"),
    "at:verification": (KILLED, 2, "completed"),
    "at:integrity": (KILLED, 2, "completed"),
    "half:solution.md:2": (KILLED, 2, "completed"),
    "half:report.html:1": (KILLED, 2, "completed"),
    # The disk is full from the Nth write of such a file on.
    "full:results.json:4": (1, 2, "completed"),
    "full:solution.md:1": (1, 2, "completed"),
    "full:results.json:2": (1, 0, "interrupted"),
}  # fmt: skip


def records(run: Path) -> list[dict]:
    """The whole lines of the record."""
    path = run / "evaluations.jsonl"
    found = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def results(run: Path) -> dict:
    return json.loads((run / "results.json").read_text())


def assert_complete(run: Path, kept: list[dict]) -> None:
    """The folder is as after a whole run, and what was on record still is."""
    assert records(run)[: len(kept)] == kept
    assert (run / "solution.md").read_text().endswith("\n")
    assert (run / "report.html").read_text().rstrip().endswith("</html>")
    found = results(run)
    clean = [r for r in records(run) if r["result"]["status"] == "ok"]
    assert found["evaluations"]["clean"] == len(clean)
    if clean:
        best = min(clean, key=lambda r: r["result"]["mean_response_time"])
        assert found["final"]["number"] == best["number"]
        final = (run / "final_scheduler.py").read_text()
        assert final == (run / best["candidate"]).read_text()
        assert found["verification"]["deterministic"] is True
    assert not [p.name for p in run.iterdir() if p.name.startswith(".")], "half files are left"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_loses_no_evaluation(faulty, fault):
    status, evaluated, ended = FAULTS[fault]
    assert faulty.run(fault) == status, faulty.output
    if status != KILLED:
        assert "Traceback" not in faulty.output
        assert faulty.output.count("No space left on device") >= 1
    (run,) = faulty.runs()
    kept = records(run)
    assert len(kept) == evaluated
    done = faulty.command("finish", run)
    assert done == (0 if ended == "completed" else 130), faulty.output
    assert results(run)["status"] == ended
    assert_complete(run, kept)


def test_a_killed_run_is_resumed_and_another_begins(faulty):
    assert faulty.run("half:evaluations.jsonl:2") == KILLED
    (run,) = faulty.runs()
    kept = records(run)
    assert faulty.run(to=str(run), steps=["GOOD"]) == 0, faulty.output
    assert results(run)["status"] == "completed"
    assert_complete(run, kept)
    assert [record["number"] for record in records(run)] == [1, 3]  # 2 has a source and no line
    assert faulty.run() == 0, faulty.output
    assert len(faulty.runs()) == 2


def test_the_harness_is_killed_in_an_evaluation(faulty):
    pid = faulty.start(do="run", steps=["GOOD", "ENDLESS"])
    faulty.until("step ENDLESS")
    workers = _wait_for_workers(pid)
    os.kill(pid, signal.SIGKILL)
    assert faulty.end() == KILLED
    (run,) = faulty.runs()
    kept = records(run)
    assert [record["result"]["status"] for record in kept] == ["ok"]
    assert faulty.command("finish", run) == 130, faulty.output
    assert_complete(run, kept)
    from openglia.measuring import worker_fence

    if worker_fence.problem() is None:
        assert not [worker for worker in workers if is_alive(worker)]


def test_a_worker_is_killed(faulty):
    """As the kernel does when memory runs out: that evaluation fails, and says so."""
    pid = faulty.start(do="run", steps=["GOOD", "ENDLESS", "POOR"])
    faulty.until("step ENDLESS")
    for worker in _wait_for_workers(pid):
        os.kill(worker, signal.SIGKILL)
    assert faulty.end() == 0, faulty.output
    (run,) = faulty.runs()
    statuses = [record["result"]["status"] for record in records(run)]
    assert statuses == ["ok", "failed", "ok"]
    assert "SIGKILL" in records(run)[1]["result"]["reason"]


def _wait_for_workers(pid: int) -> list[int]:
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        if _workers(pid):
            time.sleep(0.3)
            return _workers(pid)
        time.sleep(0.02)
    raise AssertionError("no worker was started")


def _workers(pid: int) -> list[int]:
    """The children that simulate; not the one that writes the page."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            with suppress(OSError):
                if b"worker" in Path(f"/proc/{child}/cmdline").read_bytes():
                    found.append(int(child))
    return found


def test_a_signal_in_an_evaluation_finishes_the_run(faulty):
    pid = faulty.start(do="run", steps=["GOOD", "ENDLESS"])
    faulty.until("step ENDLESS")
    workers = _wait_for_workers(pid)
    os.kill(pid, signal.SIGTERM)
    assert faulty.end() == 130, faulty.output
    assert "Traceback" not in faulty.output
    assert not [worker for worker in workers if is_alive(worker)]
    (run,) = faulty.runs()
    assert results(run)["status"] == "interrupted"
    assert_complete(run, records(run))
