"""The expected endings. Everything else is a bug and keeps its traceback."""


class OpenGliaError(Exception):
    """Something the user can mend.

    The message is one line: what is wrong, why, and how to mend it. The command line prints it
    without a traceback and exits with ``exit_status``.
    """

    exit_status = 1


class UsageError(OpenGliaError):
    """The command, an option, or an input file is not of the right form."""

    exit_status = 2


def shown(value: object) -> str:
    """A value as a message quotes it: short."""
    try:
        text = repr(value)
    except ValueError:  # a whole number of thousands of digits
        text = "a number beyond all bounds"
    return text if len(text) <= 40 else text[:37] + "..."
