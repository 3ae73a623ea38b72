"""``openglia setup``: everything that ``./setup.sh`` does once ``.venv`` is there."""

import argparse
import sys

from openglia import bootstrap, paths
from openglia.errors import OpenGliaError
from openglia.problems.routing.vidur import provision
from openglia.problems.routing.vidur.installation import Item

WITHOUT_VIDUR = """
  ┌─ Vidur is NOT installed ─────────────────────────────────────────────────────────────────┐
    {reason}

    The experiment works all the same: the EMBEDDED simulator scores routers. It repeats
    Vidur's events, but its execution times come {times}.
    To install Vidur later: mend the cause and run ./setup.sh again, or name a mirror:
        OPENGLIA_VIDUR_REPO=<URL or path> ./setup.sh
  └──────────────────────────────────────────────────────────────────────────────────────────┘
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options; they are those of setup.sh."""
    parser.add_argument("--check", action="store_true", help="change nothing; say what is there")
    parser.add_argument(
        "--simulator",
        choices=("auto", "embedded", "vidur"),
        default="auto",
        help="auto: Vidur if it can be had; embedded: without Vidur; vidur: fail without it",
    )


def run(arguments: argparse.Namespace) -> int:
    """Check or install. Returns 1 if ``--check`` finds something missing."""
    if arguments.check:
        return _check(arguments.simulator)
    with bootstrap.waiting_lock(paths.CACHE / "setup.lock", "another setup is at work"):
        return _install(arguments.simulator)


def _check(simulator: str) -> int:
    listed = provision.items(vidur_wanted=simulator == "vidur")
    _print_items(listed)
    return 0 if all(item.ok for item in listed) else 1


def _install(simulator: str) -> int:
    reason = "It was not asked for (--simulator embedded)."
    if simulator != "embedded":
        try:
            provision.install_vidur(_tell)
            reason = ""
        except OpenGliaError as error:
            if simulator == "vidur":
                raise
            reason = f"{error}."
    provision.install_files(_tell)
    provision.self_check(_tell)
    listed = provision.items(vidur_wanted=simulator == "vidur")
    _print_items(listed)
    if reason and not provision.vidur_is_there():
        times = "from the analytic (roofline) profile"
        print(WITHOUT_VIDUR.format(reason=reason, times=times))
    missing = [item for item in listed if not item.ok]
    if missing:
        print("setup: not everything is in place, see above", file=sys.stderr)
        return 1
    print("Ready. Start an experiment with ./run.sh")
    return 0


def _tell(line: str) -> None:
    print(line, flush=True)


def _print_items(listed: list[Item]) -> None:
    width = max(len(item.name) for item in listed)
    for item in listed:
        print(f"  {'ok' if item.ok else '--'}  {item.name:<{width}}  {item.note}")
