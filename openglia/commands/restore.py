"""``openglia restore``: put a candidate that was evaluated into the working file: for agents.

It works inside a run alone, and imports nothing but the standard library.
"""

import argparse
import os
from pathlib import Path

from openglia.errors import UsageError
from openglia.quantities import at_least_one
from openglia.runs.client import WORKING_FILE, restore


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("number", type=at_least_one, metavar="N", help="of its evaluation")
    parser.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="default: the working file"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the file, and say what it scored."""
    named = os.environ.get(WORKING_FILE)
    if arguments.file is None and not named:
        raise UsageError(f"name a FILE: {WORKING_FILE} is set inside a run alone")
    target = arguments.file or Path(str(named))
    found = restore(arguments.number)
    # In place: where files can be written and not replaced.
    target.write_bytes(found.source.encode(errors="surrogateescape"))
    print(f"evaluation {found.number} is in {target}\n{found.told}")
    return 0
