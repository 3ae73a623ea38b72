"""``openglia baseline``: measure the baseline routers and store their figures."""

import argparse
import json

from openglia.commands.progress import ProgressLine
from openglia.commands.routing.evaluate import add_measuring_options, simulator_of
from openglia.commands.score import FAILED
from openglia.problems.routing.benchmark.loading import load_benchmark
from openglia.problems.routing.benchmark.objectives import OBJECTIVES
from openglia.problems.routing.evaluation.baselines import measure_baselines
from openglia.problems.routing.evaluation.tables import comparison_table
from openglia.problems.routing.hooks import HOOKS
from openglia.tables import aligned


def configure(parser: argparse.ArgumentParser) -> None:
    add_measuring_options(parser)
    parser.add_argument("--json", action="store_true", help="print the JSON line only")


def run(arguments: argparse.Namespace) -> int:
    seeds, hook = arguments.seeds, HOOKS[arguments.problem]

    benchmark = load_benchmark(arguments.benchmark or "paper")
    progress = ProgressLine()
    try:
        with simulator_of(arguments, benchmark) as simulator:
            evaluations = measure_baselines(
                benchmark,
                seeds=seeds,
                simulator=simulator,
                hook=hook,
                jobs=arguments.jobs,
                progress=lambda name, done, total: progress.show(f"{name}: {done}/{total} seeds"),
            )
    finally:
        progress.clear()
    results = {name: evaluation.to_json() for name, evaluation in evaluations.items()}
    objective = OBJECTIVES[benchmark.objective]
    yardstick = results.get(hook.yardstick, {}).get(objective.name)
    for result in results.values():
        if yardstick and result["status"] == "ok":
            result[f"ratio_to_{hook.yardstick}"] = result[objective.name] / yardstick
    if not arguments.json:
        rows = [{"name": name, **result} for name, result in results.items()]
        print(aligned(comparison_table(rows, objective)), end="\n\n")
    ok = all(result["status"] == "ok" for result in results.values())
    line = {
        "status": "ok" if ok else "failed",
        "benchmark": benchmark.name,
        "benchmark_hash": benchmark.hash,
        "baselines": results,
    }
    print(json.dumps(line, allow_nan=False))
    return 0 if ok else FAILED
