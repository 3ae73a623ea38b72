"""Provider keys must not reach a file, a transcript or an error message."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from openglia.agents.models import SECRETS_FILES, read_settings

_SECRET_NAME = re.compile(
    r"(^|_|-)(API_?KEYS?|KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|AUTH)($|_|-)",
    re.IGNORECASE,
)
_SHORTEST = 8  # characters; shorter values would blot out ordinary words
_USER_INFO = re.compile(r"://[^/@\s:]+:([^/@\s]+)@")


class Redactor:
    """Replaces secret values in text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # The longest first, so that no key that contains another is left in part.
        usable = sorted({s for s in secrets if len(s) >= _SHORTEST}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, usable))) if usable else None

    def text(self, text: str) -> str:
        """``text`` without any secret."""
        return self._pattern.sub("[redacted]", text) if self._pattern else text

    def value(self, value: Any) -> Any:
        """A JSON value without any secret in its strings, keys included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.value(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value


def redactor(environ: Mapping[str, str], root: Path) -> Redactor:
    """A redactor of the environment's secrets and those in fast-agent's secrets file."""
    secrets = [value for name, value in environ.items() if _SECRET_NAME.search(name)]
    for value in environ.values():
        secrets += _USER_INFO.findall(value)
    settings, _ = read_settings(root, SECRETS_FILES)
    secrets += _leaves(settings)
    return Redactor(secret.strip() for secret in secrets)


def _leaves(settings: Any) -> list[str]:
    if isinstance(settings, Mapping):
        return [leaf for item in settings.values() for leaf in _leaves(item)]
    if isinstance(settings, list):
        return [leaf for item in settings for leaf in _leaves(item)]
    return [settings] if isinstance(settings, str) else []
