"""``openglia score``: have the run's harness score files, whatever the problem.

For agents: it works inside a run alone, and imports nothing but the standard library.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from openglia.commands.progress import ProgressLine
from openglia.errors import UsageError
from openglia.runs.client import VARIABLE, score
from openglia.runs.messages import Answer

FAILED = 3  # exit status of a failed evaluation


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "candidates", nargs="+", metavar="FILE", help="to score; several one after the other"
    )
    parser.add_argument(
        "--cases", metavar="LIST", help="such as 0,1 (default: all evaluation cases)"
    )
    parser.add_argument("--quick", action="store_true", help="a first look, where there is one")
    parser.add_argument("--json", action="store_true", help="print the JSON line only")
    parser.epilog = (
        f"Works where {VARIABLE} is set: in the agents' shell during a run. Exit status: 0 scored, "
        "3 an evaluation failed and there is no score, 1 or 2 it could not be done."
    )


def run(arguments: argparse.Namespace) -> int:
    """Hand the files over and print what comes back."""
    asked: dict[str, object] = {}
    if arguments.cases is not None:
        asked["cases"] = _cases(arguments.cases)
    if arguments.quick:
        asked["quick"] = True
    return told(hand_over(arguments.candidates, asked), json_only=arguments.json)


def hand_over(candidates: Sequence[str], asked: Mapping[str, object]) -> Iterator[Answer]:
    """The harness's answers for files, which are all read before the first is handed over.

    Raises:
        UsageError: one cannot be read.
    """
    sources = [_read(candidate) for candidate in candidates]
    for source in sources:
        progress = ProgressLine()
        try:
            answer = score(source, asked, progress.show)
        finally:
            progress.clear()
        yield answer


def told(answers: Iterable[Answer], *, json_only: bool) -> int:
    """Print answers and return the exit status."""
    statuses = {_told(answer, json_only=json_only) for answer in answers}
    return next((status for status in (1, FAILED) if status in statuses), 0)


def _read(candidate: str) -> str:
    try:
        # As it is, marks and line ends included, so that it has the same hash as outside a run;
        # what is not UTF-8 the harness refuses.
        return Path(candidate).read_bytes().decode(errors="surrogateescape")
    except OSError as error:
        raise UsageError(f"{candidate}: cannot be read: {error.strerror}") from None


def _told(answer: Answer, *, json_only: bool) -> int:
    if not json_only:
        print(answer.table, end="\n\n")
    for line in answer.line.get("warnings", ()):
        print(f"openglia: warning: {line}", file=sys.stderr)
    print(json.dumps(answer.line, allow_nan=False), flush=True)
    if answer.line.get("rule") == "harness":  # not the candidate's failure: it could not be done
        return 1
    return 0 if answer.line["status"] == "ok" else FAILED


def _cases(text: str) -> list[int | str]:
    parts = [part.strip() for part in text.split(",")]
    return [int(part) if part.isdecimal() and part.isascii() else part for part in parts]
