"""A copy of the project in a path with spaces and non-ASCII letters, and a server of faults."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

TINY = """\
extends: smoke
description: two simulated seconds for the tests of faults
duration: 2
seeds: [0, 1]
held_out_seeds: [70, 71]
baselines: [llq]
"""


class Faulty:
    """Runs commands of the copy, each in a child that can be killed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._server = subprocess.Popen(
            [sys.executable, "-P", "faulty.py"],
            cwd=root,
            env={**_environment(), "PYTHONPATH": str(root)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, **order) -> int:
        """Begin a child; its process id."""
        (self.root / "output").write_text("")  # nothing of the child before
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()
        return self._line()["pid"]

    def end(self) -> int:
        """Its exit status; -9 if it was killed."""
        return self._line()["status"]

    def run(self, fault: str = "", **order) -> int:
        self.start(do="run", fault=fault, **order)
        return self.end()

    def command(self, *words: str, fault: str = "", **order) -> int:
        self.start(do="command", words=list(map(str, words)), fault=fault, **order)
        return self.end()

    @property
    def output(self) -> str:
        """Of the last child."""
        return (self.root / "output").read_text()

    def until(self, text: str) -> None:
        """Wait for the child to say so."""
        deadline = time.monotonic() + 6000
        while text not in self.output:
            assert time.monotonic() < deadline, self.output
            time.sleep(0.02)

    def runs(self) -> list[Path]:
        return sorted((self.root / "generated").glob("run_*"))

    def _line(self) -> dict:
        line = self._server.stdout.readline()
        assert line, "the server of faults has died"
        return json.loads(line)

    def close(self) -> None:
        self._server.stdin.close()
        self._server.wait(600)
        self._server.stdout.close()


def _environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("OPENGLIA_") and not name.endswith("_API_KEY")
    }


@pytest.fixture(scope="session")
def copy(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("faults") / "mein Prüfstand 試験"
    shutil.copytree(ROOT / "openglia", root / "openglia")
    for name in ("benchmarks", "stubs", "vidur_overrides"):
        shutil.copytree(ROOT / "environment" / name, root / "environment" / name)
    for name in ("run_all.sh", "run_baseline.sh"):
        shutil.copy(ROOT / "environment" / name, root / "environment" / name)
    shutil.copy(ROOT / "problem.md", root)
    (root / "environment" / "benchmarks" / "tiny.yaml").write_text(TINY)
    shutil.copy(Path(__file__).parent / "faulty.py", root)
    (root / "environment" / "vidur").mkdir()
    return root


@pytest.fixture(scope="session")
def server(copy):
    faulty = Faulty(copy)
    yield faulty
    faulty.close()


@pytest.fixture
def faulty(server):
    """The server, with no run and no cache of figures left."""
    for name in ("generated", "environment/cache/baselines", "environment/cache/traces"):
        shutil.rmtree(server.root / name, ignore_errors=True)
    return server
