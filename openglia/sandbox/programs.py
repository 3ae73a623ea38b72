"""What a program of the user's, named by a command line, needs to be seen inside the sandbox."""

import os
import shlex
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from openglia.errors import UsageError
from openglia.sandbox.layout import PATH, Program


def program(command: str, readable: Sequence[Path], root: Path, *, network: bool) -> Program:
    """What the command names itself, and what is named besides.

    Files that are words of the command are seen, and so is the program that its first word finds
    on the caller's PATH, with the virtual environment that it belongs to.

    Args:
        command: for a shell; it starts in ``root``.
        readable: further files and folders.
        root: the experiment.

    Raises:
        UsageError: the command cannot be read, or something to show is not there.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"the command {command!r} cannot be read: {error}") from None
    if not words:
        raise UsageError("the command is empty")
    shown = [path.absolute() for path in readable]
    for path in shown:
        if not path.exists():
            raise UsageError(
                f"{path} cannot be shown to the agent's command: there is no such file"
            )
        if root.resolve().is_relative_to(path.resolve()):
            raise UsageError(
                f"{path} cannot be shown to the agent's command: it holds this experiment"
            )
    shown += [path for word in words if (path := root / word).is_file()]
    folders = []
    inside = ":".join((str(root / ".venv" / "bin"), *PATH))
    for word in words:
        found = None if "/" in word or shutil.which(word, path=inside) else shutil.which(word)
        if found is not None:
            folders.append(Path(found).parent)
            shown += _needed(Path(found))
        if word != "env" and "=" not in word:
            break  # the program itself
    shown += [need for path in shown for need in _environment(path)]
    # What lies in a folder that is shown is there with it, and bubblewrap can lay nothing over a
    # link in it, such as an environment's interpreter.
    whole = {path for path in shown if path.is_dir()}
    readable = tuple(p for p in dict.fromkeys(shown) if whole.isdisjoint(p.parents))
    return Program(readable=readable, folders=tuple(folders), network=network)


def _needed(path: Path) -> Iterator[Path]:
    """A program by every path that leads to it."""
    for _ in range(16):
        yield path
        if not path.is_symlink():
            return
        path = Path(os.path.normpath(path.parent / path.readlink()))


def _environment(path: Path) -> Iterator[Path]:
    """The virtual environment that a program is part of."""
    if path.parent.name == "bin" and (path.parent.parent / "pyvenv.cfg").exists():
        yield path.parent.parent
