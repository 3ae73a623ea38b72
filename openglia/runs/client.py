"""The agent's side of the evaluator's socket. Standard library only, and fast to start."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from openglia.errors import OpenGliaError
from openglia.runs.messages import Answer, Asked, answer

VARIABLE = "OPENGLIA_EVALUATOR"


def score(
    source: str, asked: Mapping[str, Any], progress: Callable[[str], None] | None = None
) -> Answer:
    """Have the run's harness score a candidate.

    Args:
        source: of the candidate's file.
        asked: what to measure on, in the problem's own words; empty for all evaluation cases.
        progress: called with a line now and then.

    Raises:
        OpenGliaError: no harness answers.
    """
    import socket  # late: only inside a run

    path = os.environ.get(VARIABLE, "")
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(path)
            connection.sendall(Asked(source, asked).encoded())
            with connection.makefile("r", encoding="utf-8") as answers:
                for line in answers:
                    message = answer(line)
                    if isinstance(message, Answer):
                        return message
                    if progress is not None:
                        progress(message.text)
    except OSError as error:
        raise OpenGliaError(
            f"the run's evaluator does not answer at {path!r} ({error.strerror or error}); "
            f"the run may have ended; outside a run unset {VARIABLE}"
        ) from None
    raise OpenGliaError("the run's evaluator ended before it had a result; the run has ended")
