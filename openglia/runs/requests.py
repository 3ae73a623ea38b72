"""What an agent asks of the evaluator, read as hostile input."""

import json
from dataclasses import dataclass
from typing import Any

from openglia.problems.asked import RefusedError
from openglia.problems.problem import MAX_SOURCE_BYTES, Look, Problem
from openglia.runs.messages import Wanted

MAX_REQUEST_BYTES = 1024 * 1024  # one line


@dataclass(frozen=True)
class Request:
    """A candidate, and what it is to be measured on."""

    source: str
    look: Look


def read_request(line: bytes, problem: Problem) -> Request | Wanted:
    """Read and check one request.

    Raises:
        RefusedError: with the reason.
    """
    try:
        asked = json.loads(line)
    except (ValueError, RecursionError):
        raise RefusedError("the request is not one line of JSON") from None
    if not isinstance(asked, dict):
        raise RefusedError("a request is a JSON object with the key source")
    if "restore" in asked:
        number = asked["restore"]
        if len(asked) != 1 or type(number) is not int:
            raise RefusedError("restore names the number of an evaluation and nothing else")
        return Wanted(number)
    source = _source(asked.pop("source", None), problem.presentation.noun)
    return Request(source, problem.look(asked))


def _source(value: Any, noun: str) -> str:
    if not isinstance(value, str) or not value:
        raise RefusedError(f"the {noun}'s source is missing")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise RefusedError(f"the {noun}'s source is not UTF-8 text: save it as UTF-8") from None
    if size > MAX_SOURCE_BYTES:
        raise RefusedError(f"the {noun}'s source has more than {MAX_SOURCE_BYTES // 1024} KiB")
    return value
