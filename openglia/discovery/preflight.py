"""The model is tried once before a run begins: what cannot work is known in seconds then."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from fast_agent import FastAgent
from fast_agent.types import LlmStopReason, RequestParams

from openglia.discovery.experiment import Patience, Usage
from openglia.discovery.loop import collect_clients
from openglia.discovery.patience import hand_on_errors
from openglia.discovery.provider import (
    ProviderSetupError,
    running,
    unused,
    usage,
)
from openglia.discovery.redaction import Redactor, redactor
from openglia.discovery.trouble import is_final, is_unreachable, remedy, told

NAME = "preflight"
_INSTRUCTION = "You are asked once whether you can be reached."
_QUESTION = "Answer with one word: ready"
_SECONDS = 30.0  # for the answer: one does not wait long, and a slow model may still be good


@dataclass(frozen=True)
class Trial:
    """How the trial went of a model that a run may begin with."""

    usage: Usage
    warning: str | None  # trouble that may pass


async def preflight(model: str, root: Path, *, seconds: float = _SECONDS) -> Trial:
    """Ask the model for a short answer, once.

    Raises:
        ProviderSetupError: it cannot be reached, or refuses for a reason that does not pass.
    """
    try:
        return await _trial(model, root, redactor(os.environ, root), seconds)
    finally:
        await collect_clients()


async def _trial(model: str, root: Path, redact: Redactor, seconds: float) -> Trial:
    def declare(fast: FastAgent) -> None:
        request = RequestParams(streaming_timeout=seconds)
        fast.agent(
            NAME,
            instruction=_INSTRUCTION,
            model=model,
            skills=None,
            subagents=False,
            request_params=request,
        )(unused)

    async with running(model, root, Patience(call_retries=0), redact, declare) as app:
        agent = app[NAME]
        hand_on_errors(agent.llm, lambda _: True, sdk_retries=0)
        late = f"no answer within {seconds:g} s"
        trouble: str | None = None
        try:
            reply = await asyncio.wait_for(agent.generate(_QUESTION), seconds)
            if reply.stop_reason == LlmStopReason.CANCELLED:  # so fast-agent says it at times
                trouble = late
        except TimeoutError:
            trouble = late
        except Exception as error:
            trouble = redact.text(told(error))
            if is_final(error) or is_unreachable(error):
                raise ProviderSetupError(f"model {model}: {trouble}; {remedy(error)}") from None
        return Trial(usage(agent), trouble)
