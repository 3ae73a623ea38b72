"""JSON and text of a run, read tolerantly: whatever is missing or of the wrong form is None."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def at(value: Any, *keys: str | int) -> Any:
    """The value under nested keys, or None where the path breaks off."""
    for key in keys:
        if isinstance(value, Mapping) and isinstance(key, str):
            value = value.get(key)
        elif isinstance(value, list | tuple) and isinstance(key, int):
            value = value[key] if -len(value) <= key < len(value) else None
        else:
            return None
    return value


def number(value: Any, *keys: str | int) -> float | None:
    """The finite number under the keys, or None."""
    found = at(value, *keys)
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return float(found) if math.isfinite(found) else None


def text(value: Any, *keys: str | int) -> str | None:
    """The non-empty string under the keys, or None."""
    found = at(value, *keys)
    return found if isinstance(found, str) and found else None


def interval(value: Any, *keys: str | int) -> tuple[float, float] | None:
    """The pair of numbers under the keys, or None."""
    found = at(value, *keys)
    low, high = number(found, 0), number(found, 1)
    return None if low is None or high is None else (low, high)


def mapping(value: Any, *keys: str | int) -> Mapping[str, Any]:
    """The object under the keys; empty if there is none."""
    found = at(value, *keys)
    return found if isinstance(found, Mapping) else {}


def items(value: Any, *keys: str | int) -> list[Any]:
    """The list under the keys; empty if there is none."""
    found = at(value, *keys)
    return list(found) if isinstance(found, list | tuple) else []


def read_text(path: Path) -> str | None:
    """The file's text, undecodable bytes replaced; None if it cannot be read."""
    try:
        return path.read_text("utf-8-sig", errors="replace")
    except OSError:
        return None
