"""What can go wrong between the loop and a provider: waited out, asked again, or the end."""

import asyncio
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from conftest import PLANTED_KEY
from stand_in import Reply, StandIn, fail, page, run, say, verdict

from openglia.discovery.activity import FILE, Activity
from openglia.discovery.experiment import Patience
from openglia.discovery.redaction import Redactor
from openglia.files import read_json_lines

POOR = verdict("POOR", "What did you measure?", needs_improvement=True)


@pytest.fixture
def unwaiting(monkeypatch):
    """A provider whose trouble is final: the loop that waits fails the test."""

    async def wait(seconds, *_):
        raise AssertionError(f"waited {seconds} s")

    monkeypatch.setattr("openglia.discovery.patience.asyncio", SimpleNamespace(sleep=wait))


@pytest.mark.parametrize(
    "trouble",
    [
        fail(429),
        fail(429, retry_after="0"),
        fail(500),
        fail(503),
        say("A part of an ans", cut=True),
    ],
    ids=["429", "429-retry-after", "500", "503", "cut"],
)
def test_passing_trouble_is_waited_out(lab, protocol, trouble):
    # In the middle of a tool loop: the command's result must not be lost, nor run again.
    replies = [run("echo once >> log"), trouble, trouble, say("An account.")]
    with StandIn(replies) as server:
        outcome = lab.discover(server, protocol)

    assert (outcome.status, outcome.account) == ("completed", "An account.")
    assert (lab.root / "log").read_text() == "once\n"


def test_a_retry_after_is_obeyed(monkeypatch, tmp_path):
    from fast_agent.llm.fastagent_llm import FastAgentLLM

    from openglia.discovery import patience

    waits = []

    async def sleep(seconds):
        waits.append(seconds)

    monkeypatch.setattr(patience.asyncio, "sleep", sleep)
    assert hasattr(FastAgentLLM, "_wait_before_retry")  # what is replaced below
    llm = SimpleNamespace(_is_fatal_retry_error=lambda error: False)
    said, redact = [], Redactor(["the-key-of-mine"])
    agent = SimpleNamespace(name="researcher", llm=llm)
    activity = Activity(tmp_path, redact)
    patience.be_patient(agent, Patience(backoff=2), redact, said.append, activity)
    busy = RuntimeError("busy")
    busy.response = SimpleNamespace(headers={"retry-after": "37"})
    for error in (busy, RuntimeError("no header for the-key-of-mine")):
        asyncio.run(llm._wait_before_retry(error, attempt=1, retries=3))
    assert waits == [37, 4]
    assert said == [
        "provider trouble: busy; try 2 of 4, the next in 37 s",
        "provider trouble: no header for [redacted]; try 2 of 4, the next in 4 s",
    ]
    noted = [
        (line["doing"], line.get("what"), line.get("seconds"))
        for line in read_json_lines(tmp_path / FILE)
    ]
    assert noted == [
        ("waits", "busy", 37.0), ("thinks", None, None),
        ("waits", "no header for [redacted]", 4), ("thinks", None, None),
    ]  # fmt: skip


@pytest.mark.parametrize("trouble", [fail(500, "overloaded"), say("half", cut=True)])
def test_lasting_trouble_ends_the_run_with_what_it_has(lab, protocol, trouble):
    # The first account is there when the provider goes down for good.
    with StandIn([run("echo once >> log"), say("First account."), trouble], [POOR]) as server:
        outcome = lab.discover(server, protocol)

    assert outcome.status == "failed"
    assert outcome.reason.startswith("model ")
    assert "\n" not in outcome.reason
    assert outcome.account == "First account."
    assert outcome.usage["researcher"].calls >= 2
    # The question that was not answered is kept for a resumed run.
    assert json.loads(lab.read("researcher.json"))["messages"][-1]["role"] == "user"


@pytest.mark.parametrize(
    "trouble",
    [fail(429, "slow down"), fail(500, "overloaded"), fail(503, "overloaded")],
    ids=["429", "500", "503"],
)
def test_trouble_is_on_the_terminal_when_it_happens(lab, protocol, trouble):
    said = []
    leaky = replace(trouble, error=f"{trouble.error} {PLANTED_KEY}")
    # The SDKs ask three times in silence.
    with StandIn([leaky] * 3 + [say("An account.")]) as server:
        outcome = lab.discover(server, protocol, say=said.append)
    assert outcome.status == "completed"
    assert len(said) == 1
    assert f"http://127.0.0.1:{server.port}/v1/" in said[0]
    assert str(trouble.status) in said[0]
    assert f"{trouble.error} [redacted]" in said[0]
    assert said[0].endswith("; try 1 of 2, the next in 0.01 s")


