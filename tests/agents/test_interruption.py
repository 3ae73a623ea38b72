"""Signals in the middle of a shell command and of a model's call, in a real process."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from living import dies
from stand_in import StandIn, run, say

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent


def start(lab, server):
    return subprocess.Popen(
        [
            sys.executable,
            str(HERE / "interrupted_run.py"),
            str(lab.folder),
            f"http://127.0.0.1:{server.port}/v1",
        ],
        env={
            "PATH": os.environ["PATH"],
            "HOME": os.environ["HOME"],
            "PYTHONPATH": f"{REPOSITORY}:{HERE}",
        },
        cwd=lab.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition, process):
    deadline = time.monotonic() + 600
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_a_command_ends_the_run_in_good_order(lab, number):
    # The shell, its child, and a grandchild that the child leaves in the background.
    command = "sh -c 'sleep 600 & echo $$ $! > pids; wait'; echo never"
    with StandIn([run("echo before"), run(command, text="I wait.")]) as server:
        process = start(lab, server)
        pids = lab.root / "pids"
        wait_for(lambda: pids.exists() and len(pids.read_text().split()) == 2, process)
        process.send_signal(number)
        output, errors = process.communicate(timeout=600)

    status, reason, account, usage = json.loads(output.splitlines()[-1])
    assert (status, reason) == ("interrupted", f"interrupted by {number.name}")
    assert account == "I wait."
    assert usage["researcher"] == 220
    assert "Traceback" not in errors
    assert all(dies(int(pid), seconds=300) for pid in pids.read_text().split())
    assert "before" in lab.read("researcher.md")
    messages = json.loads(lab.read("researcher.json"))["messages"]
    assert messages[-1]["role"] == "user"  # every tool call is answered: it can be resumed
    assert json.loads(lab.read("supervisor.json"))["messages"] == []


def test_a_signal_in_a_call_of_the_model_ends_the_run_in_good_order(lab):
    with StandIn([run("echo before"), say("A part", hang=True)]) as server:

        def send():
            assert server.hanging.wait(600)
            os.kill(os.getpid(), signal.SIGTERM)

        sender = threading.Thread(target=send)
        sender.start()
        outcome = lab.discover(server)
        sender.join()

    assert (outcome.status, outcome.reason) == ("interrupted", "interrupted by SIGTERM")
    assert json.loads(lab.read("researcher.json"))["messages"][-1]["role"] == "user"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_killed_process_leaves_what_was_said(lab):
    with StandIn([run("echo marker-$((1+1))"), say("A part", hang=True)]) as server:
        process = start(lab, server)
        wait_for(server.hanging.is_set, process)
        process.kill()
        process.communicate(timeout=600)

    assert "marker-2" in lab.read("researcher.md")
    assert lab.read("fastagent.jsonl").count("\n") > 1
