"""Since when the router is running, for whoever watches over it from another process.

One number: when the router was entered, by ``perf_counter``, and 0 while it is not running. The
simulation writes it, at the price of two stores per call; its watcher reads it. So a router that
hangs is seen wherever it hangs, in a loop of its own or in a call that never returns to Python.
"""

from mmap import mmap
from pathlib import Path
from time import perf_counter
from typing import Protocol

SIZE = 8  # bytes: one double
SLACK = 0.01  # s; a look comes a little later than it must, so that none is for nothing


class Clock(Protocol):
    """Whatever holds a number at index 0; a plain list will do where nobody watches."""

    def __getitem__(self, index: int, /) -> float: ...

    def __setitem__(self, index: int, value: float, /) -> None: ...


def shared() -> Clock:
    """A clock that this process shares with the children that it forks."""
    return memoryview(mmap(-1, SIZE)).cast("d")


def mapped(path: Path) -> Clock:
    """A clock that processes share which open the same file; made if it is absent."""
    with path.open("a+b") as stream:
        stream.truncate(SIZE)
        return memoryview(mmap(stream.fileno(), SIZE)).cast("d")


def seconds_left(clock: Clock, limit: float) -> float:
    """What the router's present call may still take: 0 or less, it is over its limit.

    Between calls this is how long a call can be relied on not to break the limit.
    """
    entered = clock[0]
    return entered + limit - perf_counter() if entered else limit


def over_limit(limit: float, noun: str = "router") -> str:
    """What is said of a call that took longer, in one line."""
    return f"a single call of the {noun} took longer than {limit:g} s (limits.router_call_seconds)"
