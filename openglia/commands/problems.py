"""``openglia problems``: list what there is to discover something for."""

import argparse
import json

from openglia.problems.registry import DEFAULT, kind, names
from openglia.tables import aligned


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true", help="print one JSON line instead")


def run(arguments: argparse.Namespace) -> int:
    """Print the list."""
    kinds = [kind(name) for name in names()]
    if arguments.json:
        rows = [
            {
                "name": k.name,
                "summary": k.summary,
                "objective": k.presentation.objective.name,
                "lower_is_better": k.presentation.objective.lower_is_better,
                "default": k.name == DEFAULT,
            }
            for k in kinds
        ]
        print(json.dumps({"problems": rows}))
        return 0
    cells = [["problem", "discovers", "scored by", "what"]]
    for k in kinds:
        shown = k.presentation
        scored = f"{shown.objective.words}, {shown.objective.direction}"
        cells.append([k.name, f"a {shown.noun}", scored, k.summary])
    print(aligned(cells))
    print(f"\n./run.sh --problem NAME chooses one; {DEFAULT} is the default.")
    return 0
