"""Routers with the static rules off, in a worker behind its fence: what they try has no effect."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest

from openglia import paths
from openglia.measuring import worker_fence
from openglia.measuring.processes import worker_environment
from openglia.problems.routing.benchmark.definition import Limits
from openglia.problems.routing.benchmark.loading import load_benchmark
from openglia.problems.routing.evaluation import measuring
from openglia.problems.routing.simulators import SIMULATORS
from openglia.sandbox import fence


@pytest.fixture(params=[rung.name for rung in fence.LADDER])
def rung(request, monkeypatch):
    (found,) = [rung for rung in fence.LADDER if rung.name == request.param]
    if (problem := found.problem()) is not None:
        pytest.skip(problem)
    monkeypatch.setattr(fence, "LADDER", (found,))
    worker_fence.rung.cache_clear()
    yield found.name
    worker_fence.rung.cache_clear()


# Runs in a router's constructor; what it prints is kept in router.log.
ROUTER = """\
import glob, os, signal, socket, subprocess, sys, traceback
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler

def attempt():
{attempt}

class AIGlobalScheduler(BaseGlobalScheduler):
    def __init__(self, config, replicas):
        super().__init__(config, replicas)
        try:
            print("got", attempt(), flush=True)
        except BaseException:
            traceback.print_exc()

    def schedule(self):
        queue, self._request_queue = self._request_queue, []
        return [(r.id % 4, r) for r in queue]
