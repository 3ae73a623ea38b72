"""The discovery: the Researcher works, the Supervisor asks, until one of them or a limit ends it.

fast-agent's own evaluator-optimizer workflow rates provider errors as answers, takes an answer
that does not parse for a bad rating, and shows the evaluator nothing but words. So the loop is
ours, over two agents of fast-agent.
"""

import asyncio
import contextlib
import gc
import os
from collections.abc import Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING

from openglia.discovery.activity import Activity
from openglia.discovery.experiment import Experiment, Outcome
from openglia.discovery.interruption import Interruption
from openglia.discovery.limits import LimitReached
from openglia.discovery.redaction import Redactor, redactor

if TYPE_CHECKING:
    from openglia.discovery.session import Session

# fast-agent takes a cancelled call for an answer now and then: ask again after so many seconds.
_CANCEL_AGAIN = 3.0
_CLOSING_SECONDS = 0.05
_DIGEST_SECONDS = 600.0  # that a model may take for a digest, also after the time limit


async def discover(experiment: Experiment) -> Outcome:
    """Run one discovery to its end and say how it ended.

    Provider trouble, limits and signals end in an Outcome; transcripts, histories and the trace
    are in ``experiment.run_dir`` in every case.

    Raises:
        UsageError: fast-agent's configuration or secrets file in the root cannot be read.
        OSError: the run's folder cannot be written.
    """
    handed_over = experiment.agent.variables if experiment.agent is not None else ()
    redact = redactor(os.environ, experiment.root, handed_over)
    outcome = await _discover(experiment, redact)
    return replace(
        outcome,
        reason=redact.text(outcome.reason) if outcome.reason else None,
        account=redact.text(outcome.account),
    )


async def _discover(experiment: Experiment, redact: Redactor) -> Outcome:
    # fast-agent takes seconds to import: only who runs agents waits for it.
    from openglia.discovery.provider import ProviderSetupError, start
    from openglia.discovery.session import Session

    outcome = Outcome(status="failed", reason="the discovery broke off", account="", usage={})
    activity = Activity(experiment.shared_dir or experiment.run_dir, redact, experiment.context)
    if experiment.context is None:
        activity.began(experiment.used.seconds)
    with Interruption() as interruption:
        try:
            async with start(experiment, redact, activity) as agents:
                session = Session(experiment, agents, redact, activity)
                try:
                    outcome = await _ending(session, experiment, interruption)
                    if experiment.hands_over and outcome.status in ("completed", "limit"):
                        digest = await _digest(session, interruption)
                        outcome = replace(outcome, digest=digest)
                finally:
                    session.close(outcome.status, outcome.reason)
                    outcome = replace(
                        outcome,
                        account=session.account,
                        usage=agents.usage(),
                        rounds=session.rounds,
                        warnings=session.warnings,
                    )
        except ProviderSetupError as error:
            outcome = replace(outcome, reason=str(error))
    if experiment.context is None:
        activity.ended()
    await collect_clients()
    return outcome


async def _digest(session: "Session", interruption: Interruption) -> str | None:
    """The last duty of a generation; without it the harness writes the digest."""
    from openglia.discovery.turns import TurnFailed  # late, likewise

    found: list[str | None] = []

    async def ask() -> None:
        found.append(await session.digest())

    with contextlib.suppress(LimitReached, TurnFailed):
        await _until(ask(), _DIGEST_SECONDS, interruption)
    return found[0] if found else None


async def collect_clients() -> None:
    """Let the providers' clients close their connections.

    They do so when they are collected, and need this event loop for it; left to chance they
    complain on the terminal after it is closed.
    """
    gc.collect()
    await asyncio.sleep(_CLOSING_SECONDS)


async def _converse(session: "Session", rounds: int) -> None:
    """Let the agents talk; ``rounds`` were finished before the run went on."""
    if rounds:
        session.budget.before_refinement(rounds - 1)
    await session.begin()
    refinements = rounds
    while True:
        verdict = None
        if session.supervised:
            verdict = await session.review()
            if verdict is not None and verdict.content:
                return
        elif refinements >= session.budget.limits.max_refinements:
            return  # nobody asks for more
        session.budget.after_round(refinements)
        refinements += 1
        await session.refine(verdict)


async def _ending(
    session: "Session", experiment: Experiment, interruption: Interruption
) -> Outcome:
    """Let the agents converse until they end, a limit is reached, or a signal comes."""
    from openglia.discovery.command import CommandFailed  # late, likewise
    from openglia.discovery.turns import TurnFailed

    outcome = Outcome(status="completed", reason=None, account="", usage={})
    seconds = session.budget.seconds_left
    if seconds == 0:
        return replace(outcome, status="limit", reason=session.budget.time_reason())
    try:
        conversation = _converse(session, experiment.used.rounds)
        ended = await _until(conversation, seconds, interruption)
    except LimitReached as limit:
        return replace(outcome, status="limit", reason=str(limit))
    except CommandFailed as failure:
        return replace(outcome, status="failed", reason=str(failure))
    except TurnFailed as failure:
        return replace(outcome, status="failed", reason=f"model {experiment.model}: {failure}")
    if ended:
        return outcome
    if interruption.signal is not None:
        return replace(outcome, status="interrupted", reason=interruption.reason)
    return replace(outcome, status="limit", reason=session.budget.time_reason())


async def _until(
    conversation: Coroutine[None, None, None],
    seconds: float | None,
    interruption: Interruption,
) -> bool:
    """Whether the conversation came to its end; else it was cancelled, and its command killed."""
    # A task of its own: fast-agent cancels and revives the task that it runs in as it sees fit.
    talking = asyncio.create_task(conversation)
    signalled = asyncio.create_task(interruption.wait())
    try:
        await asyncio.wait(
            (talking, signalled), timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        if talking.done():
            talking.result()
            return True
        return False
    finally:
        signalled.cancel()
        while not talking.done():
            talking.cancel()
            await asyncio.wait((talking,), timeout=_CANCEL_AGAIN)
        if not talking.cancelled():
            talking.exception()  # seen; what counts is why it was cancelled
