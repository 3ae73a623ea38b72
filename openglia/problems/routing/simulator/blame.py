"""Whose failure it is that ended a simulation, in bounded words."""

import traceback

from openglia.errors import OpenGliaError
from openglia.problems.routing.benchmark.definition import Limits
from openglia.problems.routing.exchange import Failure
from openglia.problems.routing.simulator.failures import DETAIL_LINES, RouterFailureError

HARNESS = "harness"  # in the place of a rule: the router is not to blame
SAID = 4096  # characters of a failure's texts


def classify(error: BaseException, doing: str, limits: Limits) -> Failure:
    """Whose failure it is. Where none of the router's code ran, it is not the router's."""
    if isinstance(error, RouterFailureError):
        return failed(error.rule, error.reason, error.detail)
    if isinstance(error, OpenGliaError):
        return failed(HARNESS, reason_of(error))
    if isinstance(error, Exception) and doing == "prepare":
        return failed(HARNESS, reason_of(error))
    if isinstance(error, OSError) and doing == "write":
        return failed(HARNESS, reason_of(error))
    if isinstance(error, MemoryError):
        return failed("memory", f"the simulation needed more than {limits.memory_mb} MB")
    detail = "".join(traceback.format_exception(error)).splitlines()[-DETAIL_LINES:]
    return failed("crash", f"{type(error).__name__}: {error}", "\n".join(detail))


def reason_of(error: Exception) -> str:
    """What is wrong with the machine or the benchmark, in a line."""
    match error:
        case OpenGliaError():
            return str(error)
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            return f"{where}{error.strerror}; see that the machine has disk space and memory left"
        case MemoryError():
            return "there is not enough memory to prepare the simulation; raise limits.memory_mb"
    return f"a bug of OpenGLIA: {type(error).__name__}: {error}"


def failed(rule: str, reason: str, detail: str = "", seed: int | None = None) -> Failure:
    """Of bounded length: a pipe holds it whole."""
    short = " ".join(reason.split())[:SAID]
    return Failure(rule=rule, reason=short, detail=detail[-SAID:], seed=seed)
