"""``openglia verify``: repeat a run's verification and compare it with what the run recorded."""

import argparse
from pathlib import Path

from openglia.commands.run import say
from openglia.runs.folder import existing
from openglia.runs.repetition import repeat


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="generated/run_...")
    parser.add_argument(
        "--simulator",
        choices=("auto", "embedded", "vidur"),
        default="auto",
        help="routing; auto: the one that scored the run (default: %(default)s)",
    )
    parser.epilog = (
        "Exit status: 0 the figures are the recorded ones, 1 they are not. No file changes."
    )


def run(arguments: argparse.Namespace) -> int:
    return repeat(existing(arguments.run_dir), arguments.simulator, say)
