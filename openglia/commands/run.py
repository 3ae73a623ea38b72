"""``openglia run``: one experiment. ``./run.sh`` calls it.

Imports inside functions are late for --help: what an experiment needs takes a second to load.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openglia.commands.settings import settings
from openglia.errors import UsageError
from openglia.quantities import at_least_one, count, dollars, or_none, seconds

if TYPE_CHECKING:
    from openglia.discovery.experiment import AgentCommand
    from openglia.runs.options import Options
    from openglia.runs.results import Results

_LIMITS = ("max_refinements", "max_evaluations", "time_limit", "max_tokens", "max_cost")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options. Those without a value take the default, or the resumed run's."""
    parser.add_argument("--model", help="a model of fast-agent, or offline (default: by key)")
    parser.add_argument(
        "--agent",
        metavar="COMMAND",
        help="a program of yours, such as a coding agent's CLI, in the Researcher's place",
    )
    parser.add_argument(
        "--agent-network", action="store_true", help="it can reach the network (default: it cannot)"
    )
    parser.add_argument(
        "--agent-env",
        action="append",
        metavar="NAME",
        help="a variable of your environment that it gets, such as its key; may be repeated",
    )
    parser.add_argument(
        "--agent-read",
        action="append",
        type=Path,
        metavar="PATH",
        help="a file or folder that it can read besides; may be repeated",
    )
    parser.add_argument(
        "--no-supervisor", action="store_true", help="nobody questions the Researcher's account"
    )
    several: list[tuple[str, str]] = [
        ("--contexts", "researchers side by side, each with its own Supervisor (default: 1)"),
        ("--generations", "of each, one after the other, who hand over a digest (default: 1)"),
        ("--stagnation", "evaluations in a row without gain that end a generation (default: 10)"),
        ("--review-every", "evaluations after which the Supervisor asks, also within a turn"),
    ]
    for option, said in several:
        parser.add_argument(option, type=at_least_one, metavar="N", help=said)
    parser.add_argument(
        "--share-digest", action="store_true", help="each generation gets the digests of all"
    )
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
        (
            "--max-refinements",
            count,
            "N",
            "rounds after the first (default: 5; 0 for --agent without a Supervisor)",
        ),
        ("--rounds", at_least_one, "N", "rounds in all: --max-refinements and the first"),
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
        "--cluster",
        metavar="tcp://HOST:PORT",
        help="measure on the workers of the Dask cluster whose scheduler listens there",
    )
    parser.add_argument(
        "--resume",
        type=Path,
        metavar="RUN_DIR",
        help="go on with a run: its record, histories and what is left of its limits",
    )
    parser.add_argument(
        "--transfer",
        type=settings,
        metavar="LIST",
        help="routing: other benchmarks to measure the final router on, in at most a third of the "
        "time that was spent on measuring, or none (default: five, if the run is on paper's like)",
    )
    parser.add_argument(
        "--no-cache", action="store_true", help="measure anew also what was measured before"
    )
    parser.add_argument(
        "--no-preflight", action="store_true", help="do not try the model once before the run"
    )
    parser.add_argument(
        "--link", type=Path, metavar="PATH", help="make this a link to the run's folder"
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

        def begin(folder: Path) -> None:
            if arguments.link is not None:
                _link(arguments.link, folder)
            display.begin(folder)

        return conduct(options(arguments), say, on_begin=begin)


def _link(link: Path, folder: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(folder)


def options(arguments: argparse.Namespace) -> "Options":
    """The options in full: from the command line, the resumed run, and the defaults."""
    from dataclasses import replace

    from openglia.discovery.experiment import Limits
    from openglia.discovery.models import choose
    from openglia.problems.registry import DEFAULT, opened
    from openglia.runs.options import STAGNATION, Options

    named = _named_limits(arguments)
    if arguments.resume is not None:
        return _resumed(arguments, named)
    agent = _agent(arguments, None)
    settled = Options(
        choice=choose(arguments.model, os.environ),
        problem=opened(arguments.problem or DEFAULT, arguments.benchmark, arguments.simulator),
        limits=replace(Limits(), **named),
        seed=arguments.seed or 0,
        sandbox=arguments.sandbox,
        agent=agent,
        supervisor=not arguments.no_supervisor,
        contexts=arguments.contexts or 1,
        generations=arguments.generations or 1,
        stagnation=arguments.stagnation or STAGNATION,
        share_digest=arguments.share_digest,
        review_every=arguments.review_every,
        cluster=arguments.cluster,
        transfer=arguments.transfer,
        cache=not arguments.no_cache,
        preflight=not arguments.no_preflight,
    )
    if agent is None or settled.supervised or "max_refinements" in named:
        return settled
    return replace(settled, limits=replace(settled.limits, max_refinements=0))


def _named_limits(arguments: argparse.Namespace) -> dict[str, Any]:
    named = {name: value for name, value in vars(arguments).items() if name in _LIMITS}
    if "rounds" in arguments:
        if "max_refinements" in named:
            raise UsageError("--rounds and --max-refinements say the same: give one of them")
        named["max_refinements"] = arguments.rounds - 1
    return named


def _agent(arguments: argparse.Namespace, before: "AgentCommand | None") -> "AgentCommand | None":
    """The user's program in the Researcher's place; ``before``: the resumed run's."""
    from openglia import paths
    from openglia.discovery.experiment import AgentCommand

    command = arguments.agent
    if command is None and before is not None:
        command = before.command
    if command is None:
        if arguments.agent_network or arguments.agent_env or arguments.agent_read:
            raise UsageError(
                "--agent-network, --agent-env and --agent-read are for --agent COMMAND"
            )
        return None
    variables, read = arguments.agent_env, arguments.agent_read
    if before is not None:
        variables = before.variables if variables is None else variables
        read = before.readable if read is None else read
    for name in variables or ():
        if name not in os.environ:
            raise UsageError(f"--agent-env {name}: your environment has no variable of that name")
    agent = AgentCommand(
        command=command,
        network=arguments.agent_network or (before is not None and before.network),
        variables=tuple(variables or ()),
        readable=tuple(str(Path(path).absolute()) for path in read or ()),
    )
    agent.program(paths.ROOT)  # refuses what is not there
    return agent


def _resumed(arguments: argparse.Namespace, named: dict[str, Any]) -> "Options":
    """What the run to resume was begun with, where the command line says nothing else."""
    from dataclasses import replace

    from openglia.discovery.models import choose
    from openglia.problems.registry import kind_of, opened
    from openglia.runs.folder import existing
    from openglia.runs.options import STAGNATION, Options
    from openglia.runs.results import load

    folder = existing(arguments.resume)
    before = load(folder)
    for name in ("contexts", "generations"):
        if getattr(arguments, name) not in (None, getattr(before, name)):
            raise UsageError(
                f"{folder.id} has {getattr(before, name)} {name}: it goes on with as many; "
                f"leave out --{name}"
            )
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
        agent=_agent(arguments, before.agent),
        supervisor=before.supervised and not arguments.no_supervisor,
        contexts=before.contexts,
        generations=before.generations,
        stagnation=arguments.stagnation or before.stagnation or STAGNATION,
        share_digest=before.share_digest,
        review_every=arguments.review_every or before.review_every,
        transfer=arguments.transfer if arguments.transfer is not None else _transfer_of(before),
        resume=arguments.resume,
        cluster=arguments.cluster,
        cache=not arguments.no_cache,
        preflight=not arguments.no_preflight,
    )


def _transfer_of(before: "Results") -> tuple[str, ...] | None:
    return None if before.transfer_to is None else tuple(before.transfer_to)


def _simulator(arguments: argparse.Namespace, recorded: dict[str, Any]) -> str:
    chosen = arguments.simulator
    return str(recorded.get("simulator", "auto") if chosen == "auto" else chosen)


def say(line: str) -> None:
    """Messages are on standard error; the run's products are files."""
    sys.stderr.write(f"{line}\n")  # at once: the display writes there too
    sys.stderr.flush()
