"""What goes over the evaluator's socket: one line of JSON per message.

Standard library only, and no dataclass, which would take longer to load than all the rest.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Asked(NamedTuple):
    """An agent asks for a score. ``what`` is for the problem to read; see ``Problem.look``."""

    source: str
    what: Mapping[str, Any]

    def encoded(self) -> bytes:
        """The line."""
        return _line({**self.what, "source": self.source})


class Wanted(NamedTuple):
    """An agent asks for a candidate that was evaluated."""

    number: int

    def encoded(self) -> bytes:
        """The line."""
        return _line({"restore": self.number})


class Candidate(NamedTuple):
    """A candidate that was evaluated, as it was handed over."""

    number: int
    source: str
    told: str  # what it scored, for people

    def encoded(self) -> bytes:
        """The line."""
        return _line({"candidate": self.number, "source": self.source, "told": self.told})


class Progress(NamedTuple):
    """The evaluator is at work."""

    text: str

    def encoded(self) -> bytes:
        """The line."""
        return _line({"progress": self.text})


class Score(NamedTuple):
    """One evaluation of a candidate, in the same words whatever the problem."""

    value: float | None  # the objective over the cases, in ``unit``; None: there is no score
    ratio: float | None  # the value over the yardstick's on the same cases, where that is known
    full: bool  # on all evaluation cases, nothing narrowed: this is what counts
    rule: str  # why there is no score, in a word (``refused``: not carried out), and in a line
    reason: str
    objective: str  # what the value is: mean response time
    unit: str  # s; empty for a bare number
    lower_is_better: bool
    yardstick: str  # what the ratio is to: LLQ
    number: int | None  # of the evaluation in the run's record; None: it was not counted
    evaluations_left: int | None  # in the run's budget; None: there is no limit
    line: Mapping[str, Any]  # all that was measured: the problem's JSON line
    broken: Sequence[str] = ()  # the problem's constraints that the candidate breaks, in words
    violation: float = 0.0  # by how much, as shares of their bounds, added up

    @property
    def ok(self) -> bool:
        """Whether there is a score."""
        return self.value is not None

    @property
    def gain(self) -> float | None:
        """How many times as good as the yardstick: 2.0 is half the time, or twice the throughput.

        A candidate that breaks a constraint has a thousandth at most, and the less the more it
        breaks: so whoever raises this looks for one that keeps them. None without a score, without
        a yardstick, and where such a ratio says nothing.
        """
        if self.ratio is None or self.ratio <= 0:
            return None
        if self.violation > 0:
            return 0.001 / (1 + self.violation)
        return 1 / self.ratio if self.lower_is_better else self.ratio


class Answer(NamedTuple):
    """The evaluator's last message."""

    line: Mapping[str, Any]  # the problem's JSON line
    table: str  # the same for people
    score: Score | None = None  # the same for libraries; None: made outside of a run

    def encoded(self) -> bytes:
        """The line."""
        message = {"result": self.line, "table": self.table}
        if self.score is not None:
            message["score"] = {**self.score._asdict(), "line": None}  # it is there already
        return _line(message)


def answer(line: str) -> Progress | Answer | Candidate:
    """Read what the evaluator sent."""
    message = json.loads(line)
    if "candidate" in message:
        return Candidate(message["candidate"], message["source"], message["told"])
    if "result" in message:
        result, told = message["result"], message.get("score")
        score = None if told is None else Score(**{**told, "line": result})
        return Answer(result, message["table"], score)
    return Progress(message["progress"])


def _line(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message, allow_nan=False).encode() + b"\n"
