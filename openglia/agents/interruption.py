"""Ctrl-C and termination signals: the run ends in good order instead of at once."""

import asyncio
import signal
from types import TracebackType
from typing import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """While entered, a signal cancels the current task and is remembered.

    Cancelling ends the model's call or the shell command that is under way. Outside the main
    thread signals cannot be handled; then nothing is.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._handled: list[signal.Signals] = []

    @property
    def reason(self) -> str:
        """One line on the signal that came."""
        return f"interrupted by {self.signal.name}" if self.signal else "interrupted"

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            if signal.getsignal(number) is signal.SIG_IGN:
                continue  # for example SIGHUP under nohup
            try:
                self._loop.add_signal_handler(number, self._on_signal, number)
            except (RuntimeError, ValueError):
                break
            self._handled.append(number)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number in self._handled:
            self._loop.remove_signal_handler(number)

    def absorb(self) -> bool:
        """Whether a cancellation came from a signal; if so the task may go on."""
        if self.signal is None:
            return False
        if self._task is not None:
            while self._task.cancelling():
                self._task.uncancel()
        return True

    def _on_signal(self, number: signal.Signals) -> None:
        self.signal = number
        if self._task is not None:
            self._task.cancel()
