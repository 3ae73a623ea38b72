"""The worker: what it writes, and how it reports a router that misbehaves."""

import csv
import gzip
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from openglia.paths import ROOT
from openglia.problems.routing.benchmark.definition import Cluster, Limits, ReplicaScheduler
from openglia.problems.routing.benchmark.trace import HEADER
from openglia.problems.routing.simulator.results import REPLICA_COLUMNS, REQUEST_COLUMNS

CLUSTER = Cluster(
    replicas=2,
    gpu="A10",
    model="Llama-3-8B",
    max_tokens=1024,
    replica_scheduler=ReplicaScheduler(type="sarathi", num_blocks=100, chunk_size=128),
)
HEAD = """
import os, random, sys, time
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler

COUNT = [0]

class AIGlobalScheduler(BaseGlobalScheduler):
    def schedule(self):
        COUNT[0] += 1
        placements = [(random.randint(0, 1), request) for request in self._request_queue]
        self._request_queue.clear()
"""


def work(folder: Path, source: str, seeds=(0, 1), resolution=None, **limits):
    scheduler = source
    if not source.startswith("builtin:"):
        file = folder / "router.py"
        file.write_text(source)
        scheduler = str(file)
    traces = {}
    for seed in seeds:
        trace = folder / f"{seed}.csv"
        rows = "".join(f"{0.25 * i},{60 + 9 * i},{30 + i}\n" for i in range(30))
        trace.write_text("arrived_at,num_prefill_tokens,num_decode_tokens\n" + rows)
        traces[str(seed)] = str(trace)
    job = {
        "scheduler": scheduler,
        "cluster": asdict(CLUSTER),
        "limits": asdict(Limits(**limits)),
        "traces": traces,
        "output_dir": str(folder / "out"),
        "resolution": resolution,
    }
    (folder / "job.json").write_text(json.dumps(job))
    return start(folder)


