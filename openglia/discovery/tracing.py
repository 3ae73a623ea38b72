"""What is kept of a run: fast-agent's trace, readable transcripts, histories to resume from."""

import json
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fast_agent.agents.tool_runner import ToolRunner, ToolRunnerHooks
from fast_agent.core.logging.events import Event, EventFilter
from fast_agent.core.logging.transport import AsyncEventBus, FileTransport
from fast_agent.mcp import prompt_serialization
from fast_agent.types import PromptMessageExtended

from openglia.discovery.activity import Activity
from openglia.discovery.limits import Budget
from openglia.discovery.redaction import Redactor
from openglia.files import append_json_line, write_atomically

TRACE = "fastagent.jsonl"
RESEARCHER = "researcher"
SUPERVISOR = "supervisor"

# Within a turn the history is saved before a call of the model, but not more often than this: a
# long one takes a while to write.
_SAVE_EVERY = 5.0  # seconds


class Trace:
    """Writes the files of one run; nothing leaves it unredacted."""

    def __init__(self, run_dir: Path, redactor: Redactor, shared_dir: Path | None = None) -> None:
        self.run_dir = run_dir
        self.redactor = redactor
        self._path = (shared_dir or run_dir) / TRACE
        self._installed = False

    def install(self) -> None:
        """Send fast-agent's log to the run's folder. Call it once fast-agent has started."""
        AsyncEventBus.get().transport = _RedactedFile(self._path, self.redactor)
        self._installed = True

    def note(self, message: str, **data: Any) -> None:
        """Add a line of the harness to fast-agent's log, where fast-agent has started.

        Not through its logger: that ends for all contexts with the first one that ends.
        """
        if self._installed:
            line = {
                "level": "INFO",
                "timestamp": datetime.now().isoformat(),
                "namespace": "openglia.discovery",
                "message": message,
                "data": data,
            }
            append_json_line(self._path, self.redactor.value(line), durable=False)


class _RedactedFile(FileTransport):
    """fast-agent's own JSON Lines file, redacted event by event."""

    def __init__(self, path: Path, redactor: Redactor) -> None:
        # Below "info" each request is logged whole, history and all.
        super().__init__(path, event_filter=EventFilter(min_level="info"))
        self._redactor = redactor

    async def send_matched_event(self, event: Event) -> None:
        data = self._serializer(event.data) if event.data else {}
        await super().send_matched_event(
            event.model_copy(
                update={
                    "message": self._redactor.text(event.message),
                    "data": self._redactor.value(data),
                }
            )
        )


class Transcript:
    """What is said to an agent and by it, as Markdown: AGENT.md in the run's folder."""

    def __init__(self, run_dir: Path, agent: str, redactor: Redactor) -> None:
        self.path = run_dir / f"{agent}.md"
        self._redactor = redactor

    def write(self, speaker: str, text: str) -> None:
        """Add what one speaker said, so that a killed run keeps it."""
        now = datetime.now(UTC).strftime("%H:%M:%S")
        entry = f"## {speaker} ({now} UTC)\n\n{text or '(nothing)'}\n\n"
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(self._redactor.text(entry))


