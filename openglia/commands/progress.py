"""A progress line on standard error: rewritten on a terminal, now and then a line elsewhere."""

import sys
import time

_EVERY = 10.0  # seconds between lines where nothing can be rewritten


class ProgressLine:
    """Shows one changing text. ``clear()`` takes it away."""

    def __init__(self) -> None:
        self._on_terminal = sys.stderr.isatty()
        self._shown_at = time.monotonic()

    def show(self, text: str) -> None:
        if self._on_terminal:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - self._shown_at >= _EVERY:
            self._shown_at = time.monotonic()
            print(text, file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._on_terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
