"""The loop through fast-agent's real provider code, against a server on the loopback interface."""

import json
import re

import pytest
from conftest import PLANTED_KEY
from stand_in import Reply, StandIn, fail, run, say, verdict

from openglia.discovery.experiment import Limits, Used

POOR = verdict("POOR", "What did you measure?", needs_improvement=True)


def test_researcher_works_supervisor_asks_until_content(lab, protocol):
    server = StandIn(
        [run("echo marker-$((40 + 2))"), say("First account."), say("Second account.")],
        [verdict("FAIR", "Why is it faster?", needs_improvement=True), verdict("EXCELLENT")],
    )
    with server:
        outcome = lab.discover(server, protocol)

    assert (outcome.status, outcome.reason, outcome.rounds) == ("completed", None, 2)
    assert outcome.account == "Second account."
    # The shell's output came back to the model; the question reached the Researcher.
    assert "marker-42" in json.dumps(server.of("researcher")[1])
    assert "Why is it faster?" in json.dumps(server.of("researcher")[2])
    # The Supervisor saw the harness's record next to the account, and the problem as it is.
    asked = json.dumps(server.of("supervisor")[0])
    assert "First account." in asked
    assert "1 evaluation: 54.3 s" in asked
    assert "Route $requests to {{replicas}}." in asked
    assert outcome.usage["researcher"].calls == 3
    assert outcome.usage["researcher"].total == 3 * 110
    assert outcome.usage["supervisor"].total == 2 * 110


def test_the_researcher_is_offered_a_shell_and_nothing_else(lab, protocol):
    with StandIn() as server:
        lab.discover(server, protocol)

    def offered(body):
        return sorted(tool.get("function", tool)["name"] for tool in body.get("tools", []))

    assert offered(server.of("researcher")[0]) == ["bash", "process"]
    assert offered(server.of("supervisor")[0]) == []


@pytest.mark.parametrize("tool", ["read_text_file", "write_text_file", "edit_file", "execute"])
def test_a_tool_that_is_not_offered_does_nothing(lab, tool):
    target = lab.folder / "target.txt"
    arguments = json.dumps({"path": str(target), "content": "x", "command": f"touch '{target}'"})
    with StandIn([Reply(tool=tool, arguments=arguments), say("Done.")]) as server:
        outcome = lab.discover(server)

    assert outcome.status == "completed"
    assert not target.exists()


def test_commands_run_in_the_sandbox_with_a_minimal_environment(lab, protocol):
    with StandIn([run("env | sort; pwd"), say("Done.")]) as server:
        lab.discover(server, protocol)

    seen = lab.read("researcher.md")
    names = set(re.findall(r"^([A-Z_]+)=", seen, re.MULTILINE))
    ours = {"PATH", "OPENGLIA_RUN_ID", "OPENGLIA_SCRATCH_DIR", "OPENGLIA_EVALUATOR", "IN_SANDBOX"}
    assert names - {"PWD", "SHLVL", "_", "OLDPWD"} == ours
    assert "IN_SANDBOX=layout-1" in seen
    assert str(lab.root) in seen


def test_background_commands_are_refused(lab):
    arguments = json.dumps({"command": "sleep 60", "run_in_background": True})
    with StandIn([Reply(arguments=arguments), say("Done.")]) as server:
        lab.discover(server)

    assert "background commands are switched off" in json.dumps(server.of("researcher")[1])


def test_traces_transcripts_and_histories_are_written_without_the_key(lab, protocol):
    leak = f"echo {PLANTED_KEY[:12]}''{PLANTED_KEY[12:]}"
    with StandIn([run(leak), say(f"My key is {PLANTED_KEY}.")]) as server:
        outcome = lab.discover(server, protocol)

    assert outcome.account == "My key is [redacted]."
    trace = [json.loads(line) for line in lab.read("fastagent.jsonl").splitlines()]
    said = [line["data"] for line in trace if line["message"] == "researcher: answer"]
    assert [message["agent"] for message in said] == ["researcher", "researcher"]
    assert "## Shell" in lab.read("researcher.md")
    assert len(json.loads(lab.read("researcher.json"))["messages"]) == 4
    assert len(json.loads(lab.read("supervisor.json"))["messages"]) == 2
    for file in lab.run_dir.iterdir():
        assert PLANTED_KEY not in file.read_text(), file.name


