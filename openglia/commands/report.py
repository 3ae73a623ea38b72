"""``openglia report RUN_DIR``: the page of a run; ``openglia report generated``: of all runs."""

import argparse
from pathlib import Path

from openglia import report
from openglia.discovery.activity import is_alive
from openglia.errors import UsageError
from openglia.report.data import is_run


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "folder",
        type=Path,
        metavar="RUN_DIR",
        help="a run folder (writes report.html), or a folder of them (writes index.html)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the page and print its path."""

    folder: Path = arguments.folder
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder; name a run folder in generated/")
    if is_run(folder):
        print(report.write(folder, alive=is_alive(folder)))
    else:
        print(report.write_index(folder, alive=is_alive))
    return 0
