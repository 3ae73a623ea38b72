"""The command line, with a signal to itself: ``commanded.py SIGNALS CALLS FENCE WORD...``.

SIGNALS names one or two (``TERM,INT``): the first comes at the CALLS-th call of a Python function,
the next 5 ms of computing later. With CALLS 0 none comes, and the number of calls is printed; with
-1 nothing is counted either.
FENCE ``none`` switches off the workers' sandbox.
"""

import os
import signal
import sys
from itertools import count


def main() -> None:
    first, *later = (signal.Signals[f"SIG{name}"] for name in sys.argv[1].split(","))
    moment, fence = int(sys.argv[2]), sys.argv[3]
    sys.argv[1:] = sys.argv[4:]
    if fence == "none":
        from openglia.sandbox import bubblewrap

        bubblewrap.problem = lambda: "switched off"
    from openglia.__main__ import main as command

    calls = count(1)
    if later:
        signal.signal(signal.SIGVTALRM, lambda *_: os.kill(os.getpid(), later[0]))

    def at_call(frame, event, argument):
        if event == "call" and next(calls) == moment:
            sys.setprofile(None)
            if later:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0.005)
            os.kill(os.getpid(), first)

    from openglia import interrupts

    interrupts.install()
    if moment >= 0:
        sys.setprofile(at_call)
    status = command()
    sys.setprofile(None)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    if moment == 0:
        print("calls:", next(calls))
    sys.exit(status)


main()
