"""Where a run's agents ask for scores: sockets, one for each context, and what goes over them."""

import os
import select
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from openglia.paths import ROOT
from openglia.problems.asked import RefusedError
from openglia.runs.messages import Answer, Candidate, Progress
from openglia.runs.requests import MAX_REQUEST_BYTES

CONNECTIONS = 32  # at a time; more are sent away
_LOOK_EVERY = 0.25  # seconds between looks at whether the other side is still there
_LONGEST_PATH = 100  # bytes; the kernel takes 107


class Door:
    """Where one context's agents ask: a socket in a private folder, and what they may use up."""

    def __init__(self, context: int | None = None, root: Path = ROOT) -> None:
        """``root``: what the results are published below, see ``Problem.prepare``."""
        self.context = context
        self.generation: int | None = None
        self.root = root
        self.most: int | None = None  # evaluations of the context, below the run's own limit
        self.folder = _short_folder()  # mode 0700
        self.socket_path = self.folder / "evaluator"
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def open(self) -> None:
        """Let agents knock."""
        self.listener.bind(str(self.socket_path))
        self.listener.listen(CONNECTIONS)

    def close(self) -> None:
        """Let nobody in any more."""
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@contextmanager
def watch(connection: socket.socket, closing: threading.Event) -> Iterator[threading.Event]:
    """An event that is set when the other side hangs up or says more, or the run ends."""
    gone = threading.Event()
    ending, done = socket.socketpair()  # closed here, it wakes the other end at once

    def look() -> None:
        while True:
            readable, _, _ = select.select([connection, ending], [], [], _LOOK_EVERY)
            if ending in readable:
                return
            if readable or closing.is_set():
                gone.set()
                return

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield gone
    finally:
        done.close()
        thread.join()
        ending.close()


def receive_line(connection: socket.socket) -> bytes:
    """One request, as it was sent.

    Raises:
        RefusedError: it is too long, or not whole.
    """
    received = b""
    while b"\n" not in received:
        if len(received) > MAX_REQUEST_BYTES:
            raise RefusedError(f"a request has at most {MAX_REQUEST_BYTES // 1024} KiB")
        data = connection.recv(65536)
        if not data:
            raise RefusedError("the request ended before its end of line")
        received += data
    return received.split(b"\n", 1)[0]


def send(connection: socket.socket, message: Answer | Progress | Candidate) -> None:
    """Send one message."""
    connection.sendall(message.encoded())


def _short_folder() -> Path:
    """A private temporary folder whose path leaves room for a socket's name."""
    folder = Path(tempfile.mkdtemp(prefix="openglia-"))
    if len(os.fsencode(folder / "evaluator")) <= _LONGEST_PATH:
        return folder
    folder.rmdir()
    return Path(tempfile.mkdtemp(prefix="openglia-", dir="/tmp"))
