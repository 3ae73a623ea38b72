"""One turn of an agent: from a message to an answer, through the trouble that can be waited out."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from fast_agent.types import LlmStopReason, PromptMessageExtended

from openglia.discovery.compaction import shorten
from openglia.discovery.experiment import Patience
from openglia.discovery.limits import LimitReached
from openglia.discovery.prompts import prompt
from openglia.discovery.tracing import Journal, last_text
from openglia.discovery.trouble import is_final, one_line, remedy, retry_after, told

# How often in a row an agent is asked to go on after an answer that is none.
_REMINDERS = 2

_OVERFLOW = (
    "context_length_exceeded",
    "context length",
    "context window",
    "prompt is too long",
    "maximum context",
    "too many tokens",
    "request too large",
)


class TurnFailed(Exception):  # noqa: N818  (an expected ending)
    """The provider or the model gave no answer within the budget; the message says why."""


class Turns:
    """Takes turns of one agent of fast-agent."""

    remembers = True

    def __init__(
        self,
        agent: Any,
        journal: Journal,
        patience: Patience,
        say: Callable[[str], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._agent = agent
        self._journal = journal
        self._patience = patience
        self._say = say
        self._sleep = sleep

    async def ask(self, text: str) -> str:
        """Tell the agent ``text`` and return what it says, which may be nothing.

        Raises:
            TurnFailed: the provider gave no reply, after all repeats.
            LimitReached: a limit of the run stops the turn.
        """
        self._journal.told(text)
        reply = await self._reply(text)
        self._journal.save()
        return reply.all_text().strip()

    async def work(self, text: str) -> str:
        """Like ``ask``, but remind the agent until it answers; TurnFailed if it does not."""
        self._journal.told(text)
        return await self._work(text)

    async def go_on(self, text: str) -> str:
        """Finish the work that a resumed history ends in, or begin some with ``text``."""
        history = list(self._agent.message_history)
        if not history or history[-1].role != "user":
            return await self.work(text)
        return await self._work(self._pending())

    def load(self, *, without_question: bool = False) -> bool:
        """Give the agent the history of an earlier process; False if there is none."""
        return self._journal.load(without_question=without_question)

    def save(self) -> None:
        """Write the history."""
        self._journal.save()

    def last_words(self) -> str:
        """The last thing that the agent said; empty if nothing."""
        return last_text(self._journal.history())

    async def _work(self, message: str | PromptMessageExtended) -> str:
        reminders = 0
        while True:
            reply = await self._reply(message)
            self._journal.save()
            shortfall = _shortfall(reply)
            if shortfall is None:
                return reply.all_text().strip()
            if reminders == _REMINDERS:
                raise TurnFailed(f"the model gave no account, after {_REMINDERS} reminders")
            reminders += 1
            message = prompt("unfinished", what=shortfall)
            self._journal.told(message)

    async def _reply(self, message: str | PromptMessageExtended) -> PromptMessageExtended:
        """The model's reply, after as many repeats as patience allows."""
        for attempt in range(self._patience.turn_retries + 1):
            try:
                reply: PromptMessageExtended = await self._agent.generate(message)
            except LimitReached:
                self._journal.restore()  # what the call was to answer is still to be answered
                raise
            except Exception as error:
                self._journal.restore()
                trouble, hopeless, wait = told(error), is_final(error), retry_after(error)
                if hopeless:
                    trouble = f"{trouble} ({remedy(error)})"
            else:
                if reply.stop_reason == LlmStopReason.CANCELLED:
                    # fast-agent made an answer of what had come before the cancellation.
                    self._journal.forget_failed_answer()
                    raise asyncio.CancelledError
                if reply.stop_reason not in (LlmStopReason.ERROR, LlmStopReason.TIMEOUT):
                    return reply
                self._journal.forget_failed_answer()
                trouble, hopeless, wait = one_line(reply.all_text()), False, 0.0
            overflow = any(sign in trouble.lower() for sign in _OVERFLOW)
            if overflow:
                hopeless = not shorten(self._agent)
            self._journal.save()
            if hopeless or attempt == self._patience.turn_retries:
                raise TurnFailed(trouble)
            if not overflow:
                seconds = max(4 * self._patience.backoff, wait)
                self._say(f"{self._agent.name}: {trouble}; asked again in {seconds:g} s")
                self._journal.waits(trouble, seconds)
                await self._sleep(seconds)
            message = self._pending()
        raise AssertionError("the last attempt returns or raises")

    def _pending(self) -> PromptMessageExtended:
        """What the failed call was to answer, taken off the history to be sent again."""
        history: list[PromptMessageExtended] = list(self._agent.message_history)
        self._agent.load_message_history(history[:-1])
        return history[-1]


def _shortfall(reply: PromptMessageExtended) -> str | None:
    """Why ``reply`` is not an answer, as a sentence to the agent; None if it is one."""
    if reply.stop_reason == LlmStopReason.SAFETY:
        return "Your last answer was a refusal; nothing here asks for anything harmful."
    if reply.stop_reason == LlmStopReason.MAX_ITERATIONS:
        return "You have used many tool calls in this turn."
    if reply.stop_reason == LlmStopReason.MAX_TOKENS:
        return "Your last answer was cut off, because it was too long; be shorter."
    if not reply.all_text().strip():
        return "Your last answer was empty."
    return None
