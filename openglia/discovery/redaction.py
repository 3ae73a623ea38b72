"""Provider keys must not reach a file, a transcript or an error message."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from openglia.discovery.models import CONFIGURATION_FILES, SECRETS_FILES, read_dotenv, read_settings

_SECRET_NAME = re.compile(
    r"(^|_|-)(API_?KEYS?|KEYS?|TOKENS?|SECRETS?|PASSWORD|PASSWD|CREDENTIALS?)($|_|-)",
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


def redactor(environ: Mapping[str, str], root: Path, handed_over: Iterable[str] = ()) -> Redactor:
    """A redactor of the secrets in the environment, and in ``.env`` and fast-agent's files.

    ``handed_over``: names of variables that an agent's command gets; their values are secrets too.
    """
    variables = [*environ.items(), *read_dotenv(root).items()]
    secrets = [value for name, value in variables if _is_secret(name)]
    secrets += [environ[name] for name in handed_over if name in environ]
    for _, value in variables:
        secrets += _USER_INFO.findall(value)
    for names in (CONFIGURATION_FILES, SECRETS_FILES):
        secrets += _secret_leaves(read_settings(root, names)[0])
    return Redactor(secret.strip() for secret in secrets)


def _secret_leaves(settings: Any, *, secret: bool = False) -> list[str]:
    """Strings under a name that says so, and all headers: they carry keys under any name."""
    if isinstance(settings, Mapping):
        return [
            leaf
            for name, item in settings.items()
            for leaf in _secret_leaves(
                item, secret=secret or "header" in str(name) or _is_secret(str(name))
            )
        ]
    if isinstance(settings, list):
        return [leaf for item in settings for leaf in _secret_leaves(item, secret=secret)]
    return [settings] if secret and isinstance(settings, str) else []


def _is_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None
