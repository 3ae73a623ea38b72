"""Ctrl-C and termination signals: the run ends in good order instead of at once."""

import asyncio
import signal
from types import TracebackType
from typing import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """While entered, a signal is remembered and wakes whoever waits for it.

    Outside the main thread signals cannot be handled; then nothing is.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._arrived = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._handled: list[signal.Signals] = []

    @property
    def reason(self) -> str | None:
        """One line on the signal that came, if one did."""
        return f"interrupted by {self.signal.name}" if self.signal else None

    async def wait(self) -> None:
        """Return when a signal has come."""
        await self._arrived.wait()

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

    def _on_signal(self, number: signal.Signals) -> None:
        self.signal = self.signal or number
        self._arrived.set()
