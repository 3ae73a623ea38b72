"""What the engine and a router in another process send each other.

Each message is its length and its content. The engine's are Python's own serialisation of a list of
changes, which only the router's process reads. The router's are one byte that says what follows and
pairs of integers, or the JSON of a failure: nothing that is executed or builds objects.

First the engine says what to run (JSON); the router's process answers ``UP`` before it has touched
the router's file, is told to begin (an empty message), and answers ``READY`` once there is a
router. Then come calls of ``schedule()``: what has changed before, answered by ``PLACED``. Instead
of an answer, ``FAILED`` may come.
"""

import socket
from struct import Struct

UP, READY, PLACED, FAILED = b"U", b"R", b"P", b"F"
PLACEMENT = Struct("=ii")  # a replica's number, a request's
MAX_FAILURE = 1 << 16  # bytes

_LENGTH = Struct("=I")
_CHUNK = 1 << 14


# The first item of each change, and what follows it.
REPLICA = 0  # number, batches with decodes, blocks in use, whether decodes are in flight, failed
REQUEST = 1  # id, prompt, processed, the replica where it decodes or -1, restarts, flags
PLACE = 2  # replica, request: it waits there, as the last
ADMIT = 3  # replica, request: the first that waits runs
RESTART = 4  # replica, request: it waits again, as the first
LEAVE = 5  # replica, request: it runs no more
ARRIVE = 6  # id, arrival in seconds, prompt: add_request()
EMPTY = 7  # replica: nothing waits there any more
RETURN = 8  # request: its replica has failed; add_request()

SCHEDULED, COMPLETED, PREFILLED = 1, 2, 4  # flags of a request


class BrokenLinkError(Exception):
    """The other side has gone, or what it sends is no message."""


class Link:
    """One end of the connection."""

    def __init__(self, descriptor: int) -> None:
        """Take over an open socket."""
        self._socket = socket.socket(fileno=descriptor)

    def send(self, content: bytes) -> None:
        """Wait until it is on its way.

        Raises:
            BrokenLinkError: nobody is there.
        """
        try:
            self._socket.sendall(_LENGTH.pack(len(content)) + content)
        except OSError as error:
            raise BrokenLinkError("it has closed the connection") from error

    def receive(self, most: int) -> bytes:
        """Wait for a message of up to ``most`` bytes. The sides take turns: nothing may follow it.

        Raises:
            BrokenLinkError: it is longer, or does not come.
        """
        data = self._more()
        while len(data) < _LENGTH.size:
            data += self._more()
        (length,) = _LENGTH.unpack_from(data)
        if length > most:
            raise BrokenLinkError(f"it sends {length} bytes where there can be {most}")
        whole = _LENGTH.size + length
        if len(data) < whole:
            parts = [data]
            missing = whole - len(data)
            while missing > 0:
                parts.append(self._more())
                missing -= len(parts[-1])
            data = b"".join(parts)
        if len(data) > whole:
            raise BrokenLinkError("it sends more than an answer")
        return data[_LENGTH.size :]

    def _more(self) -> bytes:
        try:
            data = self._socket.recv(_CHUNK)
        except OSError:
            data = b""
        if not data:
            raise BrokenLinkError("it has closed the connection")
        return data
