"""The Python that an evaluator runs with: this project's, or one with its ``requirements.txt``."""

import shutil
import subprocess
import sys
from pathlib import Path

from openglia import paths
from openglia.errors import OpenGliaError
from openglia.files import exclusive_lock, sha256
from openglia.problems.folder.source import Source

_SECONDS = 1800.0  # for an installation


def interpreter(source: Source) -> Path:
    """The interpreter for a problem's evaluator; its environment is made once and kept.

    Raises:
        OpenGliaError: what it requires cannot be installed.
    """
    wanted = source.requirements
    if wanted is None:
        return Path(sys.executable)
    key = sha256(wanted.read_bytes() + sys.version.encode())[:12]
    folder = paths.CACHE / "environments" / key
    python, whole = folder / "bin" / "python", folder / "whole"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with exclusive_lock(folder.parent / f"{key}.lock", "another run installs the same packages"):
        if not whole.exists():
            shutil.rmtree(folder, ignore_errors=True)
            _run([sys.executable, "-m", "venv", str(folder)], wanted)
            uv = shutil.which("uv")
            install = [uv, "pip", "install", "--python", str(python)] if uv else None
            install = install or [str(python), "-m", "pip", "install"]
            _run([*install, "--quiet", "-r", str(wanted)], wanted)
            whole.touch()
    return python


def _run(command: list[str], wanted: Path) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OpenGliaError(f"{wanted} cannot be installed: {error}") from None
    if done.returncode:
        said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        last = said[-1].strip() if said else "no message"
        raise OpenGliaError(
            f"{wanted} cannot be installed: {last[:300]}; mend it, or see that the package index "
            f"can be reached"
        )
