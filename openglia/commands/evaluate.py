"""``openglia evaluate``: score a scheduler file on a benchmark.

During a run OPENGLIA_EVALUATOR names the harness's socket. Then the file is handed over and scored
there; this process only prints what comes back, and imports nothing but the standard library.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from openglia.commands.progress import ProgressLine
from openglia.errors import UsageError
from openglia.paths import WORKING_SCHEDULER
from openglia.problems.routing.benchmark.tables import evaluation_table
from openglia.quantities import at_least_one, seconds
from openglia.seeds import parse_seeds

FAILED = 3  # exit status of a failed evaluation


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "scheduler",
        nargs="?",
        default=str(WORKING_SCHEDULER),
        help="file with class AIGlobalScheduler, or builtin:random, builtin:round_robin, "
        "builtin:lor, builtin:llq (default: the working scheduler)",
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
        help="keep seed_N/request_metrics.csv there; earlier results in it are removed",
    )
    parser.add_argument("--json", action="store_true", help="print the JSON line only")
    parser.epilog = (
        "Exit status: 0 scored, 3 the evaluation failed (the router crashed, took too long, "
        "placed a request wrongly, lost one, or broke a rule), 1 or 2 it could not be done."
    )


def add_measuring_options(parser: argparse.ArgumentParser) -> None:
    """The options that evaluate, baseline and compare share."""
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


def run(arguments: argparse.Namespace) -> int:
    seeds = arguments.seeds
    progress = ProgressLine()
    try:
        if os.environ.get("OPENGLIA_EVALUATOR"):
            result, table = _score_by_harness(arguments, seeds, progress)
        else:
            result, table = _score_here(arguments, seeds, progress)
    finally:
        progress.clear()
    if not arguments.json:
        print(table, end="\n\n")
    for line in result.get("warnings", ()):
        print(f"openglia evaluate: warning: {line}", file=sys.stderr)
    print(json.dumps(result, allow_nan=False))
    if result.get("rule") == "harness":  # not the scheduler's failure: it could not be done
        return 1
    return 0 if result["status"] == "ok" else FAILED


def _score_here(
    arguments: argparse.Namespace, seeds: tuple[int, ...] | None, progress: ProgressLine
) -> tuple[dict[str, Any], str]:
    from dataclasses import replace

    from openglia.problems.routing.benchmark.evaluation import evaluate
    from openglia.problems.routing.benchmark.loading import load_benchmark

    benchmark = load_benchmark(arguments.benchmark or "paper")
    if arguments.duration is not None:
        benchmark = replace(benchmark, duration=float(arguments.duration))
    evaluation = evaluate(
        arguments.scheduler,
        benchmark,
        seeds=seeds,
        simulator=arguments.simulator,
        output_dir=arguments.results,
        jobs=arguments.jobs,
        progress=lambda done, total: progress.show(f"{done}/{total} seeds"),
    )
    result = evaluation.to_json()
    return result, evaluation_table(result)


def _score_by_harness(
    arguments: argparse.Namespace, seeds: tuple[int, ...] | None, progress: ProgressLine
) -> tuple[dict[str, Any], str]:
    from openglia.runs.client import score

    try:
        # As it is, marks and line ends included, so that it has the same hash as outside a run;
        # what is not UTF-8 the harness refuses.
        source = Path(arguments.scheduler).read_bytes().decode(errors="surrogateescape")
    except OSError as error:
        raise UsageError(f"{arguments.scheduler}: cannot be read: {error.strerror}") from None
    if arguments.simulator != "auto" or arguments.results or arguments.jobs:
        print(
            "During a run the harness chooses simulator, jobs and the place of results.",
            file=sys.stderr,
        )
    return score(
        source,
        benchmark=arguments.benchmark,
        seeds=None if seeds is None else list(seeds),
        duration=arguments.duration,
        progress=progress.show,
    )
