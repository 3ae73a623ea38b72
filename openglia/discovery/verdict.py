"""The Supervisor's answer, read from the text it gave."""

import json
from dataclasses import dataclass
from typing import Any, Literal, get_args

Rating = Literal["POOR", "FAIR", "GOOD", "EXCELLENT"]
RATINGS: tuple[Rating, ...] = get_args(Rating)


@dataclass(frozen=True)
class Verdict:
    """What the Supervisor thinks of one account."""

    rating: Rating
    feedback: str  # questions and remarks for the Researcher
    needs_improvement: bool

    @property
    def content(self) -> bool:
        """Whether the discovery may end here.

        A rating and a flag can contradict each other. The rating decides at both ends: poor or
        fair work is never enough, excellent work always is.
        """
        return self.rating == "EXCELLENT" or (self.rating == "GOOD" and not self.needs_improvement)


def parse(text: str) -> Verdict | str:
    """The verdict in ``text``, or what is wrong with it, to be told to the Supervisor.

    The JSON object may stand between other words, or in a code fence; the last one that is a
    verdict counts.
    """
    problem = "it holds no JSON object"
    for candidate in reversed(_objects(text)):
        verdict = _verdict(candidate)
        if isinstance(verdict, Verdict):
            return verdict
        problem = verdict
    return problem


def _objects(text: str) -> list[dict[str, Any]]:
    """Every JSON object in ``text`` that is not part of another, in order."""
    decoder = json.JSONDecoder(strict=False)  # a bare line break inside a string is forgiven
    found: list[dict[str, Any]] = []
    position = text.find("{")
    while position != -1:
        try:
            value, end = decoder.raw_decode(text, position)
        except (json.JSONDecodeError, RecursionError):
            end = position + 1
        else:
            found.append(value)
        position = text.find("{", end)
    return found


def _verdict(value: dict[str, Any]) -> Verdict | str:
    rating = value.get("rating")
    feedback = value.get("feedback")
    improvement = value.get("needs_improvement")
    name = rating.strip().upper() if isinstance(rating, str) else None
    match = next((known for known in RATINGS if known == name), None)
    if match is None:
        return f'"rating" is not one of {", ".join(RATINGS)}'
    if not isinstance(feedback, str) or not feedback.strip():
        return '"feedback" is missing or empty'
    if not isinstance(improvement, bool):
        return '"needs_improvement" is not true or false'
    return Verdict(match, feedback.strip(), improvement)
