"""The agent's side of the evaluator's socket. Standard library only, and fast to start."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from openglia.errors import OpenGliaError
from openglia.runs.messages import Answer, Asked, Candidate, Progress, Wanted, answer

VARIABLE = "OPENGLIA_EVALUATOR"
WORKING_FILE = "OPENGLIA_WORKING_FILE"  # names the file under discovery


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
    found = _ask(Asked(source, asked), progress)
    assert isinstance(found, Answer)  # to such a question
    return found


def restore(number: int) -> Candidate:
    """The candidate of an evaluation of this run.

    Raises:
        OpenGliaError: there is none, or no harness answers.
    """
    found = _ask(Wanted(number))
    if isinstance(found, Answer):
        raise OpenGliaError(str(found.line.get("reason")))
    return found


def _ask(
    question: Asked | Wanted, progress: Callable[[str], None] | None = None
) -> Answer | Candidate:
    import socket  # late: only inside a run

    path = os.environ.get(VARIABLE, "")
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(path)
            connection.sendall(question.encoded())
            with connection.makefile("r", encoding="utf-8") as answers:
                for line in answers:
                    message = answer(line)
                    if not isinstance(message, Progress):
                        return message
                    if progress is not None:
                        progress(message.text)
    except OSError as error:
        raise OpenGliaError(
            f"the run's evaluator does not answer at {path!r} ({error.strerror or error}); "
            f"the run may have ended; outside a run unset {VARIABLE}"
        ) from None
    raise OpenGliaError("the run's evaluator ended before it had a result; the run has ended")
