"""A generation of a chain: what it is told, when it has worked enough, and the digest it leaves."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from stand_in import StandIn, run, say, verdict

from openglia.discovery import digests
from openglia.discovery.experiment import Inheritance, Limits

DIGEST = "\n\n".join(f"{heading}\n\nSomething." for heading in digests.HEADINGS)


def handing_over(*digests):
    """A model that gives an account, and these when it is asked for a digest."""
    left = list(digests)

    def answer(body):
        return left.pop(0) if "Your part of this research ends here" in body else say("An account.")

    return answer


def test_the_last_duty_is_a_digest_and_one_without_its_form_is_asked_for_again(lab, protocol):
    short = DIGEST.replace("## Next steps", "## Further")
    answer = handing_over(say("It was nice."), say(short), say(DIGEST))
    with StandIn(answer) as server:
        outcome = lab.discover(server, protocol, hands_over=True)

    assert outcome.digest == DIGEST
    assert (outcome.status, outcome.account, outcome.warnings) == ("completed", "An account.", [])
    asked = [json.dumps(body["messages"][-1]) for body in server.of("researcher")]
    assert "Your part of this research ends here" in asked[1]
    assert "1 evaluation: 54.3 s" in asked[1]
    assert "lacks the heading '## Best so far, and why it works'" in asked[2]
    assert "lacks the heading '## Next steps'" in asked[3]


def test_where_no_digest_comes_that_is_said(lab):
    with StandIn() as server:
        outcome = lab.discover(server, hands_over=True)
    assert outcome.digest is None
    assert "the digest was written by the harness" in outcome.warnings[0]


def test_a_generation_ends_when_it_has_worked_enough_and_still_hands_over(lab, protocol):
    def answer(body):
        if "Your part of this research" in body:
            return say(DIGEST)
        lab.record.evaluations_used += 1
        return run("echo evaluated")

    def enough():
        return "3 evaluations in a row brought nothing" if lab.record.evaluations_used > 3 else None

    with StandIn(answer) as server:
        outcome = lab.discover(server, protocol, hands_over=True, enough=enough)
    assert (outcome.status, outcome.reason) == ("limit", "3 evaluations in a row brought nothing")
    assert outcome.digest == DIGEST
    assert len(server.of("researcher")) == 5
    # What the last command printed is there when the digest is asked for.
    assert json.dumps(server.of("researcher")[-1]).count("evaluated\\n") == 4


def test_used_up_tokens_leave_no_digest(lab):
    with StandIn([run("true")]) as server:
        outcome = lab.discover(server, hands_over=True, limits=Limits(max_tokens=300))
    assert (outcome.status, outcome.digest) == ("limit", None)
    assert "token limit" in outcome.reason


def test_what_others_spend_counts_too(lab):
    from openglia.discovery.experiment import Used

    with StandIn([run("true")]) as server:
        outcome = lab.discover(
            server, limits=Limits(max_tokens=500), elsewhere=lambda: Used(tokens=280)
        )
    assert outcome.reason == "the token limit is reached (500 of 500)"
    assert len(server.of("researcher")) == 2


def test_who_goes_on_is_told_the_digest_and_where_the_archive_is(lab, protocol):
    inherited = Inheritance(generation=5, generations=6, digest=DIGEST, archive=Path("/an/archive"))
    with StandIn() as server:
        lab.discover(server, protocol, inherited=inherited)
    with StandIn() as other:
        lab.discover(other, protocol, inherited=replace(inherited, leave=True))
    first, second = (json.dumps(one.of("researcher")[0]) for one in (server, other))
    for part in ("generation 5 of 6", "## What was refuted", "/an/archive"):
        assert part in first
    assert "Leave the present family" not in first
    assert "Leave the present family" in second


def test_the_supervisor_asks_in_the_middle_of_a_turn(lab, protocol):
    def answer(body):
        lab.record.evaluations_used += 1
        return run("true") if lab.record.evaluations_used < 7 else say("An account.")

    verdicts = [verdict("POOR", f"Question {n}?", needs_improvement=True) for n in (1, 2)]
    with StandIn(answer, [*verdicts, verdict()]) as server:
        outcome = lab.discover(server, protocol, review_every=2)

    assert (outcome.status, outcome.rounds) == ("completed", 1)
    asked = [json.dumps(body) for body in server.of("researcher")]
    assert ["Question 1?" in one for one in asked].index(True) == 2
    assert ["Question 2?" in one for one in asked].index(True) == 4
    assert "has said nothing yet" in json.dumps(server.of("supervisor")[0])
    assert "Question 1?" in lab.read("researcher.md")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda text: text, None),
        (lambda text: "Here it is:\n\n" + text, None),
        (lambda text: text.replace("## Next steps", "# Next steps"), "lacks the heading"),
        (
            lambda text: text.replace("## Next steps\n\nSomething.", "## Next steps\n"),
            "nothing under",
        ),
        (lambda text: text + "x" * digests.LONGEST, "characters"),
    ],
)
def test_the_form_of_a_digest(change, problem):
    found = digests.problem(change(DIGEST))
    assert (found is None) if problem is None else problem in found


@pytest.mark.parametrize("account", ["", "# Mine\n\n## Idea\n\nx", "word " * 5000])
@pytest.mark.parametrize("record", ["- Evaluations: 3.", "- line\n" * 300])
def test_the_harness_own_digest_has_the_form(account, record):
    assert digests.problem(digests.from_record(account, "Evaluation 3: 5.00 s.", record)) is None
