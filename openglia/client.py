"""For optimizers that are libraries: have a run's harness score a candidate, from Python.

The program given as ``./run.sh --agent COMMAND``, and all that it starts, can say::

    from openglia.client import score

    found = score(source)
    if found.ok:
        print(found.value, found.unit, found.gain)

Standard library only, and fast to import: it works under any Python from 3.10, also that of an
environment without this package, since PYTHONPATH leads here inside a run.
"""

import os
from typing import Any

from openglia.errors import OpenGliaError
from openglia.runs import client
from openglia.runs.messages import Score

__all__ = ["OpenGliaError", "Score", "score"]


def score(source: str, **asked: Any) -> Score:
    """Have the run's harness score a candidate; waits until it is measured.

    One is measured at a time, first come first served: to call it from several threads or
    processes is safe, and no faster. Each that is measured, a failed one too, counts towards the
    run's ``--max-evaluations``; once none is left ``evaluations_left`` is 0, and what is asked for
    more is refused.

    Args:
        source: the text of the candidate's file.
        asked: less than all evaluation cases, in the problem's words, such as ``seeds=[0, 1]`` for
            routing, and ``cases=[0]`` or ``quick=True`` for a folder.

    Returns:
        The score, in the units that it names. A candidate that fails has ``ok`` false, and a
        reason: that is no exception.

    Raises:
        OpenGliaError: there is no run, it has ended, or its harness is in trouble: not the
            candidate's fault, and nothing that a next call mends.
    """
    if client.VARIABLE not in os.environ:
        raise OpenGliaError(
            f"openglia.client works inside a run, where {client.VARIABLE} is set: "
            f"start the program with ./run.sh --agent COMMAND"
        )
    found = client.score(source, asked).score
    assert found is not None  # a run's evaluator always sends it
    if found.rule == "harness":
        raise OpenGliaError(found.reason)
    return found
