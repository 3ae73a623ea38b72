"""A command of OpenGLIA without plots and pages: ``python plain.py WORD ...``."""

import sys

from openglia.runs import finish
from openglia.runs.standing import Standing


def leave_out() -> None:
    finish._plots, finish._report = (lambda *_: []), (lambda *_: None)
    Standing._write = lambda _: None


if __name__ == "__main__":
    from openglia.__main__ import main

    leave_out()
    sys.exit(main())
