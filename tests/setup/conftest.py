"""A copy of the project and a small Git repository that stands for upstream."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

FOLDERS = ("openglia", "environment/stubs", "environment/vidur_overrides", "environment/benchmarks")
FILES = ("setup.sh", "pyproject.toml", "environment/run_all.sh", "environment/run_baseline.sh")

# Our own stand-ins for what the installation looks for in Vidur.
UPSTREAM_FILES = {
    "setup.py": "# stands for upstream\n",
    "vidur/__init__.py": "",
    "vidur/main.py": "raise SystemExit('a stand-in')\n",
    "vidur/simulator.py": "VERSION = 1\n",
    "vidur/types/global_scheduler_type.py": "# theirs\n",
    "vidur/scheduler/global_scheduler/__init__.py": "",
    "vidur/scheduler/global_scheduler/global_scheduler_registry.py": "# theirs\n",
    "data/large.csv": "not wanted\n" * 100,
}


def run(*command, cwd, env=None, check=True, timeout=600):
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        check=check,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
    )


@dataclass
class Upstream:
    """A repository with two commits; ``commit`` is the wanted one, ``other`` came before it."""

    path: Path
    other: str = ""
    commit: str = ""

    def __post_init__(self):
        self.path.mkdir(parents=True)
        self.git("init", "--quiet")
        self.write(UPSTREAM_FILES)
        self.other = self.save("first")
        self.write({"vidur/simulator.py": "VERSION = 2\n"})
        self.commit = self.save("second")

    def git(self, *words):
        identity = ("-c", "user.name=Nobody", "-c", "user.email=nobody@example.org")
        return run("git", *identity, *words, cwd=self.path).stdout.strip()

    def write(self, files):
        for name, content in files.items():
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            (self.path / name).write_text(content)

    def save(self, message):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")


@dataclass
class Project:
    """A copy of the project without caches; its ``.venv`` is that of the tests."""

    root: Path
    upstream: Upstream
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        for name in FOLDERS:
            shutil.copytree(ROOT / name, self.root / name)
        for name in FILES:
            shutil.copy2(ROOT / name, self.root / name)

    @property
    def vidur(self):
        return self.root / "environment" / "vidur"

    def environment(self):
        kept = {name: value for name, value in os.environ.items() if "OPENGLIA" not in name}
        kept.pop("PYTHONPATH", None)
        return kept | {
            "OPENGLIA_PYTHON": sys.executable,
            "OPENGLIA_VIDUR_REPO": str(self.upstream.path),
            "OPENGLIA_VIDUR_COMMIT": self.upstream.commit,
            **self.variables,
        }

    def put_right(self, check=True):
        """The step of the setup that is about the checkout, in a process of its own."""
        code = (
            "from openglia.problems.routing.vidur import installation as i\n"
            "from openglia.problems.routing.vidur.checkout import Source\n"
            "from openglia.errors import OpenGliaError\n"
            "try:\n"
            "    print(*i.put_right(Source.from_environment()), *i.install_files(), sep='\\n')\n"
            "except OpenGliaError as error:\n"
            "    raise SystemExit(f'error: {error}')\n"
        )
        environment = self.environment() | {"PYTHONPATH": str(self.root)}
        return run(sys.executable, "-P", "-c", code, cwd=self.root, env=environment, check=check)

    def git(self, *words):
        return run("git", *words, cwd=self.vidur).stdout.strip()

    def at_the_wanted_commit(self):
        head = self.git("rev-parse", "HEAD")
        simulator = (self.vidur / "vidur/simulator.py").read_text()
        return head == self.upstream.commit and simulator == "VERSION = 2\n"


@pytest.fixture
def upstream(tmp_path):
    return Upstream(tmp_path / "upstream")


@pytest.fixture
def project(tmp_path, upstream):
    return Project(tmp_path / "a project, größer", upstream)
