"""``openglia watch``: how a run goes, or went, from its folder alone."""

import argparse
import io
import sys
from pathlib import Path

from openglia import paths
from openglia.errors import UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "run_dir",
        type=Path,
        nargs="?",
        metavar="RUN_DIR",
        help="a run folder (default: the run under way, else the newest in generated/)",
    )
    parser.add_argument(
        "--once", action="store_true", help="show how it is now, and do not wait for its end"
    )


def run(arguments: argparse.Namespace) -> int:
    """Show the run until its end; of one that has ended, once."""
    # Late: --help needs none of it.
    from rich.console import Console

    from openglia.report.data import is_run
    from openglia.watching import display
    from openglia.watching.state import Watcher, newest

    folder: Path | None = arguments.run_dir or newest(paths.GENERATED)
    if folder is None:
        raise UsageError(f"{paths.GENERATED} holds no run; ./run.sh makes one")
    if not is_run(folder):
        raise UsageError(f"{folder} is not a run's folder; name one in generated/")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # of a terminal that knows fewer letters
    watcher, console = Watcher(folder), Console()
    state = watcher.look()
    if arguments.once or state.ended:
        display.show(state, console)
    elif display.redraws(sys.stdout):
        display.follow(watcher, console, lambda state: state.ended)
    else:
        display.show(state, console)
        display.tell(watcher, _say, lambda state: state.ended)
        display.show(watcher.look(), console)
    return 0


def _say(line: str) -> None:
    print(line, flush=True)
