"""``openglia reproduce``: measure the reference routers and write RESULTS.md."""

import argparse
import time

from openglia.files import write_atomically
from openglia.problems.routing.reference import reproduce


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--simulator",
        choices=["auto", "embedded", "vidur"],
        default="auto",
        help="auto is the embedded simulator; vidur takes hours (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> int:
    begun = time.monotonic()
    table = reproduce.measure(arguments.simulator, say=print)
    text = reproduce.render(table, time.monotonic() - begun)
    write_atomically(reproduce.RESULTS, text)
    print(f"\n{text}\nWritten to {reproduce.RESULTS}.")
    return 0
