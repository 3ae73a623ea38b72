"""How a router can fail. Each failure carries the rule it broke."""

from typing import Literal

from openglia.errors import OpenGliaError

Rule = Literal[
    "exception",  # the router raised
    "import",  # its file cannot be loaded
    "interface",  # it used what a router does not have, or changed what it may only read
    "invalid-placement",  # an unknown replica, no waiting request, a request twice
    "invalid-choice",  # a request that it was not offered
    "never-completed",  # a request was held back, or cannot fit, until nothing happened any more
    "oracle",  # it asked for an output length
    "router-too-slow",
    "memory",
    "timeout",
    "crash",
]

DETAIL_LINES = 20


class RouterFailureError(OpenGliaError):
    """The router under test broke a rule; ``detail`` holds the last lines of its traceback."""

    def __init__(self, rule: Rule, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.rule: Rule = rule
        self.reason = " ".join(reason.split())  # one line, whatever the router's message was
        self.detail = detail
