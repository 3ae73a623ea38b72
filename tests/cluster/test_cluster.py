"""Measuring on a Dask cluster: a scheduler and two workers as processes, on loopback alone."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from living import is_alive

from openglia import interrupts, paths
from openglia.discovery.experiment import Limits
from openglia.discovery.models import Choice
from openglia.errors import OpenGliaError, UsageError
from openglia.measuring import cluster as clusters
from openglia.measuring import tasks, worker_fence
from openglia.measuring.processes import CancelledError
from openglia.measuring.tasks import Required, difference
from openglia.paths import ROOT
from openglia.problems.problem import Look
from openglia.problems.registry import opened
from openglia.problems.routing.benchmark.loading import load_benchmark
from openglia.problems.routing.evaluation import elsewhere
from openglia.problems.routing.evaluation.measuring import measure
from openglia.problems.routing.problem import Routing
from openglia.problems.routing.simulators import find
from openglia.runs import conduct
from openglia.runs.client import score
from openglia.runs.evaluator import Evaluator
from openglia.runs.folder import create
from openglia.runs.options import Options
from openglia.runs.record import Record
from tests.toy.toy import Toy

PATIENCE = 60.0  # seconds: nothing here takes as long on a slow machine

ROUTER = """\
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler


class AIGlobalScheduler(BaseGlobalScheduler):
    def schedule(self):
        {first}
        queue, self._request_queue = list(self._request_queue), []
        return [(r.id % self._num_replicas, r) for r in queue]
