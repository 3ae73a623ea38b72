"""The agent's side of the evaluator's socket. Standard library only, and fast to start."""

import json
import os
import socket
from collections.abc import Callable, Sequence
from typing import Any

from openglia.errors import OpenGliaError

VARIABLE = "OPENGLIA_EVALUATOR"


def score(
    source: str,
    *,
    benchmark: str | None = None,
    seeds: Sequence[int] | None = None,
    duration: float | None = None,
    progress: Callable[[str], None] | None = None,
) -> tuple[dict[str, Any], str]:
    """Have the run's harness score a scheduler.

    Args:
        source: of the scheduler's file.
        benchmark: the run's own, or None.
        seeds: some of the evaluation seeds; None for all.
        duration: simulated seconds, at most the benchmark's; None for all.
        progress: called with a line now and then.

    Returns:
        The JSON line of the evaluation, and a table for people.

    Raises:
        OpenGliaError: no harness answers.
    """
    path = os.environ.get(VARIABLE, "")
    request = {
        "source": source,
        "benchmark": benchmark,
        "seeds": None if seeds is None else list(seeds),
        "duration": duration,
    }
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(path)
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("r", encoding="utf-8") as answers:
                for line in answers:
                    answer = json.loads(line)
                    if "result" in answer:
                        return answer["result"], answer["table"]
                    if progress is not None:
                        progress(answer["progress"])
    except OSError as error:
        raise OpenGliaError(
            f"the run's evaluator does not answer at {path!r} ({error.strerror or error}); "
            f"the run may have ended; outside a run unset {VARIABLE}"
        ) from None
    raise OpenGliaError("the run's evaluator ended before it had a result; the run has ended")
