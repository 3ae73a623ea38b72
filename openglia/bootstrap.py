"""Makes ``.venv`` and installs pinned packages: ``PYTHON -P -m openglia.bootstrap [EXTRA ...]``.

``setup.sh`` calls it with whatever Python it found, so it uses the standard library alone. The
pins are read from pyproject.toml. uv, put into ``.venv`` by pip, does the work where it can.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from openglia import interrupts
from openglia.errors import OpenGliaError
from openglia.files import write_atomically
from openglia.paths import CACHE, ROOT

VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"

# Written before anything is installed and removed when all is: an interrupted installation is
# thrown away.
UNFINISHED = VENV / "openglia-unfinished"
FINISHED = VENV / "openglia-installed.json"  # the pins that are installed, by group

UV = "uv==0.13.9"
MINUTES = 30  # longest time that one installer may take

BASE = "base"  # the group of the project's own dependencies

CONSOLE_SCRIPT = """#!/usr/bin/env bash
# The command `openglia` of the checkout that this .venv lies in, wherever it was moved to.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" exec "$root/.venv/bin/python" -P -m openglia "$@"
"""


def main() -> int:
    """Install the base group and the extras named on the command line."""
    interrupts.install()
    try:
        done = install([BASE, *sys.argv[1:]])
    except OpenGliaError as error:
        print(f"setup: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        interrupts.close()
        print("setup: interrupted; run ./setup.sh again", file=sys.stderr)
        return 130
    if done:
        print(f"Python packages: {done}")
    return 0


def pins() -> dict[str, list[str]]:
    """Requirements by group, from pyproject.toml."""
    with (ROOT / "pyproject.toml").open("rb") as stream:
        project = tomllib.load(stream)["project"]
    return {BASE: project["dependencies"], **project["optional-dependencies"]}


def installed(groups: list[str]) -> bool:
    """Whether ``.venv`` is whole and holds the groups as they are pinned now."""
    if UNFINISHED.exists() or not FINISHED.exists() or not PYTHON.exists():
        return False
    try:
        have = json.loads(FINISHED.read_text())
    except ValueError:
        return False
    wanted = pins()
    return all(have.get(group) == wanted[group] for group in groups)


def install(groups: list[str]) -> str:
    """Install what is missing of ``groups`` and say what was done; empty if nothing was.

    Raises:
        OpenGliaError: there is no network, no such package, or no module venv.
    """
    if installed(groups):
        return ""
    with waiting_lock(CACHE / "packages.lock", "another setup installs packages"):
        if installed(groups):  # by the one that we waited for
            return ""
        if UNFINISHED.exists() or not _runs(PYTHON):
            shutil.rmtree(VENV, ignore_errors=True)
        start = time.monotonic()
        VENV.mkdir(exist_ok=True)
        UNFINISHED.touch()
        if not PYTHON.exists():
            _run([sys.executable, "-m", "venv", str(VENV)], "make .venv")
        wanted = pins()
        have = json.loads(FINISHED.read_text()) if FINISHED.exists() else {}
        how = install_into(PYTHON, [pin for group in groups for pin in wanted[group]])
        script = VENV / "bin" / "openglia"
        write_atomically(script, CONSOLE_SCRIPT)
        script.chmod(0o755)
        have |= {group: wanted[group] for group in groups}
        write_atomically(FINISHED, json.dumps(have, indent=2) + "\n")
        UNFINISHED.unlink()
        return f"installed by {how} in {time.monotonic() - start:.0f} s"


@contextmanager
def waiting_lock(path: Path, what: str) -> Iterator[None]:
    """Hold ``path`` as a lock; wait for its holder, and say so."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = path.open("a")
    except OSError as error:
        raise OpenGliaError(
            f"{path} cannot be written: {error.strerror}; make {path.parent} writable"
        ) from None
    with opened as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{what}; waiting for it", file=sys.stderr)
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def install_into(python: Path, requirements: list[str]) -> str:
    """Install packages into an interpreter's environment, which needs no pip; by what.

    Args:
        requirements: as pip takes them on its command line.

    Raises:
        OpenGliaError: neither uv nor pip can; says why.
    """
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    uv = VENV / "bin" / "uv"
    try:
        if not uv.exists():
            _run([str(PYTHON), "-m", "pip", "install", "--quiet", UV], "install uv")
        command = [str(uv), "pip", "install", "--quiet", "--python", str(python), *requirements]
        _run(command, "install packages", _uv_environment(pip))
    except OpenGliaError as error:
        print(f"setup: uv does not work here ({error}); pip takes longer", file=sys.stderr)
        _run([*pip, "install", "--quiet", *requirements], "install packages")
        return "pip"
    return "uv"


def _uv_environment(pip: list[str]) -> dict[str, str]:
    """uv does not read pip's configuration: hand it the indexes and certificates named there."""
    listed = interrupts.run([*pip, "config", "list"]).stdout
    configured = {}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        configured[name.rpartition(".")[2]] = value.strip("'\"")
    names = {
        "index-url": "UV_DEFAULT_INDEX",
        "extra-index-url": "UV_INDEX",
        "find-links": "UV_FIND_LINKS",
        "cert": "SSL_CERT_FILE",
    }
    found = {ours: configured[theirs] for theirs, ours in names.items() if theirs in configured}
    if "UV_INDEX" in found:
        found["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # as pip does with several indexes
    return found | dict(os.environ)


def _runs(python: Path) -> bool:
    if not python.exists():
        return False
    test = [
        str(python),
        "-c",
        "import sys, pip; sys.exit(not (3, 12) <= sys.version_info < (3, 15))",
    ]
    return interrupts.run(test).returncode == 0


def _run(command: list[str], purpose: str, environment: dict[str, str] | None = None) -> None:
    try:
        result = interrupts.run(command, environment=environment, seconds=60 * MINUTES)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OpenGliaError(f"could not {purpose}: {error}") from None
    if result.returncode != 0:
        said = [line for line in (result.stdout + result.stderr).splitlines() if line.strip()]
        last = said[-1].strip() if said else f"exit status {result.returncode}"
        raise OpenGliaError(f"could not {purpose}: {last}")


if __name__ == "__main__":
    sys.exit(main())
