"""``openglia finish``: complete the folder of a run whose process was killed."""

import argparse
from pathlib import Path

from openglia.commands.run import say
from openglia.runs.conduct import finish_killed
from openglia.runs.folder import existing


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="generated/run_...")
    parser.epilog = "Exit status: that of the run itself, 130 if it had been killed in the middle."


def run(arguments: argparse.Namespace) -> int:
    return finish_killed(existing(arguments.run_dir), say)
