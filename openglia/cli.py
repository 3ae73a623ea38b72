"""The command line: one verb per module of ``openglia.commands`` and its folders.

A module is imported only when its verb is called, so that every command starts as fast as it
can. Each has ``configure(parser)``, which declares its options, and ``run(arguments)``, which
returns the exit status.
"""

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from openglia import __version__
from openglia.errors import OpenGliaError, UsageError

COMMANDS = {
    "setup": "install the simulator and what the experiment needs (./setup.sh calls it)",
    "run": "discover an algorithm: one experiment (./run.sh calls it)",
    "watch": "show how a run goes, or went",
    "finish": "complete the folder of a run whose process was killed",
    "verify": "repeat a run's final verification on the held-out cases",
    "transfer": "measure a candidate on other settings than the one it was found on",
    "study": "make many runs, methods x problems x repetitions, and say what they show together",
    "report": "write a run's report.html, or an index of all runs",
    "new": "write an example of a problem of your own, to start from",
    "export": "write a folder with which a peer's optimizer works on a problem of ours",
    "problems": "list what there is to discover something for",
    "score": "have the run's harness score a file: for agents",
    "restore": "put a candidate that was evaluated into the working file: for agents",
    "doctor": "say what is in force on this machine and what is missing",
    "evaluate": "routing: score a scheduler file on a benchmark",
    "baseline": "routing: measure the baseline routers on a benchmark",
    "compare": "routing: compare scheduler files, paired by seed",
    "benchmarks": "routing: list the benchmarks",
    "trace": "routing: describe a recorded trace and write a benchmark that replays it",
    "selftest": "routing: plant a flaw in the measuring, and see the verdict expose it",
    "reproduce": "routing: measure the known routers and write RESULTS.md",
}
_ROUTING = {
    *("setup", "evaluate", "baseline", "compare", "benchmarks", "trace", "reproduce", "selftest"),
}

# Not bugs: the disk is full, a quota or a limit is reached, something is read-only.
_OF_THE_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}


class Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong; readers of options raise ``UsageError``."""

    def error(self, message: str) -> NoReturn:
        line = " ".join(message.split())
        raise UsageError(f"{self.prog}: {line}; see {self.prog} --help")

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        try:
            return super()._get_value(action, arg_string)
        except UsageError as error:
            raise argparse.ArgumentError(action, str(error)) from None


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status (0 well, 1 failed, 2 wrong usage)."""
    # NumPy and SciPy would start threads for linear algebra, of which there is none here.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    words = list(sys.argv[1:] if argv is None else argv)
    name = next((word for word in words if not word.startswith("-")), None)
    try:
        return _run(words, name)
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("openglia."):
            raise
        print(
            f"openglia {name}: not available in an agent's sandbox, where {error.name} is hidden; "
            f"score a candidate as the problem says during a run",
            file=sys.stderr,
        )
        return 1


def module_of(verb: str) -> Any:
    """The module of a verb."""
    folder = "commands.routing" if verb in _ROUTING else "commands"
    return importlib.import_module(f"openglia.{folder}.{verb}")


def _run(words: list[str], name: str | None) -> int:
    parser = Parser(
        prog="openglia",
        description="Language models discover system algorithms; the harness measures them.",
    )
    parser.add_argument("--version", action="version", version=f"openglia {__version__}")
    verbs = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for verb, summary in COMMANDS.items():
        verb_parser = verbs.add_parser(verb, help=summary, description=summary)
        if verb == name:
            module = module_of(verb)
            module.configure(verb_parser)
    try:
        arguments = parser.parse_args(words)
    except UsageError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    module = module_of(arguments.command)
    try:
        status: int = module.run(arguments)
    except OpenGliaError as error:
        print(f"openglia {arguments.command}: {error}", file=sys.stderr)
        return error.exit_status
    except BrokenPipeError:
        return 1
    except OSError as error:
        if error.errno not in _OF_THE_MACHINE:
            raise
        where = f"{error.filename}: " if error.filename else ""
        said = f"{where}{error.strerror}; make room, or make it writable, and run this again"
        print(f"openglia {arguments.command}: {said}", file=sys.stderr)
        return 1
    return status