def start(folder: Path):
    return subprocess.run(
        [
            sys.executable,
            "-P",
            "-m",
            "openglia.problems.routing.simulator.worker",
            str(folder / "job.json"),
        ],
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("top", [True, False])
def test_numpy_draws_what_the_seed_says_wherever_it_is_imported(tmp_path, top):
    """As under Vidur, whose main seeds NumPy's global generator. The engine itself loads none."""
    source = HEAD.replace("random.randint(0, 1)", "int(np.random.randint(0, 2))")
    if top:
        source = "import numpy as np\n" + source
    else:
        source = source.replace("COUNT[0] += 1", "import numpy as np")
    source += "        return placements\n"
    assert work(tmp_path, source, seeds=(7,)).returncode == 0
    with (tmp_path / "out/seed_7/request_metrics.csv").open() as stream:
        chosen = [int(row["replica_id"]) for row in csv.DictReader(stream)]
    np.random.seed(7)
    assert chosen == [np.random.randint(0, 2) for _ in chosen]


def test_a_router_without_numpy_runs_without(tmp_path):
    source = HEAD + "        assert 'num' + 'py' not in sys.modules\n        return placements\n"
    assert work(tmp_path, source, seeds=(0,)).returncode == 0


def test_files_of_a_clean_job(tmp_path):
    process = work(
        tmp_path, HEAD + "        print('call')\n        return placements", resolution=1.0
    )
    assert process.returncode == 0, process.stderr
    lines = [json.loads(line) for line in process.stdout.splitlines()]
    assert lines == [{"seed": 0, "status": "ok"}, {"seed": 1, "status": "ok"}]
    for seed in (0, 1):
        folder = tmp_path / "out" / f"seed_{seed}"
        with (folder / "request_metrics.csv").open() as stream:
            rows = list(csv.DictReader(stream))
        assert tuple(rows[0]) == tuple(REQUEST_COLUMNS)
        assert len(rows) == 30
        for row in rows:
            end_to_end = float(row["completed_at"]) - float(row["arrived_at"])
            assert float(row["request_e2e_time"]) == end_to_end
        with gzip.open(folder / "replica_metrics.csv.gz", "rt") as stream:
            assert tuple(next(csv.reader(stream))) == REPLICA_COLUMNS
        summary = json.loads((folder / "summary.json").read_text())
        assert summary["requests"] == 30
        assert summary["seed"] == seed
        assert summary["router_calls"] >= 31
        assert 0 < summary["kv_use_mean"] < 1
        assert summary["execution_times"].startswith("analytic:")
    assert (tmp_path / "out" / "router.log").read_text().startswith("call\ncall\n")
    results = [(tmp_path / "out" / f"seed_{seed}" / "request_metrics.csv") for seed in (0, 1)]
    assert results[0].read_text() != results[1].read_text()  # the router's draws follow the seed


def test_a_seed_starts_afresh_and_repeats(tmp_path):
    source = HEAD + "        assert COUNT[0] < 80\n        return placements"
    first, second = tmp_path / "a", tmp_path / "b"
    for folder in (first, second):
        folder.mkdir()
        assert work(folder, source, seeds=(0, 1, 2)).returncode == 0
    for seed in (0, 1, 2):
        name = f"out/seed_{seed}/request_metrics.csv"
        assert (first / name).read_bytes() == (second / name).read_bytes()


@pytest.mark.parametrize(
    ("body", "limits", "rule", "words"),
    [
        ("1 / 0", {}, "exception", "ZeroDivisionError"),
        ("return [(5, r) for _, r in placements]", {}, "invalid-placement", "replicas 0 to 1"),
        ("return []", {}, "never-completed", "30 of 30"),
        (
            "time.sleep(0.02); return placements",
            {"router_call_mean_ms": 5},
            "router-too-slow",
            "ms",
        ),
        ("while True: pass", {"simulation_seconds": 1.0}, "timeout", "1 s"),
        ("while True: pass", {"router_call_seconds": 0.5}, "timeout", "than 0.5 s"),
        ("time.sleep(99)", {"router_call_seconds": 0.5}, "timeout", "single call"),
        ("big = bytearray(3 << 30)", {"memory_mb": 256}, "memory", ""),
        ("placements[0][1].num_decode_tokens", {}, "oracle", "num_decode_tokens"),
        ("self._replica_schedulers[0].foo", {}, "interface", "'foo'"),
        ("os._exit(0)", {}, "crash", "exit of its own"),
        ("os.kill(os.getpid(), 11)", {}, "crash", "signal 11"),
        ("raise KeyboardInterrupt", {}, "crash", "KeyboardInterrupt"),
    ],
)
def test_a_failure_is_written_with_its_rule(body, limits, rule, words, tmp_path):
    process = work(tmp_path, HEAD + f"        {body}", seeds=(7,), **limits)
    assert process.returncode == 3, process.stderr
    failure = json.loads((tmp_path / "out" / "failure.json").read_text())
    assert set(failure) == {"seed", "rule", "reason", "detail"}
    assert failure["seed"] == 7
    assert failure["rule"] == rule
    assert words in failure["reason"]
    assert "\n" not in failure["reason"]
    assert not process.stdout


def test_much_output_is_cut(tmp_path):
    source = HEAD + "        sys.stderr.write('x' * 50_000)\n        return placements"
    assert work(tmp_path, source).returncode == 0
    assert (tmp_path / "out" / "router.log").stat().st_size == 64 << 10


def test_builtin_routers_by_name(tmp_path):
    assert work(tmp_path, "builtin:llq").returncode == 0
    process = work(tmp_path, "builtin:best")
    assert process.returncode == 1
    assert "no built-in router 'best'" in process.stderr


HANGS = {
    "import": HEAD.replace("COUNT = [0]", "COUNT = [0]\ntime.sleep(99)")
    + "        return placements",
    "constructor": HEAD + "        return placements\n"
    "    def __init__(self, *arguments):\n        super().__init__(*arguments)\n"
    "        while True: pass",
    "add_request": HEAD + "        return placements\n"
    "    def add_request(self, request):\n        time.sleep(99)",
    "generator": HEAD + "        return (x for x in iter(int, 1) if x)",
    "one call of C": HEAD + "        import re; re.match('(a|a)*b', 'a' * 60)",
    "while it prints": HEAD + "        while True: print('still here', flush=True)",
    "as it fails": HEAD + "        class Slow(Exception):\n"
    "            def __str__(self):\n                time.sleep(99)\n"
    "        raise Slow",
}


@pytest.mark.parametrize("where", HANGS)
def test_a_single_call_has_a_limit_of_its_own_wherever_the_router_hangs(where, tmp_path):
    process = work(tmp_path, HANGS[where], seeds=(7,), router_call_seconds=0.4)
    assert process.returncode == 3, process.stderr
    failure = json.loads((tmp_path / "out" / "failure.json").read_text())
    assert (failure["seed"], failure["rule"]) == (7, "timeout")
    assert failure["reason"] == (
        "a single call of the router took longer than 0.4 s (limits.router_call_seconds)"
    )


def test_many_calls_may_take_longer_together_than_one(tmp_path):
    source = HEAD + "        time.sleep(0.02)\n        return placements"
    assert work(tmp_path, source, seeds=(7,), router_call_seconds=0.4).returncode == 0
    assert not (tmp_path / "out" / "failure.json").exists()


def test_output_without_end_does_not_keep_a_seed_alive(tmp_path):
    source = HEAD + "        while True: print('still here', flush=True)"
    process = work(tmp_path, source, seeds=(7,), simulation_seconds=0.5)
    assert process.returncode == 3, process.stderr
    failure = json.loads((tmp_path / "out" / "failure.json").read_text())
    assert failure["reason"] == "one seed took more than 0.5 s"


def test_what_is_wrong_before_the_router_runs_is_not_its_failure(tmp_path):
    traces = {
        "columns": "arrived_at,num_prefill_tokens\n",
        "order": f"{HEADER}\n2.0,1,1\n1.0,1,1\n",
    }
    for name, trace in traces.items():
        folder = tmp_path / name
        folder.mkdir()
        work(folder, "builtin:llq", seeds=(7,))
        (folder / "7.csv").write_text(trace)
        process = start(folder)
        assert process.returncode == 1
        last = json.loads(process.stdout.splitlines()[-1])
        assert (last["seed"], last["status"]) == (7, "error")
        assert "trace" in last["reason"]
        assert process.stderr == f"openglia: {last['reason']}\n"
        assert not (folder / "out" / "failure.json").exists()


def test_an_exit_status_of_the_routers_making_says_nothing_about_the_machine(tmp_path):
    process = work(tmp_path, HEAD + "        os._exit(1)", seeds=(7,))
    assert process.returncode == 3
    assert json.loads((tmp_path / "out" / "failure.json").read_text())["rule"] == "crash"


def test_what_a_router_tells_in_the_workers_place_is_not_the_workers_fault(tmp_path):
    body = (
        "        import contextlib\n"
        "        for number in range(3, 32):\n"
        "            with contextlib.suppress(OSError):\n"
        "                os.write(number, b'[' * 50_000)\n"
        "        os._exit(3)"
    )
    process = work(tmp_path, HEAD + body, seeds=(7,))
    assert process.returncode == 3, process.stderr
    failure = json.loads((tmp_path / "out" / "failure.json").read_text())
    assert (failure["seed"], failure["rule"]) == (7, "crash")


def test_a_failure_of_any_length_is_told(tmp_path):
    process = work(tmp_path, HEAD + "        raise ValueError('\\0' * 10**6)", seeds=(7,))
    assert process.returncode == 3
    failure = json.loads((tmp_path / "out" / "failure.json").read_text())
    assert failure["rule"] == "exception"
    assert len(failure["reason"]) <= 4096
