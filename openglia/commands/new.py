"""``openglia new FOLDER``: write an example of a problem of one's own, commented, to start from."""

import argparse
import shutil
from pathlib import Path

from openglia.errors import UsageError
from openglia.problems import folder

EXAMPLE = Path(folder.__file__).with_name("example")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="to be made")


def run(arguments: argparse.Namespace) -> int:
    """Write the folder and say how to run it."""
    target: Path = arguments.folder
    if target.exists():
        raise UsageError(f"{target} is there already; name a folder to be made")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(EXAMPLE, target, ignore=shutil.ignore_patterns("__pycache__"))
    for path in sorted(target.iterdir()):
        print(f"  {path}")
    print(f"Discover for it: ./run.sh --problem {target}{'' if '/' in str(target) else '/'}")
    return 0
