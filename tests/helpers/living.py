"""Whether a process lives: for tests that kill some, and for those that must leave none."""

import time
from pathlib import Path


def is_alive(pid):
    """Whether it runs or sleeps; one that is dead and not yet reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def dies(pid, seconds):
    """Whether the process ends: a killed one takes the kernel a moment."""
    deadline = time.monotonic() + seconds
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_alive(pid)
