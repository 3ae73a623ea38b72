"""The discovery: the Researcher works, the Supervisor asks, until one of them or a limit ends it.

fast-agent's own evaluator-optimizer workflow rates provider errors as answers, takes an answer
that does not parse for a bad rating, and shows the evaluator nothing but words. So the loop is
ours, over two agents of fast-agent.
"""

import asyncio
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from openglia.agents.experiment import Experiment, Outcome
from openglia.agents.interruption import Interruption
from openglia.agents.limits import LimitReached
from openglia.agents.redaction import redactor

if TYPE_CHECKING:
    from openglia.agents.session import Session


async def discover(experiment: Experiment) -> Outcome:
    """Run one discovery to its end and say how it ended.

    Provider trouble, limits and signals end in an Outcome; transcripts, histories and the trace
    are in ``experiment.run_dir`` in every case.

    Raises:
        UsageError: fast-agent's configuration or secrets file in the root cannot be read.
        OSError: the run's folder cannot be written.
    """
    # fast-agent takes seconds to import: only who runs agents waits for it.
    from openglia.agents.provider import ProviderSetupError, start
    from openglia.agents.session import Session

    redact = redactor(os.environ, experiment.root)
    outcome = Outcome(status="failed", reason="the agents did not start", account="", usage={})
    with Interruption() as interruption:
        try:
            async with start(experiment, redact) as agents:
                session = Session(experiment, agents, redact)
                try:
                    outcome = await _ending(session, experiment, interruption)
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
            outcome = replace(outcome, status="failed", reason=str(error))
        except asyncio.CancelledError:
            if not interruption.absorb():
                raise
            outcome = replace(outcome, status="interrupted", reason=interruption.reason)
    return replace(
        outcome,
        reason=redact.text(outcome.reason) if outcome.reason else None,
        account=redact.text(outcome.account),
    )


async def _ending(
    session: "Session", experiment: Experiment, interruption: Interruption
) -> Outcome:
    from openglia.agents.turns import TurnFailed

    outcome = Outcome(status="completed", reason=None, account="", usage={})
    try:
        async with asyncio.timeout(experiment.limits.time_limit):
            await _converse(session)
    except LimitReached as limit:
        return replace(outcome, status="limit", reason=str(limit))
    except TimeoutError:
        return replace(outcome, status="limit", reason=session.budget.time_reason())
    except TurnFailed as failure:
        return replace(outcome, status="failed", reason=f"model {experiment.model}: {failure}")
    except asyncio.CancelledError:
        if not interruption.absorb():
            raise
        return replace(outcome, status="interrupted", reason=interruption.reason)
    return outcome


async def _converse(session: "Session") -> None:
    await session.begin()
    refinements = 0
    while True:
        verdict = await session.review()
        if verdict is not None and verdict.content:
            return
        session.budget.after_round(refinements)
        refinements += 1
        await session.refine(verdict)
