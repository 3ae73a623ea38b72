"""The cases that an agent asks for: hostile input."""

from collections.abc import Sequence
from typing import Any

from openglia.presenting.score import Case


class RefusedError(Exception):
    """A request of an agent that is not carried out; one line that says why."""


def chosen(cases: Any, known: Sequence[Case], noun: str) -> tuple[Case, ...]:
    """The cases that an agent names, if each of them is known and none is named twice.

    Raises:
        RefusedError: they are anything else.
    """
    if not isinstance(cases, list) or not cases or any(type(c) not in (int, str) for c in cases):
        kinds = "whole numbers" if all(type(case) is int for case in known) else "names"
        raise RefusedError(f"{noun}s must be a list of {kinds}")
    if len(set(cases)) < len(cases):
        raise RefusedError(f"a {noun} is named twice")
    if not set(cases) <= set(known):
        raise RefusedError(f"these are not all evaluation {noun}s")
    return tuple(cases)
