"""Trouble with a provider is waited out, and told of while it lasts; what cannot pass is not."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fast_agent.core.logging.logger import get_logger

from openglia.discovery.activity import Activity
from openglia.discovery.experiment import Patience
from openglia.discovery.redaction import Redactor
from openglia.discovery.trouble import asked_to_wait, is_final, refuse_page, retry_after, told

Hook = Callable[[Any], Awaitable[None]]  # of a provider's HTTP client

# What makes a client of a provider's SDK, anew for each call, in fast-agent's classes.
_CLIENT_MAKERS = ("_openai_client", "_responses_client", "_initialize_anthropic_client")
_TOO_MANY, _SERVER_ERROR = 429, 500  # and above: statuses after which an SDK asks again


def be_patient(
    agent: Any,
    patience: Patience,
    redactor: Redactor,
    say: Callable[[str], None],
    activity: Activity,
) -> None:
    """Let fast-agent wait as long as the provider asks, and say so in our words."""
    logger, llm = get_logger("openglia.discovery"), agent.llm
    llm.retry_backoff_seconds = patience.backoff

    async def wait(error: Exception, *, attempt: int, retries: int) -> None:
        seconds = max(patience.backoff * (attempt + 1), retry_after(error))
        line = redactor.text(told(error))
        tried = f"{attempt + 1} of {retries + 1}"
        logger.warning(
            "provider trouble", data={"error": line, "attempt": tried, "wait_seconds": seconds}
        )
        say(f"provider trouble: {line}; try {tried}, the next in {seconds:g} s")
        activity.waits(agent.name, line, seconds)
        await asyncio.sleep(seconds)
        activity.thinks(agent.name)

    hand_on_errors(llm, is_final, hooks=_telling(agent.name, activity))
    # fast-agent prints chosen words of the error here, unredacted, and knows no retry-after.
    llm._wait_before_retry = wait


def _telling(agent: str, activity: Activity) -> tuple[Hook, Hook]:
    """Hooks of requests and responses: they note what the SDK, which says nothing, waits for."""
    waiting = False

    async def asked(_request: Any) -> None:
        nonlocal waiting
        if waiting:
            activity.thinks(agent)
        waiting = False

    async def answered(response: Any) -> None:
        nonlocal waiting
        status = response.status_code
        if status == _TOO_MANY or status >= _SERVER_ERROR:
            waiting = True
            activity.waits(agent, f"status {status}", asked_to_wait(response.headers) or None)

    return asked, answered


def hand_on_errors(
    llm: Any,
    which: Callable[[BaseException], bool],
    *,
    sdk_retries: int | None = None,
    hooks: tuple[Hook, Hook] | None = None,
) -> None:
    """Let the model's calls raise ``which`` errors at once, web pages among the answers too.

    fast-agent repeats a refused call like any other, and makes an answer without status of the
    error in the end.

    Args:
        sdk_retries: repeats below fast-agent's, by the SDK, which nothing tells of.
        hooks: called with each request, and with each response.
    """
    is_fatal = llm._is_fatal_retry_error
    llm._is_fatal_retry_error = lambda error: which(error) or is_fatal(error)
    requests, responses = ([hook] for hook in hooks) if hooks else ([], [])
    for name in _CLIENT_MAKERS:
        if (make := getattr(llm, name, None)) is not None:
            setattr(llm, name, _watched(make, sdk_retries, requests, [*responses, refuse_page]))


def _watched(
    make: Callable[[], Any],
    sdk_retries: int | None,
    requests: Sequence[Hook],
    responses: Sequence[Hook],
) -> Callable[[], Any]:
    def maker() -> Any:
        client = make()
        client._client.event_hooks["request"].extend(requests)
        client._client.event_hooks["response"].extend(responses)
        if sdk_retries is not None:
            client.max_retries = sdk_retries
        return client

    return maker
