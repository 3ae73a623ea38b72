"""What a router prints, kept up to a size."""

from pathlib import Path

LOG_BYTES = 64 << 10  # of a router's output


class Log:
    """The router's output of all seeds, up to ``LOG_BYTES``; the rest is read and dropped."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open("wb", buffering=0)
        self._room = LOG_BYTES

    def write(self, data: bytes) -> None:
        """Append ``data`` as far as there is room."""
        self._stream.write(data[: self._room])
        self._room -= min(len(data), self._room)