def test_a_verdict_that_does_not_parse_is_asked_for_again(lab, protocol):
    with StandIn((), [say("Well done!"), say('{"rating": "GREAT"}'), verdict()]) as server:
        outcome = lab.discover(server, protocol)

    assert outcome.status == "completed"
    assert "could not be read" in json.dumps(server.of("supervisor")[1])
    assert "is not one of POOR" in json.dumps(server.of("supervisor")[2])
    assert outcome.warnings == []


def test_without_a_verdict_the_researcher_reviews_itself(lab):
    with StandIn((), [say("Well done!")] * 3 + [verdict()]) as server:
        outcome = lab.discover(server)

    assert (outcome.status, outcome.rounds) == ("completed", 2)
    assert "no usable answer" in json.dumps(server.of("researcher")[1])
    assert "round 1" in outcome.warnings[0]


@pytest.mark.parametrize(
    ("limits", "replies", "reason"),
    [
        (Limits(max_refinements=2), [say("Account.")], "refinements"),
        (Limits(max_tokens=500), [run("true")], "token limit"),
        (Limits(time_limit=1.5), [run("sleep 0.2")], "time limit"),
        (Limits(time_limit=1.5), [run("sleep 600")], "time limit"),
        (Limits(time_limit=1.5), [say("A part", hang=True)], "time limit"),
    ],
    ids=["refinements", "tokens", "time", "time-in-a-command", "time-in-a-call"],
)
def test_an_endless_talker_is_stopped_by_each_limit(lab, protocol, limits, replies, reason):
    with StandIn(replies, [POOR]) as server:
        outcome = lab.discover(server, protocol, limits=limits)

    assert outcome.status == "limit"
    assert reason in outcome.reason
    if limits.max_tokens == 500:
        assert sum(usage.total for usage in outcome.usage.values()) == 550


def test_used_up_evaluations_end_the_run_after_the_account(lab):
    lab.record.evaluations_used = 7
    with StandIn([run("true"), say("Account.")], [POOR]) as server:
        outcome = lab.discover(server, limits=Limits(max_evaluations=7))

    assert (outcome.status, outcome.account) == ("limit", "Account.")
    assert outcome.reason == "the evaluations are used up (7)"


def test_used_up_evaluations_leave_an_endless_talker_some_calls(lab):
    from openglia.discovery.limits import CLOSING_CALLS

    lab.record.evaluations_used = 7
    with StandIn([run("true", text="thinking")]) as server:
        outcome = lab.discover(server, limits=Limits(max_evaluations=7))

    assert outcome.status == "limit"
    assert len(server.of("researcher")) == CLOSING_CALLS
    assert outcome.account == "thinking"


def test_a_run_is_resumed_from_the_histories(lab, protocol):
    with StandIn([run("echo early"), say("First account."), fail(500)], [POOR]) as server:
        assert lab.discover(server, protocol).status == "failed"
    with StandIn([say("Second account.")]) as server:
        outcome = lab.discover(server, protocol, resume=True)

    assert (outcome.status, outcome.account) == ("completed", "Second account.")
    sent = json.dumps(server.of("researcher")[0])
    assert "early" in sent
    assert sent.count("What did you measure?") == 1  # the pending question, once
    assert "First account." in json.dumps(server.of("supervisor")[0])  # its own history


def test_a_run_that_had_ended_goes_on_when_resumed(lab):
    with StandIn([say("First account.")]) as server:
        lab.discover(server)
    with StandIn([say("Second account.")]) as server:
        outcome = lab.discover(server, resume=True)

    assert outcome.account == "Second account."
    assert "goes on now" in json.dumps(server.of("researcher")[0])


