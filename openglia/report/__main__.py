"""``python -m openglia.report RUN_DIR PID``: the page of a run that is under way, and no images.

The run, whose process is named, starts it beside itself (``openglia.runs.standing``). It takes what
the evaluations leave, and dies with the run: its page must not come over the last one.
"""

import ctypes
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from openglia import report

_LEAST_URGENT = 19
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Write the page."""
    with suppress(OSError, AttributeError):  # no Linux
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.nice(_LEAST_URGENT)
    if os.getppid() == int(sys.argv[2]):
        report.write(Path(sys.argv[1]), images=False, alive=True)


if __name__ == "__main__":
    main()