"""


def until(condition, seconds=PATIENCE):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


@dataclass
class Machines:
    """The cluster's processes."""

    folder: Path
    address: str = ""
    scheduler: subprocess.Popen | None = None
    workers: list[subprocess.Popen] = field(default_factory=list)

    def dask(self, *words: str) -> subprocess.Popen:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with (self.folder / "log.txt").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", "dask", *words, "--host", "127.0.0.1"],
                cwd=self.folder, env=environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def start(self) -> None:
        file = self.folder / "scheduler.json"
        words = ["scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
        self.scheduler = self.dask(*words)
        until(file.exists)

    def add_worker(self) -> None:
        words = ["worker", "--scheduler-file", str(self.folder / "scheduler.json"), "--no-nanny"]
        words += ["--nthreads", "1", "--no-dashboard", "--local-directory", str(self.folder)]
        self.workers.append(self.dask(*words))

    def end(self) -> None:
        for process in [*self.workers, self.scheduler]:
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    found = Machines(tmp_path_factory.mktemp("dask"))
    try:
        found.start()
        yield found
    finally:
        found.end()


@pytest.fixture(scope="module")
def connected(machines):
    """The cluster, and what was said while it had no worker yet."""
    address = until(lambda: json.loads((machines.folder / "scheduler.json").read_text()))["address"]
    assert address.startswith("tcp://127.0.0.1:")
    said = []

    def say(line: str) -> None:  # called while it waits for a worker
        said.append(line)
        machines.add_worker()
        machines.add_worker()

    with clusters.connect(address, say) as cluster:
        until(lambda: cluster.room == 2)
        yield cluster, said


@pytest.fixture(scope="module")
def cluster(connected):
    return connected[0]


@pytest.fixture
def benchmark(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(
        "extends: smoke\ndescription: x\nduration: 20\nseeds: 0-5\nheld_out_seeds: [77]\n"
    )
    return load_benchmark(str(path))


@pytest.fixture
def there(cluster, benchmark):
    return elsewhere.on_cluster(find("embedded"), cluster, benchmark.cluster)


@pytest.fixture
def router(tmp_path):
    def write(first: str = "pass") -> str:
        path = tmp_path / "router.py"
        path.write_text(ROUTER.format(first=first))
        return str(path)

    return write


def test_a_cluster_without_workers_is_said_and_waited_for(connected):
    """The fixture starts the workers only when that is said."""
    assert ["no workers yet" in line for line in connected[1]] == [True]


def test_a_worker_dies_and_the_scores_are_the_same_to_the_bit(
    machines, cluster, there, benchmark, router, tmp_path
):
    victim, progress, orphans = machines.workers[0], [], []

    def kill(done, total):
        progress.append((done, total))
        if done == 1:
            orphans.extend(until(lambda: interrupts.children(victim.pid)))  # it simulates
            os.kill(victim.pid, signal.SIGKILL)

    found = measure(router(), benchmark, simulator=there, output_dir=tmp_path / "a", progress=kill)
    assert found.ok, found.failure
    assert victim.wait(PATIENCE) == -signal.SIGKILL
    alone = measure(router(), benchmark, output_dir=tmp_path / "b")
    assert found.statistics == alone.statistics
    assert found.to_json().keys() == alone.to_json().keys()
    assert progress == [(n, 6) for n in range(1, 7)]
    until(lambda: not any(map(is_alive, orphans)))
    for seed in benchmark.seeds:
        for name in ("requests.bin", "request_metrics.csv"):
            one, other = (tmp_path / way / f"seed_{seed}" / name for way in "ab")
            assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    "first",
    [
        "raise ValueError('planted')",
        "import os, signal; [os.kill(pid, signal.SIGKILL) for pid in (os.getppid(), os.getpid())]",
    ],
)
def test_a_router_that_fails_or_kills_fails_alone(
    machines, cluster, there, benchmark, router, first
):
    known = {"seeds": (0,), "rules": False}
    found = measure(router(first), benchmark, simulator=there, **known).failure
    alone = measure(router(first), benchmark, **known).failure
    assert (found.rule, found.reason) == (alone.rule, alone.reason)
    assert all(worker.poll() is None for worker in machines.workers[1:])


def test_what_nobody_waits_for_ends(machines, there, benchmark, router):
    cancelled, ended = threading.Event(), []

    def simulated():
        return any(interrupts.children(worker.pid) for worker in machines.workers[1:])

    def score():
        with suppress(CancelledError):
            measure(
                router("while True: pass"), benchmark, simulator=there, rules=False,
                cancelled=cancelled,
            )  # fmt: skip
            return
        ended.append(True)

    thread = threading.Thread(target=score)
    thread.start()
    until(simulated)
    cancelled.set()
    thread.join(PATIENCE)
    until(lambda: not simulated(), 8)  # less than the 10 s that a call of a router may take
    assert ended == [True]


def test_a_run_discovers_on_the_cluster_and_verifies_here(
    cluster, benchmark, router, tmp_path, monkeypatch
):
    here = Routing(benchmark, find("embedded"))
    options = Options(
        choice=Choice("offline", "named"), problem=here, limits=Limits(), seed=0, sandbox="none",
        cluster=cluster.address,
    )  # fmt: skip
    said = []
    with interrupts.handled(), ExitStack() as stack:
        away = conduct._away(options, stack, said.append)
        assert said == [
            f"the cluster at {cluster.address} measures, {cluster.room} cases at a time"
        ]
        record = Record(create(tmp_path), here.presentation)
        with Evaluator(record, away.problem) as evaluator:
            monkeypatch.setenv("OPENGLIA_EVALUATOR", str(evaluator.socket_path))
            score(Path(router()).read_text(), {"seeds": [0, 1]}, said.append)
    assert said[1:] == ["1/2 seeds", "2/2 seeds"] and not evaluator.trouble
    (kept,) = record.records
    alone = here.measure(Path(router()), Look((0, 1)))
    known = {"wall_seconds", "router_ms_mean"}
    assert alone == {**kept.result, **{name: alone[name] for name in known}}
    assert options.problem.simulator.cluster is None  # this one verifies


def test_a_folder_is_sent_with_its_evaluator(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    place = tmp_path / "my-problem"
    (place / "data").mkdir(parents=True)
    (place / "data" / "numbers.txt").write_text("1 2 4")
    (place / "evaluator.py").write_text(
        "from pathlib import Path\n"
        "def evaluate(program_path, split):\n"
        "    names = {}\n"
        "    exec(open(program_path).read(), names)\n"
        "    words = Path(__file__).with_name('data').joinpath('numbers.txt').read_text().split()\n"
        "    return {'combined_score': names['total'](map(int, words)), 'split': split}\n"
    )
    (place / "initial_program.py").write_text("def total(numbers):\n    return sum(numbers) / 3\n")
    (place / "openglia.yaml").write_text("repeats: 3\nsplits: {evaluation: seen, held_out: new}\n")
    here = opened(str(place), None, "auto")
    there = here.on(cluster)
    done = []
    line = there.measure(there.start, there.everything, progress=lambda *two: done.append(two))
    assert line == here.measure(here.start, here.everything)
    assert (line["by_case"], line["metrics"]["split"]) == ([7 / 3] * 3, "seen")
    assert done == [(1, 3), (2, 3), (3, 3)]
    killing = tmp_path / "killing.py"
    killing.write_text("import os\nos.kill(os.getpid(), 9)\n")
    failed = there.measure(killing, Look((0,)))
    assert failed == here.measure(killing, Look((0,))) and failed["rule"] == "crash"


def test_other_problems_are_refused(cluster):
    with pytest.raises(UsageError, match="leave out --cluster"):
        Toy().on(cluster)


def test_workers_that_would_measure_otherwise_are_refused(cluster, benchmark, monkeypatch):
    monkeypatch.setattr(tasks, "version", lambda name: "1.2.3")
    with pytest.raises(OpenGliaError, match=r"its NumPy is .*, and here it is 1\.2\.3; start it"):
        cluster.require("openglia.measuring.tasks:machine")
    monkeypatch.setattr(elsewhere, "read_hash", lambda *_: "abc")
    with pytest.raises(OpenGliaError, match="tables of execution times"):
        elsewhere.on_cluster(find("embedded"), cluster, benchmark.cluster)


def test_a_worker_that_comes_later_refuses_itself(cluster, there, benchmark, monkeypatch):
    wrong = Required(function="openglia.measuring.tasks:machine", facts={"openglia": "other"})
    monkeypatch.setattr(cluster, "_required", {("x", ()): wrong})
    with pytest.raises(OpenGliaError, match=r"its openglia is .* and here it is other"):
        measure("builtin:llq", benchmark, seeds=(0,), simulator=there)


def test_a_case_that_kills_workers_is_given_up_in_a_line():
    from distributed import KilledWorker

    said = clusters._trouble(KilledWorker("openglia-1", None, 3))
    assert "several workers of the cluster died" in str(said)


def test_a_fence_here_is_wanted_there():
    here = tasks.machine()
    name = "fence around simulations"
    assert here[name] == (None if worker_fence.problem() else "there")
    assert "fence" in difference({name: "there"}, {name: None})
    assert difference({name: None}, {name: "there"}) is None


@pytest.mark.parametrize("address", ["127.0.0.1:8786", "tcp://127.0.0.1", "http://a:1/", ""])
def test_what_is_no_address_is_said(address):
    with pytest.raises(UsageError, match="tcp://host:port"):
        clusters.connect(address, print)


def test_a_scheduler_that_is_not_there_is_said(monkeypatch):
    monkeypatch.setattr(clusters, "_ANSWER_SECONDS", 0.2)
    with pytest.raises(OpenGliaError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1 "):
        clusters.connect("tcp://127.0.0.1:1", print)


def test_without_dask_it_is_said_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"-m openglia\.bootstrap cluster"):
        clusters.connect("tcp://127.0.0.1:1", print)
