"""Reading a mapping of a YAML file with checks; every refusal names file, key, and reason."""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from openglia.errors import UsageError, shown
from openglia.files import read_handed_over
from openglia.quantities import count, seconds

# The key that names a mapping's kind -> kind -> the keys that this kind alone has.
Variants = Mapping[str, Mapping[str, Sequence[str]]]

LARGEST = 10**9  # of a whole number or a time that no narrower bound is given for


class _Loader(yaml.SafeLoader):
    """YAML 1.1 as PyYAML reads it, but ``6e1`` and ``1.5e3`` are numbers, as in YAML 1.2."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


def read_mapping(path: Path) -> dict[Any, Any]:
    """The mapping in a YAML file.

    Raises:
        UsageError: the file cannot be read, or holds something else.
    """
    text = read_handed_over(path)
    try:
        value: Any = yaml.load(text, _Loader)  # a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: such as month 13
        raise UsageError(f"{path}: is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(value, dict):
        raise UsageError(f"{path}: must be a mapping of keys to values")
    return value


class Section:
    """A mapping whose keys are taken one by one; ``done()`` refuses what nobody took.

    Every reader raises ``UsageError`` with one line: the file, the key in dotted form, the reason.
    A key with a ``default`` may be absent; one without must be there.
    """

    def __init__(self, file: Path, key: str, value: object) -> None:
        self.file = file
        self.key = key
        if not isinstance(value, Mapping):
            raise self.error(None, f"must be a mapping, not {shown(value)}")
        self._values: dict[Any, Any] = dict(value)
        self._taken: list[str] = []

    def error(self, key: str | None, reason: str) -> UsageError:
        """The error that says what is wrong with ``key`` of this section (None: the whole)."""
        name = ".".join(part for part in (self.key, key) if part)
        return UsageError(f"{self.file}: {name + ': ' if name else ''}{reason}")

    def has(self, key: str) -> bool:
        """Whether the key is there and not null."""
        if key not in self._taken:
            self._taken.append(key)
        return self._values.get(key) is not None

    def value(self, key: str) -> Any:
        """What stands under a required key, whatever its type."""
        if not self.has(key):
            raise self.error(key, "is missing")
        return self._values[key]

    def text(self, key: str, choices: Sequence[str] = ()) -> str:
        value = self.value(key)
        if not isinstance(value, str) or not value.strip():
            raise self.error(key, f"must be a text, not {shown(value)}")
        if choices and value not in choices:
            raise self.error(key, f"must be one of {', '.join(choices)}, not {shown(value)}")
        return value.strip()

    def number(
        self,
        key: str,
        *,
        default: float | None = None,
        above: float | None = None,
        least: float | None = None,
        most: float | None = None,
    ) -> float:
        """A finite number, always as a float so that 1000 and 1000.0 hash alike."""
        if default is not None and not self.has(key):
            return default
        return self._number(key, self.value(key), above, least, most)

    def seconds(self, key: str, *, default: float | None = None) -> float:
        """A positive time: a number of seconds, or a text such as 15m."""
        if default is not None and not self.has(key):
            return default
        return self._number(key, _with_unit(self.value(key), seconds), 0, None, LARGEST)

    def integer(
        self, key: str, *, default: int | None = None, least: int = 1, most: int = LARGEST
    ) -> int:
        """A whole number, also as 8e3 or 8k."""
        if default is not None and not self.has(key):
            return default
        value = _with_unit(self.value(key), count)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.error(key, f"must be a whole number, not {shown(value)}")
        self._in_range(key, value, None, least, most)
        return value

    def section(self, key: str) -> "Section":
        return Section(self.file, self._dotted(key), self.value(key))

    def sections(self, key: str) -> list["Section"]:
        """A list of mappings, at least one."""
        return [
            Section(self.file, f"{self._dotted(key)}[{index}]", value)
            for index, value in enumerate(self.list(key))
        ]

    def list(self, key: str) -> list[Any]:
        value = self.value(key)
        if not isinstance(value, list) or not value:
            raise self.error(key, f"must be a list with at least one entry, not {shown(value)}")
        return value

    def done(self) -> None:
        """Refuse every key that was not asked for."""
        for key in self._values:
            if key not in self._taken:
                raise self.error(str(key), f"is not a key here; known: {', '.join(self._taken)}")

    def _number(
        self,
        key: str,
        value: object,
        above: float | None,
        least: float | None,
        most: float | None,
    ) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(key, f"must be a number, not {shown(value)}")
        if not abs(value) <= sys.float_info.max:  # also what no float can hold
            raise self.error(key, f"must be finite, not {shown(value)}")
        self._in_range(key, value, above, least, most)
        return float(value)

    def _dotted(self, key: str) -> str:
        return f"{self.key}.{key}" if self.key else key

    def _in_range(
        self,
        key: str,
        value: float,
        above: float | None,
        least: float | None,
        most: float | None,
    ) -> None:
        if above is not None and value <= above:
            raise self.error(key, f"must be above {above:g}, not {shown(value)}")
        if least is not None and value < least:
            raise self.error(key, f"must be at least {least:g}, not {shown(value)}")
        if most is not None and value > most:
            raise self.error(key, f"must be at most {most:.10g}, not {shown(value)}")


def _with_unit(value: object, read: Callable[[str], float]) -> object:
    """The number behind a text such as 15m; all else as it is, to be judged by its type."""
    if isinstance(value, str) and value[-1:].isalpha():
        with suppress(UsageError):
            return read(value)
    return value
