"""A signal at any moment: status 130, one line, no process and no file left behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from living import dies, is_alive

from openglia import files, interrupts
from openglia.measuring import processes
from openglia.problems.routing.evaluation import simulation
from openglia.sandbox import bubblewrap

ROOT = Path(__file__).resolve().parents[2]
COMMANDED = Path(__file__).with_name("commanded.py")
STUB = ROOT / "environment/stubs/ai_global_scheduler_stub.py"

SHORT = ("--benchmark", "smoke", "--duration", "2", "--seeds", "0,1")
EVALUATE = ("evaluate", str(STUB), *SHORT)
# Shares of a command's calls: imports, start of the workers, waiting, clean-up, the last lines.
MOMENTS = (0.0005, 0.01, 0.04, 0.12, 0.35, 0.7, 0.9)

ENDLESS = """
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler


class AIGlobalScheduler(BaseGlobalScheduler):
    def schedule(self):
        while True:
            pass
"""

FENCES = [
    "none",
    pytest.param(
        "bubblewrap",
        marks=pytest.mark.skipif(
            bubblewrap.problem() is not None, reason=f"{bubblewrap.problem()}"
        ),
    ),
]


def start(folder, *words, program=(sys.executable, "-P")):
    """A command whose processes and files are told by ``folder``."""
    (folder / "tmp").mkdir(exist_ok=True)
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.Popen(
        [*program, *map(str, words)],
        env={**kept, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder / "tmp")},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def commanded(folder, signals, moment, fence, *words):
    process = start(folder, COMMANDED, signals, moment, fence, *words)
    output, errors = process.communicate(timeout=600)
    return process.returncode, output, errors


def alive(folder):
    """Command lines of the processes that name the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(folder) in words and is_alive(path.name):
            found.append(words)
    return found


def until(condition, what):
    deadline = time.monotonic() + 600
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def assert_interrupted(folder, status, errors, verb):
    assert errors.splitlines()[-1:] == [f"openglia {verb}: interrupted"], errors
    assert errors.count("interrupted") == 1
    assert "Traceback" not in errors
    assert "ignored" not in errors
    assert status == 130
    assert alive(folder) == []
    assert list((folder / "tmp").iterdir()) == []


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    """How many calls each command makes when nothing interrupts it."""
    known = {}

    def count(*words):
        if words not in known:
            folder = tmp_path_factory.mktemp("uninterrupted")
            for _ in range(2):  # once the traces are in the cache there are far fewer
                _, output, errors = commanded(folder, "TERM", 0, "none", *words)
            assert "calls:" in output, errors
            known[words] = int(output.rsplit("calls:", 1)[1])
        return known[words]

    return count


# Without a fence only the workers' moments differ.
@pytest.mark.parametrize(
    ("fence", "moment"),
    [*(("none", moment) for moment in MOMENTS[3:6]),
     *(pytest.param(*FENCES[1].values, moment, marks=FENCES[1].marks) for moment in MOMENTS)],
)  # fmt: skip
def test_a_signal_and_another_in_the_clean_up(tmp_path, calls, fence, moment):
    at = max(1, int(moment * calls(*EVALUATE)))
    status, _, errors = commanded(tmp_path, "TERM,INT", at, fence, *EVALUATE)
    assert_interrupted(tmp_path, status, errors, "evaluate")


@pytest.mark.parametrize("words", [("doctor",), ("benchmarks",), ("setup", "--check")])
@pytest.mark.parametrize("moment", [0.02, 0.6])
def test_every_command_ends_alike(tmp_path, calls, words, moment):
    at = int(moment * calls(*words))
    status, _, errors = commanded(tmp_path, "HUP", at, "none", *words)
    assert_interrupted(tmp_path, status, errors, words[0])


@pytest.mark.parametrize("name", ["INT", "TERM", "HUP"])
@pytest.mark.parametrize("fence", FENCES)
def test_while_it_waits_for_a_hanging_router(tmp_path, fence, name):
    router = tmp_path / "router.py"
    router.write_text(ENDLESS)
    process = start(tmp_path, COMMANDED, "TERM", -1, fence, "evaluate", router, *SHORT)
    until(
        lambda: sum(
            "openglia.problems.routing.simulator.worker" in words for words in alive(tmp_path)
        ),
        "worker",
    )
    process.send_signal(signal.Signals[f"SIG{name}"])
    time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=600)
    assert_interrupted(tmp_path, process.returncode, errors, "evaluate")


