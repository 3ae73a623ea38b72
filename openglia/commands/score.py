"""``openglia score``: have the run's harness score a file, whatever the problem.

For agents: it works inside a run alone, and imports nothing but the standard library.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from openglia.commands.progress import ProgressLine
from openglia.errors import UsageError
from openglia.runs.client import VARIABLE, score
from openglia.runs.messages import Answer

FAILED = 3  # exit status of a failed evaluation


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("candidate", help="the file to score")
    parser.add_argument(
        "--cases", metavar="LIST", help="such as 0,1 (default: all evaluation cases)"
    )
    parser.add_argument("--quick", action="store_true", help="a first look, where there is one")
    parser.add_argument("--json", action="store_true", help="print the JSON line only")
    parser.epilog = (
        f"Works where {VARIABLE} is set: in the agents' shell during a run. Exit status: 0 scored, "
        "3 the evaluation failed and there is no score, 1 or 2 it could not be done."
    )


def run(arguments: argparse.Namespace) -> int:
    """Hand the file over and print what comes back."""
    asked: dict[str, object] = {}
    if arguments.cases is not None:
        asked["cases"] = _cases(arguments.cases)
    if arguments.quick:
        asked["quick"] = True
    return told(hand_over(arguments.candidate, asked), json_only=arguments.json)


def hand_over(candidate: str, asked: Mapping[str, object]) -> Answer:
    """The harness's answer for a file.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        # As it is, marks and line ends included, so that it has the same hash as outside a run;
        # what is not UTF-8 the harness refuses.
        source = Path(candidate).read_bytes().decode(errors="surrogateescape")
    except OSError as error:
        raise UsageError(f"{candidate}: cannot be read: {error.strerror}") from None
    progress = ProgressLine()
    try:
        return score(source, asked, progress.show)
    finally:
        progress.clear()


def told(answer: Answer, *, json_only: bool) -> int:
    """Print an answer and return the exit status."""
    if not json_only:
        print(answer.table, end="\n\n")
    for line in answer.line.get("warnings", ()):
        print(f"openglia: warning: {line}", file=sys.stderr)
    print(json.dumps(answer.line, allow_nan=False))
    if answer.line.get("rule") == "harness":  # not the candidate's failure: it could not be done
        return 1
    return 0 if answer.line["status"] == "ok" else FAILED


def _cases(text: str) -> list[int | str]:
    parts = [part.strip() for part in text.split(",")]
    return [int(part) if part.isdecimal() and part.isascii() else part for part in parts]
