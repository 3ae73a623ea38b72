"""``openglia benchmarks``: list the benchmarks with their hashes."""

import argparse
import json
import sys

from openglia.errors import OpenGliaError
from openglia.paths import BENCHMARKS
from openglia.problems.routing.benchmark import cluster_words
from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.benchmark.loading import available, load_benchmark
from openglia.problems.routing.seeds import format_seeds
from openglia.tables import aligned


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON line instead")


def run(arguments: argparse.Namespace) -> int:
    found: list[Benchmark] = []
    wrong = 0
    for name in available():
        try:
            found.append(load_benchmark(name))
        except OpenGliaError as error:  # one bad file does not hide the others
            print(f"openglia benchmarks: {error}", file=sys.stderr)
            wrong += 1
    if arguments.json:
        rows = [
            {
                "name": benchmark.name,
                "hash": benchmark.hash,
                "description": benchmark.description,
                "num_blocks": [group.num_blocks for group in benchmark.cluster.members],
                "duration": benchmark.duration,
                "seeds": list(benchmark.seeds),
            }
            for benchmark in found
        ]
        print(json.dumps({"benchmarks": rows}))
        return 1 if wrong else 0
    cells = [["benchmark", "hash", "KV blocks", "simulated", "seeds", "what"]]
    cells += [
        [
            benchmark.name,
            benchmark.hash,
            cluster_words.blocks(benchmark.cluster),
            f"{benchmark.duration:g} s",
            format_seeds(benchmark.seeds),
            benchmark.description,
        ]
        for benchmark in found
    ]
    print(aligned(cells))
    print(f"\nTo add one, add a file to {BENCHMARKS}; README.md there documents the keys.")
    return 1 if wrong else 0