def test_a_resumed_run_without_histories_starts_afresh(lab):
    with StandIn() as server:
        assert lab.discover(server, resume=True).status == "completed"
    assert "Route $requests" in json.dumps(server.of("researcher")[0])


@pytest.mark.parametrize(
    ("limits", "used", "reason", "calls"),
    [
        (Limits(max_tokens=500), Used(tokens=390), "token limit is reached (500 of 500)", 1),
        (Limits(max_tokens=500), Used(tokens=500), "token limit is reached (500 of 500)", 0),
        (Limits(time_limit=60), Used(seconds=60), "time limit is reached (60 s)", 0),
        (Limits(time_limit=60), Used(seconds=61), "time limit is reached (60 s)", 0),
        (Limits(time_limit=60), Used(seconds=58.5), "time limit is reached (60 s)", None),
        # One account and its first refinement were given; going on gives the second.
        (Limits(max_refinements=2), Used(rounds=2), "refinements are used up (2)", 1),
        (Limits(max_refinements=2), Used(rounds=3), "refinements are used up (2)", 0),
    ],
)
def test_a_limit_is_the_runs_and_not_that_of_a_resume(lab, limits, used, reason, calls):
    with StandIn([say("First account.")]) as server:
        lab.discover(server)
    history = json.loads(lab.read("researcher.json"))["messages"]
    replies = [run("sleep 600")] if calls is None else [say("Second account.")]
    with StandIn(replies, [POOR]) as server:
        outcome = lab.discover(server, resume=True, limits=limits, used=used)

    assert outcome.status == "limit"
    assert reason in outcome.reason
    assert outcome.account == ("Second account." if calls else "First account.")
    assert json.loads(lab.read("researcher.json"))["messages"][: len(history)] == history
    if calls is not None:
        assert len(server.of("researcher")) == calls


def test_a_resumed_agent_is_told_what_is_left(lab):
    lab.record.evaluations_used = 50
    with StandIn() as server:
        lab.discover(server)
    with StandIn() as server:
        used = Used(tokens=4_000_000, seconds=3600, rounds=2)
        lab.discover(server, resume=True, used=used)
    assert (
        "evaluations 150 of 200, refinements 4 of 5, tokens 1,000,000 of 5,000,000, "
        "time 3:00:00 of 4:00:00" in json.dumps(server.of("researcher")[0])
    )


def test_what_is_spent_is_told_after_each_call(lab, protocol):
    told = []
    with StandIn([run("true"), say("Account.")]) as server:
        lab.discover(server, protocol, spent=lambda usage, rounds: told.append((usage, rounds)))
    tokens = [sum(agent.total for agent in usage.values()) for usage, _ in told]
    assert tokens == [110, 220, 220, 330]  # the third is that of the finished account
    assert [rounds for _, rounds in told] == [0, 0, 1, 1]


def test_stray_settings_do_not_reach_fast_agent(lab, monkeypatch):
    (lab.folder / ".env").write_text("LLM_RETRIES=0\nLOGGER__TYPE=file\nLOGGER__PATH=stray.jsonl\n")
    monkeypatch.setenv("LOGGER__PATH", str(lab.folder / "stray2.jsonl"))
    lab.root.mkdir()
    (lab.root / "fast-agent.yaml").write_text(
        "logger: {type: file, path: stray3.jsonl}\nanthropic: {web_search: {enabled: true}}\n"
        "mcp: {servers: {stray: {command: touch, args: [stray4]}}}\n"
    )
    with StandIn() as server:
        outcome = lab.discover(server, "anthropic")

    assert outcome.status == "completed"
    assert [tool["name"] for tool in server.of("researcher")[0]["tools"]] == ["bash", "process"]
    assert not list(lab.folder.rglob("stray*"))
