"""Ctrl-C and termination signals: the run ends in good order instead of at once."""

import asyncio
import signal
from types import TracebackType
from typing import Any, Self

from openglia import interrupts

_entered: list["Interruption"] = []  # several discoveries may be under way in one loop


class Interruption:
    """While entered, a signal is remembered and wakes whoever waits for it.

    Outside the main thread signals cannot be handled; then nothing is.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._arrived = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._before: dict[signal.Signals, Any] = {}  # handlers, put back at the end

    @property
    def reason(self) -> str | None:
        """One line on the signal that came, if one did."""
        return f"interrupted by {self.signal.name}" if self.signal else None

    async def wait(self) -> None:
        """Return when a signal has come."""
        await self._arrived.wait()

    def __enter__(self) -> Self:
        _entered.append(self)
        for number in interrupts.SIGNALS:
            before = signal.getsignal(number)
            if before is signal.SIG_IGN:
                continue  # for example SIGHUP under nohup
            try:
                # Not by the loop, which would leave the defaults behind, and they kill.
                signal.signal(number, _on_signal)
            except ValueError:
                break
            self._before[number] = before
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _entered.remove(self)
        for number, before in self._before.items():
            if _entered:  # the others' turn to put it back
                _entered[0]._before.setdefault(number, before)
                if _entered[0]._before[number] is _on_signal:
                    _entered[0]._before[number] = before
            else:
                signal.signal(number, before)

    def _arrives(self, number: int) -> None:
        self.signal = self.signal or signal.Signals(number)
        self._loop.call_soon_threadsafe(self._arrived.set)


def _on_signal(number: int, _: object) -> None:
    interrupts.seen()
    for interruption in _entered:
        interruption._arrives(number)