def test_a_signal_that_is_ignored_stays_so(tmp_path):
    code = (
        "import os, signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from openglia import interrupts; interrupts.install()\n"
        "os.kill(os.getpid(), signal.SIGHUP); print('alive')\n"
    )
    output, _ = start(tmp_path, "-c", code).communicate(timeout=600)
    assert output == "alive\n"


def test_what_python_swallows_comes_again(tmp_path):
    code = (
        "import os, signal, time\n"
        "from openglia import interrupts; interrupts.install()\n"
        "class Swallows:\n"
        "    def __hash__(self): os.kill(os.getpid(), signal.SIGTERM); return 1\n"
        "import weakref\n"
        "class Thing: pass\n"
        "thing = Thing()\n"
        "reference = weakref.ref(thing, lambda _: hash(Swallows()))\n"
        "try:\n"
        "    del thing\n"
        "    time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    output, errors = start(tmp_path, "-c", code).communicate(timeout=600)
    assert (output, errors) == ("interrupted\n", "")


def test_a_command_that_is_broken_off_leaves_no_child_in_any_session(tmp_path):
    shell = f"sleep 600 {tmp_path} & setsid bash -c 'touch begun; sleep 600; : {tmp_path}' & wait"
    (tmp_path / "script").write_text(f"sleep() {{ command sleep $1; }}\n{shell}")
    code = (
        "from openglia import interrupts; interrupts.install()\n"
        "try:\n"
        f"    interrupts.run(['bash', {str(tmp_path / 'script')!r}])\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    process = start(tmp_path, "-c", code)
    until((tmp_path / "begun").exists, "the child")
    process.terminate()
    output, errors = process.communicate(timeout=600)
    assert (output, errors) == ("interrupted\n", "")
    until(lambda: not alive(tmp_path), "the children's end")


def test_a_tree_is_known_before_any_of_it_dies(tmp_path, monkeypatch):
    """A child that dies with its parent, as a fence's does, would leave its own to nobody."""
    dying = (
        f"import ctypes, subprocess; from pathlib import Path; "
        f"ctypes.CDLL(None).prctl(1, {signal.SIGKILL:d}, 0, 0, 0); "
        f"own = subprocess.Popen(['sleep', '600'], start_new_session=True); "
        f"Path('written').write_text(str(own.pid)); Path('written').rename('pid'); own.wait()"
    )
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {dying!r}])"
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path)
    until((tmp_path / "pid").exists, "the tree never grew")
    kill = os.kill

    def kill_slowly(pid, number):
        kill(pid, number)
        time.sleep(0.1)

    monkeypatch.setattr(os, "kill", kill_slowly)
    interrupts.kill_tree(parent.pid)
    parent.wait(600)
    grandchild = int((tmp_path / "pid").read_text())
    assert dies(grandchild, seconds=60)


def test_setup_sh_hands_a_signal_on(tmp_path):
    for name in ("setup.sh", "run.sh"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / "python"  # stands for one that installs
    python.write_text(
        '#!/bin/bash\n[[ "$1" == -c ]] && exit 0\n'
        "trap 'kill %1; exit 130' TERM\nsleep 600 &\ntouch begun\nwait\n"
    )
    python.chmod(0o755)
    (tmp_path / "tmp").mkdir()
    for script in ("setup.sh", "run.sh"):
        process = subprocess.Popen(
            [tmp_path / script],
            env={**os.environ, "OPENGLIA_PYTHON": str(python)},
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
        )
        until((tmp_path / "begun").exists, "the installation")
        process.terminate()
        assert process.wait(600) == 130
        assert alive(tmp_path) == []
        (tmp_path / "begun").unlink()


def test_the_calls_that_stay_whole_exist():
    ours = (files, processes, simulation, shutil, subprocess, __import__("tempfile"))
    for name in interrupts._WHOLE:
        holder, *attribute = name.split(".")
        found = [getattr(module, holder) for module in ours if hasattr(module, holder)]
        assert found, name
        assert not attribute or hasattr(found[0], *attribute), name
