"""The agents' conversation, from their histories (JSON) or transcripts (Markdown)."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openglia.report.data import at, read_text, text

AGENTS = ("researcher", "supervisor")


@dataclass(frozen=True)
class Call:
    """A call of a tool and what came back."""

    tool: str
    arguments: Mapping[str, Any]
    output: str | None = None  # None: no result is recorded
    failed: bool = False

    @property
    def line(self) -> str:
        """The call on one line, for the fold's summary."""
        main = next(
            (self.arguments[key] for key in ("command", "path") if key in self.arguments), None
        )
        words = main if isinstance(main, str) else json.dumps(dict(self.arguments))
        return " ".join(words.split()) or self.tool

    @property
    def input(self) -> str:
        """All arguments, readable: strings as they are, the rest as JSON."""
        if len(self.arguments) == 1 and isinstance(at(self.arguments, "command"), str):
            return str(self.arguments["command"])
        return "\n".join(
            f"{key}:\n{value}" if isinstance(value, str) and "\n" in value else f"{key}: {value}"
            for key, value in self.arguments.items()
        )


@dataclass(frozen=True)
class Message:
    """What one side said in one turn."""

    role: str  # user (the harness) or assistant (the agent)
    text: str
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True)
class Conversation:
    """One agent's history. ``transcript`` is set instead where only Markdown is left."""

    agent: str
    messages: tuple[Message, ...] = ()
    transcript: str | None = None
    source: str = ""  # file name

    @property
    def calls(self) -> int:
        """Number of tool calls."""
        return sum(len(message.calls) for message in self.messages)


def read(folder: Path) -> list[Conversation]:
    """The conversations that a run folder holds; a damaged history falls back to Markdown."""
    found = []
    for agent in AGENTS:
        messages = _history(folder / f"{agent}.json")
        transcript = None if messages else read_text(folder / f"{agent}.md")
        if messages or transcript:
            found.append(
                Conversation(
                    agent,
                    tuple(messages),
                    transcript,
                    f"{agent}.json" if messages else f"{agent}.md",
                )
            )
    return found


def _history(path: Path) -> list[Message]:
    """Messages in fast-agent's ``save_messages`` format; empty if there is none to read."""
    try:
        raw = at(json.loads(path.read_text(errors="replace")), "messages")
    except (OSError, ValueError, RecursionError):
        return []
    if not isinstance(raw, list):
        return []
    messages = []
    for number, message in enumerate(raw):
        answer = raw[number + 1] if number + 1 < len(raw) else None
        calls = tuple(
            _call(call, at(answer, "tool_results", key))
            for key, call in _items(at(message, "tool_calls"))
        )
        words = _words(at(message, "content"))
        if words or calls:
            messages.append(Message(text(message, "role") or "unknown", words, calls))
    return messages


def _call(call: Any, result: Any) -> Call:
    arguments = at(call, "params", "arguments")
    return Call(
        text(call, "params", "name") or "tool",
        arguments if isinstance(arguments, Mapping) else {},
        None if result is None else _words(at(result, "content")),
        at(result, "isError") is True,
    )


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((str(key), item) for key, item in value.items())


def _words(content: Any) -> str:
    """The text of a list of content blocks."""
    if not isinstance(content, list):
        return ""
    blocks = (text(block, "text") for block in content)
    return "\n\n".join(block for block in blocks if block)
