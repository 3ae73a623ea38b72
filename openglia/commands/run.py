"""``openglia run``: one experiment. ``./run.sh`` calls it."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openglia.quantities import count, or_none, seconds

if TYPE_CHECKING:
    from openglia.runs.conduct import Options

_DEFAULT_BENCHMARK = "paper"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options. Those without a value take the default, or the resumed run's."""
    parser.add_argument("--model", help="a model of fast-agent, or offline (default: by key)")
    parser.add_argument("--benchmark", metavar="NAME", help="name or YAML file (default: paper)")
    parser.add_argument(
        "--simulator",
        choices=("auto", "embedded", "vidur"),
        default="auto",
        help="that scores routers; auto is the embedded one (default: %(default)s)",
    )
    limits: list[tuple[str, Any, str, str]] = [
        ("--max-refinements", count, "N", "rounds after the first (default: 5)"),
        ("--max-evaluations", or_none(count), "N", "budget of scoring, or none (default: 200)"),
        ("--time-limit", or_none(seconds), "TIME", "of discovery: 90, 15m, 2h, none (default: 4h)"),
        ("--max-tokens", or_none(count), "N", "of both agents: 500k, 2M, none (default: 5M)"),
    ]
    for option, read, metavar, said in limits:
        # Absent if it is not named: None is a value, no limit.
        parser.add_argument(
            option, type=read, metavar=metavar, default=argparse.SUPPRESS, help=said
        )
    parser.add_argument("--seed", type=count, metavar="N", help="of the offline model (default: 0)")
    parser.add_argument(
        "--sandbox",
        choices=("auto", "bubblewrap", "landlock", "none"),
        default="auto",
        help="around the agents' commands (default: %(default)s)",
    )
    parser.add_argument(
        "--resume",
        type=Path,
        metavar="RUN_DIR",
        help="go on with a run: its record, histories and what is left of its limits",
    )
    parser.add_argument(
        "--no-preflight", action="store_true", help="do not try the model once before the run"
    )
    parser.epilog = (
        "Exit status: 0 the run completed or reached a limit, 1 it failed, 130 it was interrupted. "
        "In every case generated/run_*/ holds what there is."
    )


def run(arguments: argparse.Namespace) -> int:
    from openglia.discovery.models import adopt_dotenv
    from openglia.runs.conduct import conduct

    adopt_dotenv(os.environ)
    return conduct(options(arguments), say)


def options(arguments: argparse.Namespace) -> "Options":
    """The options in full: from the command line, the resumed run, and the defaults."""
    from openglia.discovery.experiment import Limits
    from openglia.discovery.models import choose
    from openglia.problems.routing.benchmark.loading import is_path, load_benchmark
    from openglia.problems.routing.simulators import find
    from openglia.runs.conduct import Options
    from openglia.runs.folder import existing
    from openglia.runs.scored_on import restore

    before = _resumed(arguments.resume)
    simulator = arguments.simulator
    if simulator == "auto" and before:
        simulator = before["simulator"]
    named = {
        name: value
        for name, value in vars(arguments).items()
        if name in ("max_refinements", "max_evaluations", "time_limit", "max_tokens")
    }
    benchmark_name = arguments.benchmark or _DEFAULT_BENCHMARK
    if before and not arguments.benchmark:
        benchmark = restore(existing(arguments.resume).path, before)
    else:
        benchmark = load_benchmark(benchmark_name)
    seed = arguments.seed
    return Options(
        choice=choose(arguments.model or before.get("model"), os.environ),
        benchmark=benchmark,
        benchmark_file=Path(benchmark_name).resolve() if is_path(benchmark_name) else None,
        simulator=find(simulator).name,
        limits=Limits(**({**before.get("limits", {}), **named})),
        seed=seed if seed is not None else before.get("seed", 0),
        sandbox=arguments.sandbox,
        resume=arguments.resume,
        preflight=not arguments.no_preflight,
    )


def say(line: str) -> None:
    """Messages are on standard error; the run's products are files."""
    print(line, file=sys.stderr, flush=True)


def _resumed(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    from openglia.runs.folder import existing
    from openglia.runs.results import load

    return load(existing(path))
