"""Runs one command under Landlock: ``PYTHON confined.py POLICY COMMAND [ARG ...]``.

POLICY is JSON: paths ``readable``, ``writable`` and ``denied``, the ``folder`` to start in,
``variables`` to set, the number of ``processes`` at once, and whether there is a ``network``. A
program of its own, and nothing of the package, so that it starts soon. The exit status is the
command's; 128 and the signal if one ended it.
"""

import ctypes
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_PR_CAPBSET_DROP = 24


def main(policy_text: str, *argv: str) -> int:
    """Run the command, then end what it left behind."""
    # Not this program's folder, which Python puts first: its modules have everyday names.
    sys.path.pop(0)
    from sandlock import Sandbox  # late: found now, with the folder gone from the path

    policy = json.loads(policy_text)
    libc = ctypes.CDLL(None)
    # What the command leaves becomes a child of this process, wherever it hides.
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for capability in range(64):  # the superuser's, too, end with the command's first program
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.chdir(policy["folder"])
    os.environ.update(policy.get("variables", {}))
    network = policy.get("network", False)
    sandbox = Sandbox(
        net_allow=["*:*"] if network else [],  # TCP and UDP to anywhere
        net_allow_bind=["*"] if network else [],
        fs_readable=[path for path in policy["readable"] if Path(path).exists()],
        fs_writable=policy.get("writable", []),
        fs_denied=policy.get("denied", []),
        max_processes=policy.get("processes"),
    )
    status: int = sandbox.run_interactive(argv)
    _end_children()
    return status if status >= 0 else 128 - status


def _end_children() -> None:
    me = os.getpid()
    while children := Path(f"/proc/{me}/task/{me}/children").read_text().split():
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(int(child), 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
