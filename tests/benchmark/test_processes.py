"""Workers end when they must, and nothing that they started stays behind."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from living import is_alive

from openglia.measuring import allowance
from openglia.measuring.processes import Command, Worker, Workers, worker_environment
from openglia.paths import ROOT


def command(folder: Path, code: str, **changes) -> Command:
    settings = {"steps": 2, "step_seconds": 30.0, "start_seconds": 30.0} | changes
    return Command(
        argv=[sys.executable, "-c", code],
        folder=folder,
        environment=worker_environment(ROOT),
        **settings,
    )


def run(*commands: Command) -> tuple[list[Worker], list[dict]]:
    with Workers(commands) as workers:
        records = [record for _, record in workers.events() if record is not None]
        return workers.workers, records


def assert_dies(pid: int) -> None:
    for _ in range(200):
        if not is_alive(pid):
            return
        time.sleep(0.02)
    os.kill(pid, 9)
    pytest.fail(f"process {pid} outlived its worker")


# A grandchild that says its number and then would sleep for ten minutes.
GRANDCHILD = """
import json, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(json.dumps({"child": child.pid}), flush=True)
"""


def test_lines_and_status_come_back(tmp_path):
    code = 'print(\'{"seed": 0}\'); print("noise"); print(\'{"seed": 1}\'); raise SystemExit(3)'
    [worker], records = run(command(tmp_path, code))
    assert records == [{"seed": 0}, {"seed": 1}]
    assert worker.status == 3
    assert not worker.timed_out


def test_two_workers_are_told_apart(tmp_path):
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    with Workers([command(folder, "print('{\"seed\": 0}')") for folder in folders]) as workers:
        seen = [(worker.command.folder.name, record) for worker, record in workers.events()]
    assert sorted(name for name, record in seen if record) == ["a", "b"]
    assert sorted(name for name, record in seen if record is None) == ["a", "b"]


def test_endless_loop_is_killed(tmp_path):
    [worker], records = run(
        command(tmp_path, "while True: pass", step_seconds=0.2, start_seconds=0.2)
    )
    assert worker.timed_out
    assert worker.status is None
    assert records == []
    assert not is_alive(worker.process.pid)


def test_endless_talker_does_not_buy_time(tmp_path):
    code = "import time\nwhile True: print('{\"seed\": 0}', flush=True); time.sleep(0.01)"
    [worker], records = run(command(tmp_path, code, step_seconds=0.3))
    assert worker.timed_out
    assert len(records) == 2


def test_grandchild_dies_with_a_worker_that_is_out_of_time(tmp_path):
    [worker], [record] = run(
        command(tmp_path, GRANDCHILD + "time.sleep(600)", steps=1, step_seconds=0.3)
    )
    assert worker.timed_out
    assert_dies(record["child"])


def test_grandchild_left_behind_delays_nothing_and_dies(tmp_path):
    # It holds the worker's standard output open, so waiting for the end of that would hang.
    [worker], [record] = run(command(tmp_path, GRANDCHILD, step_seconds=300.0))
    assert worker.status == 0
    assert not worker.timed_out
    assert_dies(record["child"])


def test_interrupt_kills_the_group(tmp_path):
    children = []
    with (
        pytest.raises(KeyboardInterrupt),
        Workers([command(tmp_path, GRANDCHILD + "time.sleep(600)")]) as workers,
    ):
        for _, record in workers.events():
            children.append(record["child"])
            raise KeyboardInterrupt
    assert_dies(workers.workers[0].process.pid)
    assert_dies(children[0])


def test_closed_output_is_not_the_end(tmp_path):
    code = "import os, time; os.close(1); time.sleep(0.3); raise SystemExit(7)"
    [worker], _ = run(command(tmp_path, code))
    assert worker.status == 7


def test_memory_is_bounded(tmp_path):
    code = "bytearray(6000 << 20)"
    [worker], _ = run(command(tmp_path, code, memory_mb=64))
    assert worker.status == 1
    assert "MemoryError" in worker.stderr()


def test_environment_holds_no_secrets(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret")
    assert "secret" not in worker_environment(ROOT).values()


# Needs half a second of a core.
COMPUTES = "import time\nwhile time.process_time() < 0.5: pass\nprint('{}')"
SLEEPS = "import time; time.sleep(600)"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process waits for")
@pytest.mark.parametrize(("code", "in_time"), [(COMPUTES, True), (SLEEPS, False)])
def test_the_wait_for_a_core_is_not_counted(tmp_path, monkeypatch, code, in_time):
    monkeypatch.setattr(allowance, "MOST", 100)  # the tests' machine may be busy besides
    cores = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(cores)})  # for it and two others that never rest
        hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
        try:
            [worker], _ = run(command(tmp_path, code, step_seconds=0.7, start_seconds=0.0))
        finally:
            for hog in hogs:
                hog.kill()
                hog.wait()
    finally:
        os.sched_setaffinity(0, cores)
    assert worker.timed_out is not in_time
