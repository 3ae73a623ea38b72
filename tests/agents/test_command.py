"""A program of the user's in the Researcher's place."""

import json
import os
import signal
import threading
import time

import pytest
from stand_in import StandIn, verdict

from openglia.discovery import command
from openglia.discovery.experiment import AgentCommand, Limits

POOR = verdict("POOR", "What did you measure?", needs_improvement=True)


@pytest.fixture
def try_it(lab):
    """Runs the command in the Researcher's place, and the Supervisor where there is a server."""

    def run(text, server=None, *, rounds=1, variables=(), **changes):
        for folder in (lab.root, lab.folder / "scratch"):
            folder.mkdir(parents=True, exist_ok=True)
        changes.setdefault("limits", Limits(max_refinements=rounds - 1))
        changes |= {
            "agent": AgentCommand(command=text, variables=variables),
            "supervised": server is not None,
        }
        if server is not None:
            return lab.discover(server, **changes)
        return lab.discover(NOBODY, **changes)

    return run


class NOBODY:
    port = 9  # nobody listens there


def test_what_it_prints_last_is_its_account(lab, try_it):
    outcome = try_it("echo noise >&2; seq 100000; echo The account.")

    assert (outcome.status, outcome.reason, outcome.rounds) == ("completed", None, 1)
    assert outcome.account.endswith("\n100000\nThe account.")
    assert command.LONGEST_ACCOUNT - 10 < len(outcome.account) <= command.LONGEST_ACCOUNT
    assert outcome.account.split("\n")[0].isdigit()  # from the beginning of a line
    assert outcome.usage == {}
    log = lab.read("agent.log")
    assert "noise\n" in log
    assert log.count("\n") == 100_002
    assert "The account." in lab.read("researcher.md")
    assert not (lab.run_dir / "fastagent.jsonl").exists()  # nobody started fast-agent


def test_it_gets_the_task_on_standard_input_and_in_a_file(lab, try_it):
    outcome = try_it('cmp - "$OPENGLIA_TASK" && cat "$OPENGLIA_TASK"; pwd; echo $IN_SANDBOX')

    assert "Route $requests to {{replicas}}." in outcome.account
    assert "What you print last on standard output is your account" in outcome.account
    assert outcome.account.endswith(f"{lab.root}\nlayout-1")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("echo half; echo why >&2; exit 3", "ended with exit status 3: why"),
        ("echo half; no-such-program", "--agent-read PATH"),
        ("echo half; kill -9 $$", "ended with exit status 137"),
        ("echo half; yes", "it printed more than 1000000 bytes"),
    ],
    ids=["exit", "not-found", "killed", "endless"],
)
def test_a_program_that_fails_ends_the_run_in_good_order(try_it, monkeypatch, text, reason):
    monkeypatch.setattr(command, "OUTPUT_LIMIT", 10**6)
    outcome = try_it(text)

    assert outcome.status == "failed"
    assert reason in outcome.reason
    assert "\n" not in outcome.reason
    assert outcome.account


def test_a_program_that_hangs_is_stopped_by_the_time_limit_with_all_that_it_started(lab, try_it):
    outcome = try_it("sleep 600 & echo $! > pid; echo begun; wait", limits=Limits(time_limit=1.0))

    assert (outcome.status, outcome.account) == ("limit", "begun")
    assert "time limit" in outcome.reason
    assert _is_gone(int((lab.root / "pid").read_text()))


def test_it_may_finish_its_account_once_the_evaluations_are_used_up(lab, try_it):
    lab.record.evaluations_used = 7
    outcome = try_it("sleep 0.7; echo done", limits=Limits(max_evaluations=7, max_refinements=0))
    assert (outcome.status, outcome.account) == ("completed", "done")


def test_but_it_does_not_go_on_for_ever(lab, try_it, monkeypatch):
    monkeypatch.setattr(command, "CLOSING_SECONDS", 0.2)
    lab.record.evaluations_used = 7
    outcome = try_it("echo begun; sleep 600", limits=Limits(max_evaluations=7))

    assert (outcome.status, outcome.account) == ("limit", "begun")
    assert outcome.reason == "the evaluations are used up (7)"


def test_a_signal_ends_it(try_it):
    threading.Timer(0.7, os.kill, (os.getpid(), signal.SIGTERM)).start()
    outcome = try_it("echo begun; sleep 600")
    assert (outcome.status, outcome.account) == ("interrupted", "begun")


def test_without_a_supervisor_it_reviews_itself_as_often_as_it_is_told(try_it):
    outcome = try_it('grep -c "There is no supervisor" "$OPENGLIA_TASK" >> n; cat n', rounds=3)

    assert (outcome.status, outcome.rounds) == ("completed", 3)
    assert outcome.account.split() == ["0", "1", "1"]


def test_the_supervisor_questions_it_and_each_round_is_told_everything(lab, try_it):
    with StandIn((), [POOR, verdict()]) as server:
        outcome = try_it('cp "$OPENGLIA_TASK" "task$(ls | wc -l)"; echo Account.', server, rounds=4)
    assert (outcome.status, outcome.rounds) == ("completed", 2)
    tasks = [path.read_text() for path in sorted(lab.root.glob("task*"))]
    assert "What did you measure?" not in tasks[0]
    for part in ("Route $requests", "What did you measure?", "54.3 s", "Account."):
        assert part in tasks[1]
    asked = json.dumps(server.of("supervisor")[0])
    assert "Account." in asked
    assert "1 evaluation: 54.3 s" in asked
    assert server.of("researcher") == []
    assert set(outcome.usage) == {"supervisor"}


def test_a_run_that_goes_on_is_told_so_with_its_last_account(lab, try_it):
    assert try_it("echo The first account.").rounds == 1
    outcome = try_it('cat "$OPENGLIA_TASK"', resume=True)

    for part in ("Route $requests", "The run was interrupted", "The first account."):
        assert part in outcome.account


def test_what_it_was_given_stays_out_of_all_files(lab, try_it, monkeypatch):
    monkeypatch.setenv("MY_OWN_WORD", "a-word-of-mine")
    outcome = try_it(
        "echo -n a-word-; sleep 0.2; echo of-mine; echo end", variables=("MY_OWN_WORD",)
    )

    assert outcome.account == "[redacted]\nend"
    for path in lab.run_dir.iterdir():
        assert "a-word-of-mine" not in path.read_text()


def _is_gone(process):
    for _ in range(50):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False