"""
# Patient: what is tried takes its time on a busy machine.
LIMITS = Limits(
    simulation_seconds=600.0, memory_mb=512, router_call_seconds=300.0, router_call_mean_ms=60_000.0
)


@pytest.fixture
def attempt(tmp_path, monkeypatch, rung):
    """Score a router that tries something; what it said."""
    monkeypatch.setattr(measuring, "broken_rule", lambda *_: None)
    benchmark = replace(load_benchmark("smoke"), name="fence", duration=1.0, limits=LIMITS)

    def score(code: str) -> str:
        path = tmp_path / "router.py"
        path.write_text(ROUTER.format(attempt=textwrap.indent(textwrap.dedent(code), "    ")))
        results = tmp_path / "results"
        done = measuring.measure(str(path), benchmark, seeds=(0,), jobs=1, output_dir=results)
        assert done.ok, done.failure
        return (results / "router.log").read_text()

    return score


def denied(rung: str, said: str, how: str) -> bool:
    """Bubblewrap shows no such thing; Landlock refuses the access to it."""
    words = how if rung == "bubblewrap" else "PermissionError"
    return words in said and "got " not in said


@pytest.fixture
def outside(tmp_path):
    folder = tmp_path / "home" / ".ssh"
    folder.mkdir(parents=True)
    (folder / "id_ed25519").write_text("planted-secret\n")
    return folder


def test_what_lies_outside_cannot_be_read(attempt, outside, rung):
    said = attempt(f"return open('{outside}/id_ed25519').read()")
    assert denied(rung, said, "FileNotFoundError")
    assert "planted" not in said


def test_nothing_can_be_written_outside(attempt, outside, rung):
    said = attempt(f"open('{outside}/authorized_keys', 'w')")
    assert denied(rung, said, "No such file")
    assert [path.name for path in outside.iterdir()] == ["id_ed25519"]


def test_the_experiment_cannot_be_written(attempt, rung):
    names = (
        "openglia/problems/routing/simulator/engine.py",
        "openglia/problems/routing/simulator/__pycache__/planted.pyc",
        "environment/cache/planted",
        "planted",
        ".venv/planted",
    )
    places = [paths.ROOT / name for name in names]
    before = [path.read_bytes() if path.exists() else None for path in places]
    said = attempt(
        f"""
        for path in {list(map(str, places))}:
            try:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                open(path, 'a').write('x')
                print("got", path)
            except OSError as error:
                print("refused", path, error)
        """
    )
    words = "Read-only file system" if rung == "bubblewrap" else "Permission denied"
    for path in places:
        (line,) = [line for line in said.splitlines() if f" {path} " in f"{line} "]
        assert line.startswith("refused") and words in line, said
    assert [path.read_bytes() if path.exists() else None for path in places] == before


def test_of_the_experiment_only_what_it_needs_is_there(attempt, rung):
    names = [
        "openglia/problems/routing/reference", "openglia/discovery", "openglia/sandbox",
        "openglia/problems/routing/rules", "environment/benchmarks",
        "environment/cache/traces/*/seed_1*", "generated", "tests", ".git", "problem.md",
    ]  # fmt: skip
    # Landlock hides no folder: what is in it is not listed, and nothing in it is read.
    inner = "" if rung == "bubblewrap" else "/*"
    patterns = [f"{paths.ROOT}/{name}{inner}" for name in names]
    files = [path for name in names for path in paths.ROOT.glob(name) if path.is_file()]
    files.append(paths.ROOT / "openglia/discovery/loop.py")
    said = attempt(
        f"""
        print("found", [path for pattern in {patterns} for path in glob.glob(pattern)])
        for path in {list(map(str, files))}:
            try:
                print("read", path, open(path).read())
            except OSError as error:
                print(type(error).__name__, path)
        """
    )
    assert "found []" in said
    refusal = "FileNotFoundError" if rung == "bubblewrap" else "PermissionError"
    assert [line for line in said.splitlines() if line.startswith(refusal)] == [
        f"{refusal} {path}" for path in files
    ]


def test_no_network(attempt, rung):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        said = attempt(f"return socket.create_connection(('127.0.0.1', {port}), 3)")
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert denied(rung, said, "ConnectionRefusedError")


REACH = """\
import socket, ssl
from pathlib import Path
print("loopback", socket.create_connection(("127.0.0.1", {port}), 60).recv(9))
print("name", socket.getaddrinfo("localhost", 80)[0][4][0] in ("127.0.0.1", "::1"))
print("authorities", bool(ssl.create_default_context().get_ca_certs()))
print("server", socket.create_server(("127.0.0.1", 0)).getsockname()[0])
print("home", Path({home!r}).exists() and list(Path({home!r}).iterdir()))
"""


def test_a_network_where_one_is_asked_for_and_nothing_else_with_it(rung, tmp_path, outside):
    folder = tmp_path / "job"
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = REACH.format(port=server.getsockname()[1], home=str(outside))
        said = {}
        for network in (False, True):
            argv = worker_fence.command(
                [sys.executable, "-P", "-c", code],
                folder=folder,
                sources=[],
                readable=[],
                memory_mb=4096,
                network=network,
            )
            process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if network:
                server.settimeout(300)
                with server.accept()[0] as connection:
                    connection.sendall(b"welcome")
            said[network] = process.communicate(timeout=300)[0].decode()
    assert "loopback" not in said[False]
    assert "Error" in said[False]
    authorities = bool(ssl.create_default_context().get_ca_certs())
    assert said[True].splitlines()[:4] == [
        "loopback b'welcome'", "name True", f"authorities {authorities}", "server 127.0.0.1",
    ]  # fmt: skip
    assert said[True].splitlines()[4] == "home False" or "PermissionError" in said[True]


def test_no_socket_of_the_machine(attempt, rung):
    """Nor an abstract one, which no file stands for."""
    name = f"openglia-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0{name}")
        server.listen()
        said = attempt(f"return socket.socket(socket.AF_UNIX).connect('\\0{name}')")
    assert denied(rung, said, "ConnectionRefusedError")


@pytest.mark.parametrize("how", ["in a session of its own", "twice forked"])
def test_a_process_that_it_leaves_ends_with_it(attempt, tmp_path, how):
    mark = f"{98_000_000 + os.getpid()}"
    start = f"subprocess.Popen(['sleep', '{mark}'], start_new_session=True)"
    if how == "twice forked":
        # The child must end: else it would go on as a second worker and write into the results.
        last = f"os.fork() and os._exit(0), os.execvp('sleep', ['sleep', '{mark}'])"
        start = f"os.fork() or (os.setsid(), {last})"
    assert "got" in attempt(f"return {start}")
    assert not [
        path
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if mark in _content(path).split("\0") and "sleep" in _content(path)
    ]


def _content(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def test_the_harness_gets_no_signal(attempt, rung):
    caught = []
    before = signal.signal(signal.SIGUSR1, lambda *_: caught.append(1))
    try:
        said = attempt(
            f"""
            for pid in range(1, 400):
                try: pid in (1, os.getpid()) or os.kill(pid, signal.SIGUSR1)
                except (ProcessLookupError, PermissionError): pass
            os.kill({os.getpid()}, signal.SIGUSR1)
            """
        )
        time.sleep(0.05)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert denied(rung, said, "ProcessLookupError")
    assert not caught


def test_it_sees_no_process_but_its_own(attempt):
    """The worker, and its child that simulates."""
    assert "got 2" in attempt("return len([p for p in os.listdir('/proc') if p.isdigit()])")


def test_no_privileges_to_gain(attempt):
    assert "Operation not permitted" in attempt("os.chroot('/')")
    said = attempt("return subprocess.run(['unshare', '-U', 'true'], stderr=-1).stderr")
    assert "unshare" in said


def test_no_variable_of_the_harness(attempt, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-planted-key")
    said = attempt(
        f"""
        print(dict(os.environ))
        for pid in (1, {os.getpid()}):
            try: print(open(f'/proc/{{pid}}/environ').read())
            except OSError as error: print("refused", pid)
        """
    )
    assert "PYTHONHASHSEED" in said
    assert "planted" not in said


def test_the_disk_cannot_be_filled(attempt):
    said = attempt("open('big', 'wb').truncate(2 * 2**30)")
    assert "File too large" in said


def test_a_fork_bomb_is_bounded(attempt, rung):
    if rung == "bubblewrap" and os.geteuid() == 0:
        pytest.skip("Linux does not limit the superuser's processes")
    said = attempt("while True:\n    if os.fork() == 0:\n        signal.pause()")
    assert "BlockingIOError" in said


@pytest.mark.parametrize("simulator", SIMULATORS.values(), ids=SIMULATORS)
def test_a_worker_finds_all_that_it_imports(rung, simulator, tmp_path):
    """Also where Vidur is not installed, whose own files are left out here."""
    # Vidur's worker starts a process per simulation, in an environment of its own making.
    code = f"""
