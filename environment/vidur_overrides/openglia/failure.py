"""Why a simulation cannot be scored."""


class RouterFailureError(Exception):
    """The router broke a rule. ``rule`` is a word of the harness; the message is one line."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(reason)
        self.rule = rule


class OracleError(BaseException):
    """The router asked for something that only the future knows.

    Not an Exception: neither ``hasattr`` nor an ``except Exception`` of the router shall hide it.
    """
