"""Numbers and texts as a benchmark's file spells them, each in one form once it is read."""

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from openglia.errors import UsageError, shown
from openglia.problems.refusals import refusal
from openglia.quantities import count, seconds

LARGEST = 10**9  # of a whole number or a time that no narrower bound is given for


def _with_unit(value: Any, read: Callable[[str], float]) -> Any:
    """The number behind a text such as 15m; all else as it is, to be judged by its type."""
    if isinstance(value, str) and value[-1:].isalpha():
        with suppress(UsageError):
            return read(value)
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refusal("", f"must be a number, not {shown(value)}")
    if not abs(value) <= sys.float_info.max:  # also what no float can hold
        raise refusal("", f"must be finite, not {shown(value)}")
    return float(value)


def _whole(value: Any) -> int:
    value = _with_unit(value, count)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise refusal("", f"must be a whole number, not {shown(value)}")
    return value


def _text(value: str) -> str:
    if not value.strip():
        raise refusal("", f"must be a text, not {shown(value)}")
    return value.strip()


Number = Annotated[float, BeforeValidator(_number)]
Whole = Annotated[int, BeforeValidator(_whole)]  # also 8e3 or 8k
_time = BeforeValidator(lambda value: _number(_with_unit(value, seconds)))  # also 15m
Seconds = Annotated[float, Field(gt=0, le=LARGEST), _time]
Instant = Annotated[float, Field(ge=0, le=LARGEST), _time]
Text = Annotated[str, AfterValidator(_text)]
