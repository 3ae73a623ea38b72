"""``openglia run --agent``: a script of the user's discovers, in the real sandbox."""

import argparse
import sys

import pytest

from openglia import cli
from openglia.commands import run
from openglia.discovery.experiment import AgentCommand
from tests.folder.conftest import EVALUATOR, PROGRAM
from tests.runs.test_runs_whole import records_of, results_of

AGENT = """\
import os, sys
from pathlib import Path
from openglia.client import score
assert "is your account" in sys.stdin.read()
for value in (3, 7, 5):
    found = score(f"def answer():\\n    return {value}\\n")
    print(value, found.value, flush=True)
Path(os.environ["OPENGLIA_SCRATCH_DIR"], "notes").write_text(os.environ["MY_WORD"])
print("Seven is the best.")
"""


@pytest.fixture
def place(project):
    folder = project.root / "my problem"
    folder.mkdir()
    (folder / "evaluator.py").write_text(EVALUATOR)
    (folder / "initial_program.py").write_text(PROGRAM)
    (project.root / "agent.py").write_text(AGENT)
    return folder


def test_a_script_discovers_and_is_verified(project, place, monkeypatch):
    words = ("--agent", "python agent.py", "--agent-env", "MY_WORD", "--agent-read", sys.prefix)
    status, output = project.run(
        "-m",
        "openglia",
        "run",
        "--problem",
        str(place),
        "--quiet",
        *words,
        MY_WORD="a-word-of-mine",
    )

    assert status == 0, output
    assert "agent: python agent.py" in output
    assert "no Supervisor: no model is configured for one" in output
    (folder,) = project.runs()
    results = results_of(folder)
    assert [record["result"]["status"] for record in records_of(folder)] == ["ok"] * 3
    assert (results["status"], results["model"], results["supervised"]) == ("completed", "", False)
    assert results["account"].endswith("Seven is the best.")
    assert results["final"]["number"] == 2
    assert (folder / "scratch" / "notes").read_text() == "a-word-of-mine"
    solution = (folder / "solution.md").read_text()
    assert "The run completed. Evaluations: 3" in solution
    assert "Agent: `python agent.py`, unsupervised" in solution
    assert "--agent 'python agent.py' --agent-env MY_WORD --agent-read" in solution
    assert "python agent.py, unsupervised" in (folder / "report.html").read_text()

    monkeypatch.setenv("MY_WORD", "another-word")
    settled = options("--resume", str(folder), "--agent-network")
    assert settled.agent == AgentCommand(
        command="python agent.py", network=True, variables=("MY_WORD",), readable=(sys.prefix,)
    )
    assert not settled.supervised


def test_rounds_are_what_one_would_expect():
    smoke = ("--benchmark", "smoke")
    assert options(*smoke).limits.max_refinements == 5
    assert options(*smoke, "--rounds", "3").limits.max_refinements == 2
    assert options(*smoke, "--model", "offline", "--agent", "x").limits.max_refinements == 0
    assert options(*smoke, "--model", "haiku", "--agent", "x").limits.max_refinements == 5
    alone = options(*smoke, "--model", "haiku", "--agent", "x", "--no-supervisor")
    assert (alone.limits.max_refinements, alone.asks_model) == (0, False)


def options(*words):
    parser = argparse.ArgumentParser()
    run.configure(parser)
    return run.options(parser.parse_args(words))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--agent-network"], "are for --agent COMMAND"),
        (["--agent", "true", "--agent-env", "NOT_SET"], "no variable of that name"),
        (["--agent", "true", "--agent-read", "/no/such"], "no such file"),
        (["--agent", "true", "--agent-read", "/"], "it holds this experiment"),
        (["--agent", "'"], "cannot be read: No closing quotation"),
        (["--agent", ""], "the command is empty"),
        (["--agent", "true", "--rounds", "2", "--max-refinements", "1"], "give one of them"),
        (["--agent", "true", "--rounds", "0"], "below 1"),
        (["--agent", "true", "--max-cost", "1"], "not known here"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(tmp_path, monkeypatch, capsys, words, said):
    (tmp_path / "evaluator.py").write_text(EVALUATOR)
    (tmp_path / "initial_program.py").write_text(PROGRAM)
    monkeypatch.setenv("OPENGLIA_MODEL", "offline")
    monkeypatch.setattr("openglia.runs.beginning.begin", None)  # it must not come so far
    monkeypatch.setattr("openglia.paths.CACHE", tmp_path / "cache")
    try:
        assert cli.main(["run", "--problem", str(tmp_path), *words]) != 0
    except SystemExit as ended:
        assert ended.code != 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "openglia run: " in line]
    assert said in line
