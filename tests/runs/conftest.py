"""A copy of the project to run in, and a discovery that talks to the socket as an agent does."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import toy

ROOT = Path(__file__).resolve().parents[2]

# Seconds: nothing here takes as long on a slow machine.
PATIENCE = 600

TINY = """\
extends: smoke
description: two simulated seconds for the tests of runs
duration: 2
seeds: [0, 1]
held_out_seeds: [70, 71]
baselines: [llq]
"""


@dataclass(frozen=True)
class Project:
    """A copy of the checkout, with spaces and letters outside ASCII in its path."""

    root: Path

    def start(self, *argv: str, **environment: str) -> subprocess.Popen[str]:
        """Start Python in the project, in a session of its own."""
        return subprocess.Popen(
            [sys.executable, "-P", *argv],
            cwd=self.root,
            env={**clean_environment(), "PYTHONPATH": str(self.root), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *argv: str, **environment: str) -> tuple[int, str]:
        """Run Python in the project; exit status and output."""
        process = self.start(*argv, **environment)
        output, _ = process.communicate(timeout=PATIENCE)
        return process.returncode, output

    def openglia(self, *words: str) -> tuple[int, str]:
        """Run a command of the project."""
        return self.run("-m", "openglia", *words)

    def plainly(self, *words: str) -> tuple[int, str]:
        """Run a command of the project without plots and pages, which take seconds to draw."""
        return self.run("plain.py", *words)

    def runs(self) -> list[Path]:
        """The run folders, oldest first."""
        return sorted((self.root / "generated").glob("run_*"))


def clean_environment() -> dict[str, str]:
    """The environment without what configures a run."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("OPENGLIA_") and not name.endswith("_API_KEY")
    }


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "mein Prüfstand"
    shutil.copytree(ROOT / "openglia", root / "openglia")
    for name in ("benchmarks", "stubs", "vidur_overrides"):
        shutil.copytree(ROOT / "environment" / name, root / "environment" / name)
    for name in ("run_all.sh", "run_baseline.sh"):
        shutil.copy(ROOT / "environment" / name, root / "environment" / name)
    shutil.copy(ROOT / "problem.md", root)
    (root / "environment" / "benchmarks" / "tiny.yaml").write_text(TINY)
    for name in ("scripted.py", "plain.py"):
        shutil.copy(Path(__file__).parent / name, root)
    toy.install(root)
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / ".venv" / "bin" / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (root / ".venv" / "bin" / "python").chmod(0o755)
    return Project(root)
