"""Numbers as people write them: ``90``, ``15m``, ``1.5h``; ``500k``, ``2M``; ``none`` is no limit.

Standard library only: an agent's ``evaluate`` reads its options with it too.
"""

import re
from collections.abc import Callable
from decimal import Decimal

from openglia.errors import UsageError, shown

DURATIONS = "a number of seconds, or such as 90s, 15m, 1.5h"
COUNTS = "a whole number, or such as 500k, 2M"

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
_TIMES = {"": 1, "k": 10**3, "m": 10**6}
LARGEST = 10**12  # more is a slip, and overflows somewhere

_NUMBER = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]{1,4})?) *(?P<unit>[a-z]*)"
)


def seconds(text: str) -> float:
    """A positive time in seconds.

    Raises:
        UsageError: it is not one; says what is.
    """
    value = _scaled(text, _SECONDS)
    if value is None:
        raise UsageError(f"{shown(text)} is not a time: give {DURATIONS}")
    if float(value) <= 0:
        raise UsageError(f"{shown(text)} is not above 0: give {DURATIONS}")
    return float(value)


def dollars(text: str) -> float:
    """A positive amount of US dollars.

    Raises:
        UsageError: it is not one; says what is.
    """
    value = _scaled(text, {"": 1, "usd": 1})
    if value is None or value <= 0:
        raise UsageError(f"{shown(text)} is not an amount above 0: give US dollars, such as 2.50")
    return float(value)


def count(text: str, *, least: int = 0) -> int:
    """A whole number that is not below ``least``.

    Raises:
        UsageError: it is not one; says what is.
    """
    value = _scaled(text, _TIMES)
    if value is None or value != value.to_integral_value():
        raise UsageError(f"{shown(text)} is not a count: give {COUNTS}")
    if value < least:
        raise UsageError(f"{shown(text)} is below {least}: give {COUNTS}")
    return int(value)


def at_least_one(text: str) -> int:
    """``count`` from 1 on."""
    return count(text, least=1)


def or_none[T](read: Callable[[str], T]) -> Callable[[str], T | None]:
    """``read`` that also knows ``none``: no limit."""

    def reader(text: str) -> T | None:
        if text.strip().lower() == "none":
            return None
        try:
            return read(text)
        except UsageError as error:
            raise UsageError(f"{error}, or none for no limit") from None

    return reader


def spelled(value: float | None) -> str:
    """The spelling that is read back to the same value."""
    if value is None:
        return "none"
    return str(int(value)) if value == int(value) else repr(value)


def _scaled(text: str, units: dict[str, int]) -> Decimal | None:
    match = _NUMBER.fullmatch(text.strip().lower())
    if match is None or match["unit"] not in units:
        return None
    value = Decimal(match["number"]) * units[match["unit"]]
    if abs(value) > LARGEST:
        raise UsageError(f"{shown(text)} is beyond {LARGEST:,}")
    return value
