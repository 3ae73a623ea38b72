"""``openglia reproduce``: measure the known routers and write RESULTS.md."""

import argparse
from pathlib import Path

from openglia.errors import UsageError
from openglia.files import folder_for_output, write_atomically
from openglia.presenting.drawing import png
from openglia.problems.routing.benchmark.definition import DEFAULT
from openglia.problems.routing.benchmark.loading import load_benchmark
from openglia.problems.routing.reference import plot, reproduce, results


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--benchmark",
        action="append",
        metavar="NAME",
        help=f"may be repeated (default: {', '.join(reproduce.BENCHMARK_NAMES)})",
    )
    parser.add_argument(
        "--simulator",
        choices=["auto", "embedded", "vidur"],
        default="auto",
        help="auto is the embedded simulator; vidur takes days (default: %(default)s)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("known-routers"),
        metavar="DIR",
        help="where RESULTS.md and its plot go (default: ./%(default)s)",
    )
    parser.epilog = "What was measured is kept: interrupt it when you like, and call it again."


def run(arguments: argparse.Namespace) -> int:
    names = dict.fromkeys(arguments.benchmark or reproduce.BENCHMARK_NAMES)
    benchmarks = [load_benchmark(name) for name in names]
    for benchmark in benchmarks:
        if benchmark.objective != DEFAULT:
            raise UsageError(
                f"known routers are compared by {DEFAULT}, and {benchmark.name} scores by "
                f"{benchmark.objective}: use openglia compare, with their files"
            )
    output = folder_for_output(arguments.output)  # before an hour is spent
    tables = reproduce.measure_all(benchmarks, arguments.simulator, say=print)
    gaps = [
        reproduce.measure_gap(table.benchmark, say=print)
        for table in tables
        if table.rows and table.benchmark.name in reproduce.GAPS
    ]
    write_atomically(output / "RESULTS.md", results.render(tables, gaps))
    if measured := [table for table in tables if table.rows]:
        write_atomically(output / results.PLOT, png(plot.plot(measured)))
    print(f"Written to {output / 'RESULTS.md'}.")
    return 0
