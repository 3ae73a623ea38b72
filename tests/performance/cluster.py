"""What a Dask cluster brings, and what limits it: ``python tests/performance/cluster.py``.

A router is measured on `paper` by clusters of one and of two workers on this machine, in turn: wall
times, so run nothing else meanwhile; the ratio is of neighbouring runs. What a task costs client,
scheduler and worker besides the simulation is told in processor time, less what the same processes
use when idle, and in bytes; from that follows on paper where a hundred workers on machines of their
own would be held up. Tasks that send and leave the same files and simulate nothing show it.
"""

import argparse
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from openglia.measuring import tasks  # noqa: E402
from openglia.measuring.cluster import connect  # noqa: E402
from openglia.measuring.tasks import Task  # noqa: E402
from openglia.paths import CACHE  # noqa: E402
from openglia.problems.routing.benchmark.loading import load_benchmark  # noqa: E402
from openglia.problems.routing.evaluation import elsewhere  # noqa: E402
from openglia.problems.routing.evaluation.measuring import measure  # noqa: E402
from openglia.problems.routing.evaluation.requests import read_seed  # noqa: E402
from openglia.problems.routing.evaluation.simulation import Simulations  # noqa: E402
from openglia.problems.routing.reference import reproduce  # noqa: E402
from openglia.problems.routing.simulators import find  # noqa: E402

ROUTER = Path(reproduce.__file__).parent / "routers" / "head_room.py"
RESULTS = ("requests.bin", "summary.json")  # of a seed, as the client gets them
WHO = ("client", "scheduler", "workers")
GIGABIT = 125e6  # bytes per second
TICKS = os.sysconf("SC_CLK_TCK")


class Machines:
    """A scheduler and workers of one thread, on loopback."""

    def __init__(self, workers: int, folder: Path, stack: ExitStack) -> None:
        file = folder / "scheduler.json"
        self.scheduler = self._dask(stack, "scheduler", "--port", "0", "--scheduler-file", file)
        words = ["worker", "--scheduler-file", file, "--nthreads", "1", "--no-nanny"]
        words += ["--local-directory", folder]
        self.workers = [self._dask(stack, *words) for _ in range(workers)]
        while not file.exists():
            time.sleep(0.1)
        self.cluster = connect(json.loads(file.read_text())["address"], print)
        stack.enter_context(self.cluster)
        while self.cluster.room < workers:
            time.sleep(0.1)

    @staticmethod
    def _dask(stack: ExitStack, *words: object) -> subprocess.Popen:
        command = [sys.executable, "-P", "-m", "dask", *map(str, words)]
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--no-dashboard"],
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{Path(__file__).parent}"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        stack.callback(process.wait)
        stack.callback(process.kill)
        return process

    def seconds(self) -> list[float]:
        """Processor time so far: of this process, the scheduler, and a worker without children."""
        here = time.process_time()
        return [here, cpu(self.scheduler.pid), sum(cpu(one.pid) for one in self.workers)]