class Journal:
    """One agent's transcript and history, and the state from which its turn can be repeated."""

    def __init__(
        self,
        trace: Trace,
        agent: Any,
        budget: Budget,
        after_call: Callable[[], None],
        activity: Activity,
        interject: Callable[[], Awaitable[str | None]] | None = None,
    ) -> None:
        """``interject``: asked before each call within a turn for what the agent is told then."""
        self._trace = trace
        self._agent = agent
        self._budget = budget
        self._after_call = after_call
        self._activity = activity
        self._interject = interject
        self._name: str = agent.name
        self._transcript = Transcript(trace.run_dir, self._name, trace.redactor)
        self._saved_at = 0.0
        # The history and the messages that the last call of the model was made with.
        self._before_call: list[PromptMessageExtended] = []

    @property
    def history_path(self) -> Path:
        """fast-agent's own format (``prompt_serialization``), with tool calls and results."""
        return self._trace.run_dir / f"{self._name}.json"

    def hooks(self) -> ToolRunnerHooks:
        """The hooks of fast-agent's tool loop that keep this journal."""
        return ToolRunnerHooks(
            before_llm_call=self._before_llm_call,
            after_llm_call=self._after_llm_call,
            before_tool_call=self._before_tool_call,
            after_tool_call=self._after_tool_call,
        )

    def history(self) -> list[PromptMessageExtended]:
        """The messages so far, with those that a failed call was to send."""
        history = list(self._agent.message_history)
        return self._before_call if len(self._before_call) > len(history) else history

    def restore(self) -> None:
        """Put back into the agent what a failed call has dropped from its history."""
        self._agent.load_message_history(self.history())

    def forget_failed_answer(self) -> None:
        """Take back an answer that only reports an error, and keep what it was to answer."""
        self._agent.load_message_history(list(self._before_call))

    def save(self) -> None:
        """Write the history, atomically."""
        content = json.loads(prompt_serialization.to_json(self.history()))
        redacted = self._trace.redactor.value(content)
        write_atomically(self.history_path, json.dumps(redacted, indent=1) + "\n")
        self._saved_at = time.monotonic()

    def load(self, *, without_question: bool = False) -> bool:
        """Give the agent the history of an earlier process; False if there is none.

        ``without_question`` drops messages at the end that were not answered.
        """
        if not self.history_path.exists():
            return False
        messages = prompt_serialization.from_json(self.history_path.read_text(encoding="utf-8"))
        while without_question and messages and messages[-1].role == "user":
            messages.pop()
        self._agent.load_message_history(messages)
        return bool(messages)

    def told(self, text: str) -> None:
        """Note what the agent is told by the harness."""
        self._transcript.write("Harness", text)

    def waits(self, why: str, seconds: float) -> None:
        """Note that the agent's model is asked again in so many seconds."""
        self._activity.waits(self._name, why, seconds)

    async def _before_llm_call(
        self, runner: ToolRunner, messages: list[PromptMessageExtended]
    ) -> None:
        if self._interject is not None and messages and messages[-1].tool_results:
            said = await self._interject()
            if said is not None:
                self.told(said)
                runner.append_messages(said)
        self._before_call = [*self._agent.message_history, *messages]
        if time.monotonic() - self._saved_at > _SAVE_EVERY:
            self.save()
        self._budget.before_call(by_researcher=self._name == RESEARCHER)
        self._activity.thinks(self._name)

    async def _after_llm_call(self, _runner: ToolRunner, message: PromptMessageExtended) -> None:
        self._after_call()
        parts = [message.all_text().strip()]
        for call in (message.tool_calls or {}).values():
            parts.append(fenced(_shown_call(call.params.name, call.params.arguments), "sh"))
        self._transcript.write(self._name.capitalize(), "\n\n".join(part for part in parts if part))
        self._note("answer", message)

    async def _before_tool_call(self, _runner: ToolRunner, message: PromptMessageExtended) -> None:
        for call in (message.tool_calls or {}).values():
            shown = _shown_call(call.params.name, call.params.arguments)
            self._activity.runs(self._name, shown)

    async def _after_tool_call(self, _runner: ToolRunner, message: PromptMessageExtended) -> None:
        for result in (message.tool_results or {}).values():
            text = "\n".join(getattr(block, "text", "") for block in result.content)
            self._transcript.write("Shell", fenced(text))
        self._note("tool results", message)

    def _note(self, what: str, message: PromptMessageExtended) -> None:
        self._trace.note(
            f"{self._name}: {what}",
            agent=self._name,
            content=message.model_dump(
                mode="json",
                exclude_none=True,
                include={"role", "content", "tool_calls", "tool_results", "stop_reason"},
            ),
        )


def _shown_call(name: str, arguments: dict[str, Any] | None) -> str:
    command = (arguments or {}).get("command")
    return command if isinstance(command, str) else f"{name} {json.dumps(arguments)}"


def fenced(text: str, language: str = "") -> str:
    """``text`` as a block of code in Markdown."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def last_text(messages: Sequence[PromptMessageExtended]) -> str:
    """The last thing that an assistant said in ``messages``; empty if nothing."""
    for message in reversed(messages):
        if message.role == "assistant" and (text := message.all_text().strip()):
            return text
    return ""
