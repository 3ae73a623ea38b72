"""The view on a terminal, redrawn in its place; elsewhere a line per evaluation and a heartbeat."""

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from openglia.watching import words
from openglia.watching.curve import curve
from openglia.watching.state import State, Watcher

HEARTBEAT_SECONDS = 60.0
_REDRAW_SECONDS = 0.5
_WIDEST = 100  # columns: a wider view would only be torn by a resize
_JOIN_SECONDS = 5.0


def view(state: State, width: int, *, blocks: bool = True) -> RenderableType:
    """The whole view in lines that are shorter than ``width``.

    Args:
        blocks: whether the terminal can show block characters.
    """
    width = min(width - 1, _WIDEST)
    rows = [
        ("time", words.time(state), ""),
        ("evaluations", words.evaluations(state), ""),
        ("last", words.evaluation(state, state.entries[-1]) if state.entries else "none yet", ""),
        ("best", words.best(state), "bold"),
        ("used", words.used(state), ""),
        ("now", words.now(state), ""),
    ]
    lines = [Text(words.title(state), "bold"), Text(state.phase, _colour(state))]
    lines += [
        Text.assemble((f"{name:<13}", "dim"), (said, style))
        for name, said, style in rows
        if said is not None
    ]
    if blocks:
        lines += [Text(line) for line in curve(state.run, width)]
    for line in lines:
        line.truncate(width, overflow="ellipsis" if blocks else "crop")
    return Group(*lines, *(Text(line) for line in words.ending(state)))


def _colour(state: State) -> str:
    if not state.ended:
        return "cyan"
    return "green" if state.run.status in ("completed", "limit") else "red"


def redraws(stream: TextIO) -> bool:
    """Whether a view can be redrawn in its place there."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def show(state: State, console: Console) -> None:
    """Print the view once."""
    console.print(view(state, console.width, blocks=_blocks(console)))


def follow(
    watcher: Watcher,
    console: Console,
    over: Callable[[State], bool],
    *,
    transient: bool = False,
    redirect_stdout: bool = True,
) -> None:
    """Keep a view on a terminal up to date until ``over``.

    Args:
        transient: take the view away at the end.
        redirect_stdout: print what comes on standard output above the view.
    """
    state = watcher.look()

    def drawn() -> RenderableType:
        return view(state, console.width, blocks=_blocks(console))

    with Live(
        drawn(),
        console=console,
        auto_refresh=False,
        transient=transient,
        redirect_stdout=redirect_stdout,
    ) as shown:
        while not over(state):
            time.sleep(_REDRAW_SECONDS)
            state = watcher.look()
            shown.update(drawn(), refresh=True)


def tell(watcher: Watcher, say: Callable[[str], None], over: Callable[[State], bool]) -> None:
    """Say each new evaluation, and once a minute that the run goes on, until ``over``."""
    told, at = len(watcher.look().entries), time.monotonic()
    while True:
        state = watcher.look()
        for entry in state.entries[told:]:
            say(words.line(state, entry))
            at = time.monotonic()
        told = len(state.entries)
        if over(state):
            return
        if time.monotonic() - at >= HEARTBEAT_SECONDS:
            say(words.heartbeat(state))
            at = time.monotonic()
        time.sleep(_REDRAW_SECONDS)


class Display:
    """Watches a run of this process from a thread, on standard error. A context manager."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, folder: Path) -> None:
        """The run has a folder to watch."""
        if self._quiet:
            return
        self._thread = threading.Thread(
            target=self._watch, args=(folder,), name="display", daemon=True
        )
        self._thread.start()

    def _watch(self, folder: Path) -> None:
        watcher = Watcher(folder)
        try:
            if redraws(sys.stderr):
                console = Console(stderr=True)
                follow(
                    watcher,
                    console,
                    lambda _: self._over.is_set(),
                    transient=True,  # what the run says at its end stays instead
                    redirect_stdout=sys.stdout.isatty(),
                )
            else:
                tell(watcher, _say, lambda _: self._over.is_set())
        except Exception as error:  # the run goes on without it
            _say(f"the display broke off: {type(error).__name__}: {error}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join(_JOIN_SECONDS)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _blocks(console: Console) -> bool:
    return not console.options.ascii_only
