"""What goes over the evaluator's socket: one line of JSON per message.

Standard library only, and no dataclass, which would take longer to load than all the rest.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple


class Asked(NamedTuple):
    """An agent asks for a score. ``what`` is for the problem to read; see ``Problem.look``."""

    source: str
    what: Mapping[str, Any]

    def encoded(self) -> bytes:
        """The line."""
        return _line({**self.what, "source": self.source})


class Progress(NamedTuple):
    """The evaluator is at work."""

    text: str

    def encoded(self) -> bytes:
        """The line."""
        return _line({"progress": self.text})


class Answer(NamedTuple):
    """The evaluator's last message."""

    line: Mapping[str, Any]  # the problem's JSON line
    table: str  # the same for people

    def encoded(self) -> bytes:
        """The line."""
        return _line({"result": self.line, "table": self.table})


def answer(line: str) -> Progress | Answer:
    """Read what the evaluator sent."""
    message = json.loads(line)
    if "result" in message:
        return Answer(message["result"], message["table"])
    return Progress(message["progress"])


def _line(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message, allow_nan=False).encode() + b"\n"
