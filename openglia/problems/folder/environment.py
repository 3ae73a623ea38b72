"""The Python that an evaluator runs with: this project's, or one with its ``requirements.txt``."""

import shutil
import sys
import venv
from pathlib import Path

from openglia import paths
from openglia.bootstrap import install_into, waiting_lock
from openglia.errors import OpenGliaError
from openglia.files import sha256
from openglia.problems.folder.source import Source


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
    with waiting_lock(folder.parent / f"{key}.lock", "another run installs the same packages"):
        if not whole.exists():
            shutil.rmtree(folder, ignore_errors=True)
            _install(folder, wanted)
            whole.touch()
    return python


def _install(folder: Path, wanted: Path) -> None:
    try:
        venv.create(folder, symlinks=True)
        install_into(folder / "bin" / "python", ["-r", str(wanted)])
    except (OSError, OpenGliaError) as error:
        raise OpenGliaError(
            f"{wanted} cannot be installed: {error}; mend it, or see that the package index can "
            f"be reached"
        ) from None
