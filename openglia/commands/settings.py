"""Other settings of a problem, as a command line names them."""

from pathlib import Path


def settings(text: str) -> tuple[str, ...]:
    """A list of settings, or none; files by their absolute paths."""
    found = tuple(
        str(Path(name).absolute()) if name.endswith((".yaml", ".yml")) else name
        for name in map(str.strip, text.split(","))
        if name
    )
    return () if found == ("none",) else found
