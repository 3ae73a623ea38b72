"""``openglia study STUDY.yaml``: many runs, and what they show together.

Imports inside functions are late for --help: what a study needs takes a second to load.
"""

import argparse
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from openglia import paths
from openglia.commands import run as one_run
from openglia.errors import OpenGliaError, UsageError
from openglia.files import exclusive_lock, folder_for_output
from openglia.quantities import at_least_one

if TYPE_CHECKING:
    from openglia.studies.conducting import Runs
    from openglia.studies.definition import Planned, Study


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "study",
        type=Path,
        metavar="STUDY.yaml",
        help="methods, problems and repetitions, such as environment/studies/paper.yaml",
    )
    parser.add_argument("--model", help="of the methods that name none (default: as for ./run.sh)")
    parser.add_argument(
        "--benchmark", metavar="NAME", help="routing: in place of the study's problems"
    )
    parser.add_argument(
        "--repetitions", type=at_least_one, metavar="N", help="in place of the study's"
    )
    parser.add_argument(
        "--summary", action="store_true", help="only write anew what there is to tell by now"
    )
    parser.set_defaults(kind=type(parser))  # which refuses in one line; for the options of a run
    parser.epilog = (
        "Exit status: 0 all runs are done, 1 some are not, 130 it was interrupted. Called again, "
        "it goes on: what is done is not done again."
    )


def run(arguments: argparse.Namespace) -> int:
    """Conduct what is left of the study, and tell of it after every run."""
    from openglia.discovery.models import adopt_dotenv, choose
    from openglia.studies.conducting import Runs
    from openglia.studies.definition import read

    adopt_dotenv(os.environ)
    model = choose(arguments.model, os.environ).model
    changes: dict[str, object] = {}
    if arguments.model or "model" not in (read(arguments.study, changes={}).options):
        changes["options"] = {"model": model}
    if arguments.benchmark:
        changes["problems"] = {arguments.benchmark: {"benchmark": arguments.benchmark}}
    if arguments.repetitions:
        changes["repetitions"] = arguments.repetitions
    study = read(arguments.study, changes=changes)
    planned = list(study.runs())
    _check(arguments.study, planned, arguments.kind)
    told = [arguments.study.stem, arguments.model, arguments.benchmark]
    name = re.sub(r"[^\w.]+", "-", "_".join(filter(None, told)))
    folder = folder_for_output(paths.GENERATED / f"study_{name}")
    runs = Runs(folder, planned)
    with exclusive_lock(folder / ".lock", f"study {name}"):
        try:
            if not arguments.summary:
                _conduct(runs)
        finally:
            if any(runs.begun()):
                _tell(study, name, runs)
    left = len(runs.left())
    if left:
        one_run.say(f"{left} of {len(planned)} runs are not done; call this again to go on")
    return 1 if left else 0


def _conduct(runs: "Runs") -> None:
    from openglia.studies import figures, telling

    left = runs.left()
    one_run.say(f"{len(runs.planned) - len(left)} of {len(runs.planned)} runs are done")
    for place, planned in enumerate(left, start=1):
        one_run.say(f"{place} of {len(left)}: {planned}")
        found = runs.conduct(planned, one_run.say)
        if found is not None:
            table = figures.rows(list(runs.begun()))
            print(telling.row(table, planned), flush=True)
            telling.write_rows(runs.folder, table)


def _tell(study: "Study", name: str, runs: "Runs") -> None:
    from openglia.studies.telling import tell

    page = tell(study, name, runs)
    print((page.parent / "summary.md").read_text(), end="")
    one_run.say(f"see {page}")


def _check(file: Path, planned: "list[Planned]", kind: type[argparse.ArgumentParser]) -> None:
    """All options of all runs, before the first of them.

    Raises:
        UsageError: a run would refuse them.
    """
    for one in planned:
        if one.seed:
            continue  # the same as with seed 0
        parser = kind(prog="./run.sh")
        one_run.configure(parser)
        try:
            one_run.options(parser.parse_args(one.words))
        except OpenGliaError as error:
            raise UsageError(f"{file}: {one.method} on {one.problem}: {error}") from None
