"""``openglia evaluate``: score scheduler files on a benchmark.

During a run OPENGLIA_EVALUATOR names the harness's socket. Then files are handed over and scored
there; this process only prints what comes back, and imports nothing but the standard library.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from openglia.commands.progress import ProgressLine
from openglia.commands.score import FAILED as FAILED
from openglia.commands.score import hand_over, told
from openglia.paths import WORKING_SCHEDULER
from openglia.problems.routing.evaluation.tables import evaluation_table
from openglia.problems.routing.hooks import HOOKS, ROUTER
from openglia.problems.routing.seeds import parse_seeds
from openglia.quantities import at_least_one, seconds
from openglia.runs.client import VARIABLE, WORKING_FILE
from openglia.runs.messages import Answer

if TYPE_CHECKING:
    from openglia.problems.routing.benchmark.definition import Benchmark
    from openglia.problems.routing.simulators import Simulator


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "schedulers",
        nargs="*",
        metavar="SCHEDULER",
        default=[os.environ.get(WORKING_FILE, str(WORKING_SCHEDULER))],
        help="file with class AIGlobalScheduler, or builtin:random, builtin:round_robin, "
        "builtin:lor, builtin:llq; several one after the other (default: the working scheduler); "
        "of the problem scheduling: class AIReplicaScheduler, or builtin:fcfs, builtin:random, "
        "builtin:shortest_prompt, builtin:longest_prompt",
    )
    add_measuring_options(parser)
    parser.add_argument(
        "--duration",
        type=seconds,
        metavar="TIME",
        help="of arrivals to simulate, such as 90, 5m, 1h (default: the benchmark's)",
    )
    parser.add_argument(
        "--results",
        type=Path,
        metavar="DIR",
        help="keep seed_N/request_metrics.csv there, of the last scheduler; earlier results in it "
        "are removed",
    )
    parser.add_argument(
        "--stop-if-worse",
        type=float,
        metavar="VALUE",
        help="give up after the first four seeds if the objective on them is worse",
    )
    parser.add_argument(
        "--no-requests",
        dest="requests",
        action="store_false",
        help="write no request_metrics.csv: up to a tenth faster",
    )
    parser.add_argument("--json", action="store_true", help="print the JSON line only")
    parser.epilog = (
        "Exit status: 0 scored, 3 an evaluation failed (the router crashed, took too long, "
        "placed a request wrongly, lost one, or broke a rule), 1 or 2 it could not be done."
    )


def add_measuring_options(parser: argparse.ArgumentParser) -> None:
    """The options that evaluate, baseline and compare share."""
    parser.add_argument(
        "--problem",
        choices=tuple(HOOKS),
        default=ROUTER.name,
        help="what the candidates are for (default: %(default)s; in a run: the run's)",
    )
    parser.add_argument(
        "--benchmark", metavar="NAME", help="name or YAML file (default: paper, or the run's own)"
    )
    parser.add_argument(
        "--seeds",
        type=parse_seeds,
        metavar="LIST",
        help="such as 0-2 or 0,4,7 (default: all evaluation seeds)",
    )
    parser.add_argument(
        "--simulator",
        choices=["auto", "embedded", "vidur"],
        default="auto",
        help="auto is the embedded one (default: %(default)s)",
    )
    parser.add_argument(
        "--jobs", type=at_least_one, metavar="N", help="worker processes (default: one per core)"
    )
    parser.add_argument(
        "--cluster",
        metavar="tcp://HOST:PORT",
        help="simulate on the workers of the Dask cluster whose scheduler listens there",
    )


@contextmanager
def simulator_of(arguments: argparse.Namespace, benchmark: "Benchmark") -> "Iterator[Simulator]":
    """The simulator that these options name, where they say."""
    # Late: an agent's command starts without all this.
    from openglia.problems.routing.simulators import find

    here = find(arguments.simulator)
    if arguments.cluster is None:
        yield here
        return
    # Late: few commands need a cluster.
    from openglia.measuring.cluster import connect
    from openglia.problems.routing.evaluation.elsewhere import on_cluster

    with connect(arguments.cluster, lambda line: print(line, file=sys.stderr)) as cluster:
        yield on_cluster(here, cluster, benchmark.cluster)


def run(arguments: argparse.Namespace) -> int:
    if os.environ.get(VARIABLE):
        return told(_score_by_harness(arguments), json_only=arguments.json)
    return told(_score_here(arguments), json_only=arguments.json)


def _score_here(arguments: argparse.Namespace) -> Iterator[Answer]:
    # Late: an agent's command, which only asks the harness, starts without all this.
    from dataclasses import replace

    from openglia.problems.routing.benchmark.loading import load_benchmark
    from openglia.problems.routing.benchmark.objectives import OBJECTIVES
    from openglia.problems.routing.evaluation.scoring import evaluate

    benchmark = load_benchmark(arguments.benchmark or "paper")
    if arguments.duration is not None:
        benchmark = replace(benchmark, duration=float(arguments.duration))
    progress = ProgressLine()
    with simulator_of(arguments, benchmark) as simulator:
        for scheduler in arguments.schedulers:
            try:
                evaluation = evaluate(
                    scheduler,
                    benchmark,
                    seeds=arguments.seeds,
                    simulator=simulator,
                    hook=HOOKS[arguments.problem],
                    output_dir=arguments.results,
                    request_metrics=arguments.requests,
                    stop_if_worse=arguments.stop_if_worse,
                    jobs=arguments.jobs,
                    progress=lambda done, total: progress.show(f"{done}/{total} seeds"),
                )
            finally:
                progress.clear()
            line = evaluation.to_json()
            yield Answer(line, evaluation_table(line, OBJECTIVES[benchmark.objective]))


def _score_by_harness(arguments: argparse.Namespace) -> Iterator[Answer]:
    if arguments.simulator != "auto" or arguments.results or arguments.jobs or arguments.cluster:
        print(
            "During a run the harness chooses simulator, jobs and the place of results.",
            file=sys.stderr,
        )
    seeds = None if arguments.seeds is None else list(arguments.seeds)
    asked = {
        "benchmark": arguments.benchmark,
        "seeds": seeds,
        "duration": arguments.duration,
        "requests": arguments.requests,
        "stop_if_worse": arguments.stop_if_worse,
    }
    return hand_over(arguments.schedulers, asked)
