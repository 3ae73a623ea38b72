"""The Supervisor's part: questions from the account and the record, and a rating by a rule.

The rule, on what the harness measured and not on words:

- POOR: no candidate was evaluated cleanly on all evaluation cases.
- FAIR: the best candidate's interval is not given, the account does not state the recorded best
  figure, or fewer than three parts of the candidate were changed on their own.
- GOOD: all of these. Improvement is asked for until a second account has answered questions.
"""

import json
import re

_BEST = re.compile(r"^- Best, evaluation \d+: (\d+\.\d+)\D*\(90 % interval", re.MULTILINE)
_NO_FULL = re.compile(r"No candidate has been evaluated cleanly on all evaluation (\w+)")
_FAILED = re.compile(r"^- Failed (\d+) x: (.*)$", re.MULTILINE)
_ROUND = re.compile(r"The researcher's account \(round (\d+)\)")
_ENOUGH_CHANGES = 3


def review(message: str) -> str:
    """The Supervisor's answer to the loop's message: a JSON object."""
    account, _, record = message.rpartition("# What the harness measured")
    account = account[account.rfind("# The researcher's account") :]
    found = _ROUND.findall(account)
    first = not found or int(found[-1]) == 1
    best = _BEST.search(record)
    none = _NO_FULL.search(record)
    changes = _changes(account)
    questions = []
    if none:
        questions.append(f"Which candidate do you stand behind on all evaluation {none[1]}?")
    if best is None or best[1] not in account:
        questions.append(
            "The record's best figure is not the one in your account. Which measurement is it?"
        )
    if len(changes) < _ENOUGH_CHANGES:
        questions.append(
            "Which measurements show what each part contributes, with the others unchanged?"
        )
    for times, reason in _FAILED.findall(record)[:1]:
        questions.append(f"{times} evaluations failed ({reason}). What do they have in common?")
    if none:
        rating = "POOR"
    elif best is None or best[1] not in account or len(changes) < _ENOUGH_CHANGES:
        rating = "FAIR"
    else:
        rating = "GOOD"
    if first and rating == "GOOD":
        questions += [
            "Does a finer search around the best candidate change anything, measured in full?",
            f"You measured {len(changes)} changes of one part. Do the differences hold around the "
            "candidate that you end with?",
            "What part of the family has hardly been tried?",
        ]
    return json.dumps(
        {
            "rating": rating,
            "feedback": _feedback(rating, questions),
            "needs_improvement": rating != "GOOD" or first,
        }
    )


def _changes(account: str) -> list[str]:
    """The rows of the account's table of single changes."""
    _, _, section = account.partition("## What each part contributes")
    section = section.split("\n## ")[0]
    return [line for line in section.splitlines() if re.match(r"\| \w+: .* instead of ", line)]


def _feedback(rating: str, questions: list[str]) -> str:
    if not questions:
        return "The figures agree with the record, and each part was measured. No open question."
    opening = {
        "POOR": "There is no sound result yet.",
        "FAIR": "There is a result, but it is not yet understood.",
        "GOOD": "The result is measured in full and its parts are attributed.",
    }[rating]
    return "\n".join([opening, "", *(f"{n}. {q}" for n, q in enumerate(questions, start=1))])