def test_each_repeat_of_a_turn_is_on_the_terminal(lab, protocol, capfd):
    with StandIn([fail(500, "overloaded")]) as server:
        outcome = lab.discover(server, protocol)
    assert outcome.status == "failed"
    printed = capfd.readouterr()
    # Two turns of two tries each; the last trouble is the outcome's reason.
    assert [line.split(":")[0] for line in printed.err.splitlines()] == [
        "provider trouble",
        "researcher",
        "provider trouble",
    ]
    assert printed.out == ""


@pytest.mark.parametrize("reply", [page(), fail(429, "exceeded, insufficient_quota")])
def test_a_page_or_a_lack_of_credit_is_final(lab, protocol, reply, unwaiting):
    with StandIn([reply]) as server:
        outcome = lab.discover(server, protocol)
    assert outcome.status == "failed"
    assert f"http://127.0.0.1:{server.port}/v1/" in outcome.reason
    remedy = "add some" if reply.status == 429 else "correct the base URL"
    assert remedy in outcome.reason
    assert len(server.requests) <= 3  # by the SDKs themselves, within two seconds


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 422])
def test_a_refused_call_fails_at_once_and_is_not_repeated(lab, protocol, status, unwaiting):
    with StandIn([fail(status, f"Refused: {PLANTED_KEY}")]) as server:
        outcome = lab.discover(server, protocol)

    assert outcome.status == "failed"
    assert "Refused: " in outcome.reason
    assert PLANTED_KEY not in outcome.reason
    assert len(server.requests) == 1
    assert outcome.usage["researcher"].calls == 0
    # What was asked is kept for a run that is resumed with a right key.
    assert json.loads(lab.read("researcher.json"))["messages"][-1]["role"] == "user"


def test_a_missing_key_is_said_in_one_line(lab, monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with StandIn() as server:
        outcome = lab.discover(server, "anthropic")

    assert outcome.status == "failed"
    assert "key" in outcome.reason.lower()
    assert "\n" not in outcome.reason
    assert server.requests == []


def test_a_silent_provider_is_given_up(lab, protocol):
    patience = Patience(call_retries=0, turn_retries=0, backoff=0.01, silence=0.3)
    with StandIn([say("A part", hang=True)]) as server:
        outcome = lab.discover(server, protocol, patience=patience)

    assert outcome.status == "failed"


@pytest.mark.parametrize("text", ['{"command": "echo', '["echo"]', "{}", '{"command": 7}'])
def test_malformed_tool_arguments_come_back_as_an_error(lab, protocol, text):
    with StandIn([Reply(arguments=text), run("echo marker-$((1+1))"), say("Done.")]) as server:
        outcome = lab.discover(server, protocol)

    assert (outcome.status, outcome.account) == ("completed", "Done.")
    assert "marker-2" in lab.read("researcher.md")


@pytest.mark.parametrize(
    "reply",
    [say(""), say("I cannot help.", refusal=True), say("Too long", length=True)],
    ids=["empty", "refusal", "length"],
)
def test_an_answer_that_is_none_is_asked_for_again(lab, protocol, reply):
    with StandIn([reply, say("An account.")]) as server:
        outcome = lab.discover(server, protocol)
    assert (outcome.status, outcome.account) == ("completed", "An account.")


def test_a_model_that_only_gives_empty_answers_fails(lab, protocol):
    with StandIn([say("")]) as server:
        outcome = lab.discover(server, protocol)
    assert outcome.status == "failed"
    assert "no account" in outcome.reason or "no usable completion" in outcome.reason


def test_an_overflowing_context_is_shortened(lab, protocol):
    too_long = fail(400, "prompt is too long: 300000 tokens, context_length_exceeded")
    with StandIn([run("seq 2000"), run("echo end"), too_long, say("An account.")]) as server:
        outcome = lab.discover(server, protocol)

    assert (outcome.status, outcome.account) == ("completed", "An account.")
    assert "omitted to make room" in json.dumps(server.of("researcher")[-1])


def test_a_context_that_cannot_be_shortened_fails(lab, protocol):
    with StandIn([fail(400, "context_length_exceeded")]) as server:
        outcome = lab.discover(server, protocol)
    assert outcome.status == "failed"
    assert "context_length_exceeded" in outcome.reason
