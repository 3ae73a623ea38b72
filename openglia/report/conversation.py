"""The agents' conversation, from their histories (JSON) or transcripts (Markdown)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from openglia.presenting.tolerant import at, items, mapping, read_text, text

AGENTS = {"researcher": "Researcher", "supervisor": "Supervisor"}

# A page of many megabytes helps nobody; the history files beside it hold everything.
MESSAGE_LIMIT = 20_000  # characters
OUTPUT_LIMIT = 4_000
LINE_LIMIT = 110


@dataclass(frozen=True)
class Call:
    """A call of a tool and what came back."""

    tool: str
    line: str  # the call on one line, for the fold's summary
    input: str
    output: str | None  # None: no result is recorded
    failed: bool


@dataclass(frozen=True)
class Message:
    """What one side said in one turn."""

    speaker: str
    by_agent: bool
    text: str
    length: int  # of the text before it was shortened
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True)
class Conversation:
    """One agent's history. ``transcript`` is set instead where only Markdown is left."""

    agent: str
    source: str  # file name
    messages: tuple[Message, ...] = ()
    transcript: str | None = None

    @property
    def calls(self) -> int:
        """Number of tool calls."""
        return sum(len(message.calls) for message in self.messages)


def read(folder: Path) -> list[Conversation]:
    """The conversations that a run folder holds; a damaged history falls back to Markdown."""
    found = []
    for agent, name in AGENTS.items():
        history, transcript = folder / f"{agent}.json", folder / f"{agent}.md"
        if messages := _history(history, name):
            found.append(Conversation(name, history.name, tuple(messages)))
        elif words := read_text(transcript):
            short = _shortened(words, 10 * MESSAGE_LIMIT, transcript.name)
            found.append(Conversation(name, transcript.name, transcript=short))
    return found


def _history(path: Path, agent: str) -> list[Message]:
    """Messages in fast-agent's ``save_messages`` format; empty if there is none to read."""
    try:
        raw = items(json.loads(path.read_text(errors="replace")), "messages")
    except (OSError, ValueError, RecursionError):
        return []
    messages = []
    for message, answer in zip_longest(raw, raw[1:]):
        calls = tuple(
            _call(call, at(answer, "tool_results", key), path.name)
            for key, call in mapping(message, "tool_calls").items()
        )
        words = _words(at(message, "content"))
        if words or calls:
            role = text(message, "role") or "unknown"
            speaker = {"user": "Harness", "assistant": agent}.get(role, role)
            short = _shortened(words, MESSAGE_LIMIT, path.name)
            messages.append(Message(speaker, role == "assistant", short, len(words), calls))
    return messages


def _call(call: Any, result: Any, source: str) -> Call:
    tool, arguments = text(call, "params", "name") or "tool", mapping(call, "params", "arguments")
    main = arguments.get("command", arguments.get("path"))
    words = main if isinstance(main, str) else json.dumps(dict(arguments))
    line = " ".join(words.split()) or tool
    return Call(
        tool,
        line if len(line) <= LINE_LIMIT else line[: LINE_LIMIT - 1] + "…",
        _shortened(_input(arguments), MESSAGE_LIMIT, source),
        None if result is None else _shortened(_words(at(result, "content")), OUTPUT_LIMIT, source),
        at(result, "isError") is True,
    )


def _input(arguments: Mapping[str, Any]) -> str:
    """All arguments, readable: strings as they are, the rest as JSON."""
    if len(arguments) == 1 and (command := text(arguments, "command")) is not None:
        return command
    return "\n".join(
        f"{key}:\n{value}" if isinstance(value, str) and "\n" in value else f"{key}: {value}"
        for key, value in arguments.items()
    )


def _words(content: Any) -> str:
    """The text of a list of content blocks."""
    blocks = (text(block, "text") for block in content) if isinstance(content, list) else ()
    return "\n\n".join(block for block in blocks if block)


def _shortened(words: str, limit: int, source: str) -> str:
    if len(words) <= limit:
        return words
    half = limit // 2
    gap = f"… {len(words) - 2 * half:,} characters left out; {source} holds them …"
    return f"{words[:half]}\n\n{gap}\n\n{words[-half:]}"
