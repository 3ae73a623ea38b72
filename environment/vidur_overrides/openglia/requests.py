"""Requests whose output length a router cannot read.

Vidur itself needs the output length all the time, so it stays readable except while a router's
code runs. It is not kept in the object, so ``vars(request)`` does not show it either.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vidur.entities import Request
from vidur.openglia.failure import OracleError


class _Guard:
    """How deep we are in a router's code, and what it tried to read there."""

    depth = 0
    attempts: list[str] = []  # noqa: RUF012


@contextmanager
def router_code() -> Iterator[list[str]]:
    """While it is entered, output lengths cannot be read; yields the attempts to."""
    _Guard.depth += 1
    try:
        yield _Guard.attempts
    finally:
        _Guard.depth -= 1


def _refuse(message: str) -> None:
    if _Guard.depth:
        _Guard.attempts.append(message)
        raise OracleError(message)


def _output_length() -> property:
    lengths: dict[Request, int] = {}

    def read(request: Request) -> int:
        if _Guard.depth:
            _refuse(
                "a router may not read output lengths (num_decode_tokens, total_tokens, pd_ratio, "
                "size, to_dict, *_normalized): decide by num_prefill_tokens and "
                "num_processed_tokens"
            )
        return lengths[request]

    def write(request: Request, length: int) -> None:
        _refuse("a router may not change a request")
        lengths[request] = length

    return property(read, write)


class RoutedRequest(Request):
    """A request, and what the harness must know of it that Vidur does not keep.

    Lengths are plain integers and times plain floats here: Vidur's trace replay makes them NumPy
    floats. The arithmetic is the same.
    """

    _num_decode_tokens = _output_length()

    created: list["RoutedRequest"] = []  # in order of arrival  # noqa: RUF012

    def __init__(
        self, arrived_at: float, num_prefill_tokens: float, num_decode_tokens: float
    ) -> None:
        super().__init__(float(arrived_at), int(num_prefill_tokens), int(num_decode_tokens))
        self.prompt = int(num_prefill_tokens)  # a restart changes num_prefill_tokens
        self.routed_at: float | None = None
        self.replica_id: int | None = None
        RoutedRequest.created.append(self)

    def to_dict(self) -> dict[str, Any]:
        _refuse("a router may not call to_dict: read the attributes it needs")
        return super().to_dict()
