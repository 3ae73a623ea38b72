"""``openglia run``: one experiment. ``./run.sh`` calls it."""

import argparse
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openglia.errors import UsageError

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
    parser.add_argument(
        "--max-refinements", type=_count, metavar="N", help="rounds after the first (default: 5)"
    )
    parser.add_argument(
        "--max-evaluations", type=_count, metavar="N", help="budget of scoring (default: 200)"
    )
    parser.add_argument(
        "--time-limit", type=_seconds, metavar="S", help="seconds of discovery (default: 14400)"
    )
    parser.add_argument(
        "--max-tokens", type=_count, metavar="N", help="of both agents (default: 5000000)"
    )
    parser.add_argument(
        "--seed", type=_count, metavar="N", help="of the offline model (default: 0)"
    )
    parser.add_argument(
        "--sandbox",
        choices=("auto", "bubblewrap", "none"),
        default="auto",
        help="around the agents' commands (default: %(default)s)",
    )
    parser.add_argument(
        "--resume", type=Path, metavar="RUN_DIR", help="go on with a run, its record and histories"
    )
    parser.epilog = (
        "Exit status: 0 the run completed or reached a limit, 1 it failed, 130 it was interrupted. "
        "In every case generated/run_*/ holds what there is."
    )


def run(arguments: argparse.Namespace) -> int:
    from openglia.runs.conduct import conduct

    return conduct(options(arguments), say)


def options(arguments: argparse.Namespace) -> "Options":
    """The options in full: from the command line, the resumed run, and the defaults."""
    from openglia.agents.experiment import Limits
    from openglia.agents.models import choose
    from openglia.benchmark.evaluation import choose_simulator
    from openglia.benchmark.loading import load_benchmark
    from openglia.runs.conduct import Options

    before = _resumed(arguments.resume)
    simulator = arguments.simulator
    if simulator == "auto" and before:
        simulator = before["simulator"]
    named = {
        name: getattr(arguments, name)
        for name in ("max_refinements", "max_evaluations", "time_limit", "max_tokens")
        if getattr(arguments, name) is not None
    }
    seed = arguments.seed
    return Options(
        choice=choose(arguments.model or before.get("model"), os.environ),
        benchmark=load_benchmark(
            arguments.benchmark or before.get("benchmark", {}).get("name", _DEFAULT_BENCHMARK)
        ),
        simulator=choose_simulator(simulator),
        limits=Limits(**({**before.get("limits", {}), **named})),
        seed=seed if seed is not None else before.get("seed", 0),
        sandbox=arguments.sandbox,
        resume=arguments.resume,
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


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise UsageError(f"{text} is negative")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not (value > 0 and math.isfinite(value)):
        raise UsageError(f"{text} is not a positive number of seconds")
    return value
