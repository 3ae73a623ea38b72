"""``openglia compare``: scheduler files side by side, paired by seed."""

import argparse
import json
import sys
from pathlib import Path

from openglia.commands.progress import ProgressLine
from openglia.commands.routing.evaluate import add_measuring_options, simulator_of
from openglia.commands.score import FAILED
from openglia.files import folder_for_output
from openglia.problems.routing.benchmark.loading import load_benchmark
from openglia.problems.routing.evaluation.comparison import cells, compare_schedulers, write
from openglia.problems.routing.hooks import HOOKS
from openglia.tables import aligned


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "schedulers",
        nargs="+",
        metavar="SCHEDULER",
        help="a file, or random, round_robin, lor, llq; ratios are to the first one named "
        "(to llq if only one is); of the problem scheduling fcfs, random, ...",
    )
    add_measuring_options(parser)
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("comparison"),
        metavar="DIR",
        help="where comparison.csv, .json and .md go (default: ./%(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON line only")


def run(arguments: argparse.Namespace) -> int:
    seeds = arguments.seeds

    benchmark = load_benchmark(arguments.benchmark or "paper")
    output = folder_for_output(arguments.output)  # before hours are spent
    progress = ProgressLine()
    try:
        with simulator_of(arguments, benchmark) as simulator:
            compared = compare_schedulers(
                arguments.schedulers,
                benchmark,
                seeds=seeds,
                simulator=simulator,
                hook=HOOKS[arguments.problem],
                jobs=arguments.jobs,
                progress=lambda name, done, total: progress.show(f"{name}: {done}/{total} seeds"),
            )
    finally:
        progress.clear()
    paths = write(compared, output)
    for row in compared.rows:
        for line in row.get("warnings", ()):
            print(f"openglia compare: warning: {row['name']}, {line}", file=sys.stderr)
    if arguments.json:
        print(json.dumps({"benchmark": benchmark.name, "rows": compared.rows}, allow_nan=False))
    else:
        print(aligned(cells(compared)))
        print(f"\nWritten to {', '.join(str(path) for path in paths)}.")
    return 0 if compared.ok else FAILED
