"""``openglia run``: one experiment. ``./run.sh`` calls it.

Imports inside functions are late for --help: what an experiment needs takes a second to load.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openglia.quantities import count, dollars, or_none, seconds

if TYPE_CHECKING:
    from openglia.runs.options import Options


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options. Those without a value take the default, or the resumed run's."""
    parser.add_argument("--model", help="a model of fast-agent, or offline (default: by key)")
    parser.add_argument(
        "--problem",
        metavar="NAME",
        help="what to discover for: a folder, or a name that openglia problems lists",
    )
    parser.add_argument(
        "--benchmark", metavar="NAME", help="routing: name or YAML file (default: paper)"
    )
    parser.add_argument(
        "--simulator",
        choices=("auto", "embedded", "vidur"),
        default="auto",
        help="routing: that scores routers; auto is the embedded one (default: %(default)s)",
    )
    limits: list[tuple[str, Any, str, str]] = [
        ("--max-refinements", count, "N", "rounds after the first (default: 5)"),
        ("--max-evaluations", or_none(count), "N", "budget of scoring, or none (default: 200)"),
        ("--time-limit", or_none(seconds), "TIME", "of discovery: 90, 15m, 2h, none (default: 4h)"),
        ("--max-tokens", or_none(count), "N", "of both agents: 500k, 2M, none (default: 5M)"),
        ("--max-cost", or_none(dollars), "USD", "of both agents, at list prices (default: none)"),
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
    parser.add_argument(
        "--quiet", action="store_true", help="no display, and no line for each evaluation"
    )
    parser.epilog = (
        "Exit status: 0 the run completed or reached a limit, 1 it failed, 130 it was interrupted. "
        "In every case generated/run_*/ holds what there is."
    )


def run(arguments: argparse.Namespace) -> int:
    """Conduct the experiment."""
    from openglia.discovery.models import adopt_dotenv
    from openglia.runs.conduct import conduct
    from openglia.watching.display import Display

    adopt_dotenv(os.environ)
    with Display(quiet=arguments.quiet) as display:
        return conduct(options(arguments), say, on_begin=display.begin)


def options(arguments: argparse.Namespace) -> "Options":
    """The options in full: from the command line, the resumed run, and the defaults."""
    from dataclasses import replace

    from openglia.discovery.experiment import Limits
    from openglia.discovery.models import choose
    from openglia.problems.registry import DEFAULT, opened
    from openglia.runs.options import Options

    named = {
        name: value
        for name, value in vars(arguments).items()
        if name in ("max_refinements", "max_evaluations", "time_limit", "max_tokens", "max_cost")
    }
    if arguments.resume is not None:
        return _resumed(arguments, named)
    problem = opened(arguments.problem or DEFAULT, arguments.benchmark, arguments.simulator)
    return Options(
        choice=choose(arguments.model, os.environ),
        problem=problem,
        limits=replace(Limits(), **named),
        seed=arguments.seed or 0,
        sandbox=arguments.sandbox,
        preflight=not arguments.no_preflight,
    )


def _resumed(arguments: argparse.Namespace, named: dict[str, Any]) -> "Options":
    """What the run to resume was begun with, where the command line says nothing else."""
    from dataclasses import replace

    from openglia.discovery.models import choose
    from openglia.problems.registry import kind_of, opened
    from openglia.runs.folder import existing
    from openglia.runs.options import Options
    from openglia.runs.results import load

    folder = existing(arguments.resume)
    before = load(folder)
    recorded = before.to_json()
    known = kind_of(recorded)
    if arguments.problem not in (None, known.name) or arguments.benchmark:
        simulator = _simulator(arguments, recorded)
        problem = opened(arguments.problem or known.name, arguments.benchmark, simulator)
    else:
        problem = known.restore(folder.path, recorded, arguments.simulator)
    return Options(
        choice=choose(arguments.model or before.model or None, os.environ),
        problem=problem,
        limits=replace(before.limits, **named),
        seed=before.seed if arguments.seed is None else arguments.seed,
        sandbox=arguments.sandbox,
        resume=arguments.resume,
        preflight=not arguments.no_preflight,
    )


def _simulator(arguments: argparse.Namespace, recorded: dict[str, Any]) -> str:
    chosen = arguments.simulator
    return str(recorded.get("simulator", "auto") if chosen == "auto" else chosen)


def say(line: str) -> None:
    """Messages are on standard error; the run's products are files."""
    sys.stderr.write(f"{line}\n")  # at once: the display writes there too
    sys.stderr.flush()
