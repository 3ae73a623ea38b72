"""Runs and their commands with one planted fault each, in a child process of their own.

``python faulty.py`` in a copy of the project loads what all of them need, then reads one JSON
line per child, ``{"do": "run" | "finish" | ..., "fault": "KIND:NAME:N", "to": RUN_DIR}``, and
answers with the child's wait status. A simulation is carried out once and replayed after that.
"""

import errno
import json
import os
import resource
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

import pandas as pd  # noqa: F401

import openglia.problems.routing.evaluation.statistics
import openglia.report
from openglia import cli, files, paths
from openglia.discovery.experiment import Limits, Outcome
from openglia.discovery.models import Choice
from openglia.measuring import worker_fence
from openglia.problems.registry import kind
from openglia.problems.routing.evaluation import measuring, simulation
from openglia.problems.routing.exchange import Failure
from openglia.runs import conduct, finish, verification
from openglia.runs.client import score
from openglia.runs.options import Options
from openglia.runs.standing import Standing

ROUTER = """\
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler

class AIGlobalScheduler(BaseGlobalScheduler):
    def schedule(self):
        queue, self._request_queue = list(self._request_queue), []
        %s
"""
GOOD = ROUTER % "return [(r.id %% self._num_replicas, r) for r in queue]".replace("%%", "%")
POOR = ROUTER % "return [(0, r) for r in queue]"
ENDLESS = ROUTER % "while True: pass"
MEMORY = paths.ROOT / "simulated"


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def replayed(work: simulation.Simulations, **options: object) -> Failure | None:
    """``simulate``, from memory where the same was simulated before."""
    scheduler = work.scheduler
    if not scheduler.startswith("builtin:"):
        scheduler = files.sha256(Path(scheduler).read_bytes())[:8]
    kept = MEMORY / f"{scheduler}-{work.benchmark.duration}-{sorted(work.traces)}"
    if "while True" in (Path(work.scheduler).read_text() if scheduler != work.scheduler else ""):
        return simulation.simulate(work, **options)
    if not kept.exists():
        if failure := simulation.simulate(work, **options):
            return failure
        shutil.copytree(work.folder, kept)
    shutil.copytree(kept, work.folder, dirs_exist_ok=True)
    return None


def small_report(folder: Path, *_: object, **__: object) -> Path:
    """The real one draws for seconds."""
    files.write_atomically(folder / "report.html", "<html></html>\n")
    return folder / "report.html"


def plant(fault: str) -> None:
    """Make the fault happen: at the Nth write of a file whose path holds NAME."""
    kind, name, number = [*fault.split(":"), "", ""][:3]
    seen: Counter[str] = Counter()

    def now(path: str) -> bool:
        seen[kind] += name in path
        return name in path and seen[kind] >= int(number or 1)

    sync, move = os.fsync, Path.replace

    def faulty_sync(handle: int) -> None:
        path = str(Path(f"/proc/self/fd/{handle}").readlink())
        if kind == "half" and now(path):  # killed while it writes
            size = os.fstat(handle).st_size
            os.ftruncate(handle, max(size - 40, size // 2))
            die()
        if kind == "full" and now(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        sync(handle)

    def faulty_move(path: Path, target: Path) -> Path:
        moved = move(path, target)
        if kind == "after" and now(str(target)):
            die()
        return moved

    os.fsync, Path.replace = faulty_sync, faulty_move
    if kind == "at":
        module, function = {"verification": (verification, "check_repeats"),
                            "held-out": (verification, "measure_held_out"),
                            "report": (finish, "_report"),
                            "integrity": (finish, "_check_integrity")}[name]  # fmt: skip
        setattr(module, function, lambda *_: die())
    if kind == "clock":
        jumps = iter(range(10**6))
        time.time = lambda: 1.7e9 - 86_400 * next(jumps)
    if kind == "second":
        time.strftime = lambda *_: "run_20260101_000000"
    if kind == "small-files":
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


async def discover(experiment) -> Outcome:
    import asyncio

    for step in STEPS:
        print("step", step, flush=True)
        if step == "delete":
            shutil.rmtree(experiment.run_dir)
        elif step == "hang":
            await asyncio.sleep(600)
        else:
            os.environ["OPENGLIA_EVALUATOR"] = experiment.environment["OPENGLIA_EVALUATOR"]
            result = (await asyncio.to_thread(score, globals()[step], {})).line
            print("scored", result["status"], result.get("reason"), flush=True)
    return Outcome(status="completed", reason=None, account="", usage={})


STEPS: list[str] = []


def run(order: dict) -> int:
    STEPS[:] = order.get("steps", ["POOR", "GOOD"])
    options = Options(
        choice=Choice("offline", "named by the test"),
        problem=kind("routing").open("tiny", "embedded"),
        limits=Limits(),
        seed=0,
        sandbox="none",
        resume=Path(order["to"]) if "to" in order else None,
    )
    return conduct.conduct(options, lambda line: print(line, flush=True), discover)


def child(order: dict) -> int:
    with Path("output").open("w") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    os.setsid()
    if order.get("replay", True):
        measuring.simulate = replayed
        openglia.report.draw_plots = lambda *_, **__: []
        openglia.report.write = small_report
        Standing._write = lambda _: None
    plant(order.get("fault", ""))
    try:
        if order["do"] == "run":
            return run(order)
        return cli.main(order["words"])
    except openglia.errors.OpenGliaError as error:
        print(f"openglia run: {error}", flush=True)
        return error.exit_status
    except BaseException:
        traceback.print_exc()
        return 99


def main() -> None:
    worker_fence.problem()  # tried once for all children
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            status = child(order)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
        print(json.dumps({"pid": pid}), flush=True)
        print(json.dumps({"status": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}), flush=True)


if __name__ == "__main__":
    main()
