"""What an examination of this machine finds (``openglia doctor``)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One line of the report. ``problem`` keeps a run from working; ``note`` does not."""

    name: str
    state: Literal["ok", "note", "problem"]
    text: str


Examination = tuple[str, Callable[[], Finding]]