def cpu(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / TICKS


def leave(told, folder: Path, output: Path, cancelled) -> None:
    """What a task does that simulates nothing: it leaves a seed's results."""
    (output / "seed_0").mkdir()
    for name in RESULTS:
        shutil.copy(folder / name, output / "seed_0")


def used(machines: Machines, work) -> tuple[float, list[float]]:
    """Wall seconds, and processor seconds of client, scheduler and workers."""
    begun, before = time.perf_counter(), machines.seconds()
    work()
    after = machines.seconds()
    return time.perf_counter() - begun, [b - a for a, b in zip(before, after, strict=True)]


def overhead(machines: Machines, benchmark, count: int) -> None:
    """Measure tasks without a simulation and tell of what limits them."""
    seed = benchmark.seeds[0]
    with tempfile.TemporaryDirectory() as name:
        done = measure(
            str(ROUTER), benchmark, seeds=(seed,), output_dir=Path(name), request_metrics=False
        )
        assert done.ok
        files = {file: Path(name) / f"seed_{seed}" / file for file in RESULTS}
        files |= {"trace.csv": CACHE / "traces" / benchmark.trace_name(seed), "router.py": ROUTER}
        told = Simulations(
            scheduler="router.py",
            benchmark=benchmark,
            simulator=find("embedded"),
            traces={seed: Path("trace.csv")},
            folder=Path(),
        )
        task = Task(function="cluster:leave", told=told, files=files)

        def many() -> None:
            with machines.cluster.started([task] * count) as started:
                for number, (_, answer) in enumerate(started.answers()):
                    tasks.unpack(answer.left, Path(name) / str(number))
                    read_seed(Path(name) / str(number) / "seed_0", files["trace.csv"])

        many()
        rests, idle = used(machines, lambda: time.sleep(5))
        wall, busy = used(machines, many)
        with machines.cluster.started([task]) as started:
            ((_, answer),) = started.answers()
        spec = len(pickle.dumps((told, tuple(machines.cluster._required.values()))))
        spec += len(tasks.packed(ROUTER.read_bytes()))
        trace = len(tasks.packed(files["trace.csv"].read_bytes()))
    cost = [(b - i * wall / rests) / count for b, i in zip(busy, idle, strict=True)]
    print(f"  {count} tasks that simulate nothing: {count / wall:.0f} per second")
    print("  processor time per task: " + ", ".join(
        f"{who} {1000 * seconds:.1f} ms" for who, seconds in zip(WHO, cost, strict=True)
    ))  # fmt: skip
    left = len(pickle.dumps(answer))
    print(f"  bytes per task: {spec:,} there, its trace {trace:,} (once), {left:,} back")
    most = {WHO[0]: 1 / cost[0], WHO[1]: 1 / cost[1], "gigabit network": GIGABIT / (spec + left)}
    for name, rate in sorted(most.items(), key=lambda item: item[1]):
        print(f"    the {name} could do {rate:.0f} per second")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=300, help="that simulate nothing")
    parser.add_argument("--benchmark", default="paper")
    arguments = parser.parse_args()
    benchmark = load_benchmark(arguments.benchmark)
    count = len(benchmark.seeds)
    with ExitStack() as stack:
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2)]
        one, two = (Machines(n, folder, stack) for n, folder in zip((1, 2), folders, strict=True))

        def evaluate(machines: Machines | None) -> float:
            simulator = find("embedded")
            if machines is not None:
                cluster = machines.cluster
                simulator = elsewhere.on_cluster(simulator, cluster, benchmark.cluster)
            begun = time.perf_counter()
            done = measure(str(ROUTER), benchmark, simulator=simulator)
            assert done.ok, done.failure
            seen.add(done.statistics.mean_response_time)
            return time.perf_counter() - begun

        seen: set[float] = set()
        for machines in (one, two, None):
            evaluate(machines)  # files are sent, traces made
        rows = [[evaluate(m) for m in (one, two, None)] for _ in range(arguments.repeats)]
        assert len(seen) == 1, "the scores differ"
        print(f"{benchmark.name}, {count} seeds, head_room, {arguments.repeats} repeats")
        for label, column in (("1 worker", 0), ("2 workers", 1), ("no cluster", 2)):
            print(f"  {label:10} {median(row[column] for row in rows):6.2f} s")
        for label, top in (("1 to 2 workers", 0), ("no cluster to 2 workers", 2)):
            ratios = [row[top] / row[1] for row in rows]
            print(f"  {label}: {median(ratios):.2f} x ({min(ratios):.2f} .. {max(ratios):.2f})")
        seconds = median(row[0] for row in rows) / count
        print(f"  a worker does {1 / seconds:.2f} tasks per second, so 100 do {100 / seconds:.0f}")
        overhead(two, benchmark, arguments.tasks)


if __name__ == "__main__":
    main()
