"""A mapping from a YAML file."""

import re
from pathlib import Path
from typing import Any

import yaml

from openglia.errors import UsageError
from openglia.files import read_handed_over


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
