"""The toy problem, and how it gets into a copy of the project."""

import shutil
from pathlib import Path


def install(root: Path) -> None:
    """Put the toy beside the package in ``root``, with an entry point as an installed one has."""
    shutil.copy(Path(__file__).parent / "toy.py", root)
    facts = root / "openglia_toy-1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: openglia-toy\nVersion: 1\n")
    (facts / "entry_points.txt").write_text("[openglia.problems]\ntoy = toy:KIND\n")
    (root / "toy").mkdir()
    (root / "toy" / "start.json").write_text("[0, 0.5]\n")