import subprocess, sys, {simulator.worker}, openglia.problems.routing.simulator.clock
if "vidur" in "{simulator.worker}":
    from pathlib import Path
    from openglia.problems.routing import repository
    from openglia.problems.routing.vidur.predictors import simulation_environment
    if repository.git_is_there():
        repository.git(Path.cwd(), "init", "--quiet", ".")
    environment = simulation_environment(Path("/nowhere"))
    words = [sys.executable, "-P", "-c", "import openglia.problems.routing.vidur.runner"]
    subprocess.run(words, env=environment, check=True)
"""
    argv = worker_fence.command(
        [sys.executable, "-P", "-c", code],
        folder=tmp_path,
        sources=simulator.sources,
        readable=[],
        memory_mb=4096,
    )
    environment = worker_environment(paths.ROOT)
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_compiled_files_are_kept_for_the_workers(attempt):
    """They cannot write them; without them each would compile the simulator anew."""
    from importlib.util import cache_from_source

    compiled = Path(
        cache_from_source(str(paths.ROOT / "openglia/problems/routing/simulator/engine.py"))
    )
    compiled.unlink(missing_ok=True)
    attempt("pass")
    assert compiled.exists() or not os.access(compiled.parent.parent, os.W_OK)


def test_an_interpreter_that_cannot_be_shown_means_no_fence(monkeypatch):
    worker_fence.rung.cache_clear()
    worker_fence._prefixes.cache_clear()
    monkeypatch.setenv("HOME", str(Path(sys.executable).resolve().parent.parent / "x"))
    try:
        found = worker_fence.problem()
        if Path(sys.executable).resolve().is_relative_to("/usr"):
            assert found is None
        else:
            assert "lies in the home folder" in found
    finally:
        worker_fence.rung.cache_clear()
        worker_fence._prefixes.cache_clear()
