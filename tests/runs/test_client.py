"""``openglia.client`` as a library that optimizes uses it: against a run's real socket."""

import json
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from openglia import client
from openglia.errors import OpenGliaError
from openglia.problems.folder.kind import FolderKind
from openglia.problems.problem import Look
from openglia.problems.routing.kind import RoutingKind
from openglia.runs.evaluator import Evaluator
from openglia.runs.folder import create
from openglia.runs.record import Record
from openglia.sandbox import choosing, fence
from openglia.sandbox.layout import Layout
from tests.folder.conftest import EVALUATOR, PROGRAM


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Serves a problem; its start's own measurement is the yardstick's."""

    def serve(problem, most=None, look=None):
        shown = problem.presentation
        start = problem.measure(problem.start, look or problem.everything)
        record = Record(create(tmp_path / "generated"), shown, {shown.yardstick: start})
        evaluator = stack.enter_context(Evaluator(record, problem, max_evaluations=most))
        monkeypatch.setenv("OPENGLIA_EVALUATOR", str(evaluator.socket_path))
        return record, evaluator

    with ExitStack() as stack:
        yield serve


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("openglia.paths.CACHE", tmp_path / "cache")
    place = tmp_path / "problem"
    place.mkdir()
    (place / "evaluator.py").write_text(EVALUATOR)
    (place / "initial_program.py").write_text(PROGRAM)
    return place


def test_a_score_says_what_it_is_and_how_good(served, folder):
    record, _ = served(FolderKind().open(None, "auto", folder), most=3)
    found = client.score("def answer():\n    return 7\n")
    assert (found.ok, found.value, found.ratio, found.gain) == (True, 7.0, 2.0, 2.0)
    assert (found.objective, found.lower_is_better) == ("combined score", False)
    assert (found.full, found.number, found.evaluations_left) == (True, 1, 2)
    assert found.yardstick == "the initial program"
    assert found.line["by_case"] == [7.0]
    assert record.records[0].result == found.line

    failed = client.score("def answer():\n    raise ValueError('planted')\n")
    assert (failed.ok, failed.value, failed.gain, failed.rule) == (False, None, None, "crash")
    assert failed.reason == "ValueError: planted"
    assert (failed.number, failed.evaluations_left) == (2, 1)

    refused = client.score(PROGRAM, cases=[77])
    assert (refused.rule, refused.number, refused.evaluations_left) == ("refused", None, 1)
    assert client.score(PROGRAM, cases=[0]).evaluations_left == 0
    refused = client.score(PROGRAM)
    assert (refused.ok, refused.rule, refused.evaluations_left) == (False, "refused", 0)
    assert "budget of 3 evaluations is used up" in refused.reason
    assert len(record.records) == 3


def test_where_lower_is_better_half_is_twice_as_good(served, folder):
    (folder / "openglia.yaml").write_text(
        "objective: {name: combined_score, words: delay, unit: s, direction: minimize}\n"
    )
    served(FolderKind().open(None, "auto", folder))
    found = client.score("def answer():\n    return 7\n")
    assert (found.objective, found.unit, found.lower_is_better) == ("delay", "s", True)
    assert (found.ratio, found.gain, found.evaluations_left) == (2.0, 0.5, None)
    assert client.score("def answer():\n    return -7\n").gain is None


def test_what_is_not_the_candidates_fault_is_an_error(served, folder, monkeypatch):
    problem = FolderKind().open(None, "auto", folder)
    _, evaluator = served(problem)

    def broken(*_, **__):
        raise OpenGliaError("no room")

    monkeypatch.setattr(problem, "measure", broken)
    with pytest.raises(OpenGliaError, match="no room"):
        client.score(PROGRAM)
    assert evaluator.trouble == ["no room"]
    monkeypatch.delenv("OPENGLIA_EVALUATOR")
    with pytest.raises(OpenGliaError, match="--agent COMMAND"):
        client.score(PROGRAM)
    monkeypatch.setenv("OPENGLIA_EVALUATOR", str(folder / "nothing"))
    with pytest.raises(OpenGliaError, match="does not answer"):
        client.score(PROGRAM)


@pytest.mark.parametrize("rung", [rung.name for rung in fence.LADDER])
def test_it_is_there_inside_the_sandbox_and_needs_no_package(served, tmp_path, rung):
    (found,) = [each for each in fence.LADDER if each.name == rung]
    if (trouble := found.problem()) is not None:
        pytest.skip(trouble)
    problem = RoutingKind().open("smoke", "embedded")
    stub = problem.start.read_text()
    look = Look((0,), {"seeds": [0]})
    record, evaluator = served(problem, most=5, look=look)
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "stub.py").write_text(stub)
    code = (
        "import sys; from pathlib import Path; from openglia.client import score\n"
        f"found = score(Path({str(tmp_path)!r}, 'scratch/stub.py').read_text(), seeds=[0])\n"
        "import json; print(json.dumps(found._asdict()))\n"
    )
    sandbox = choosing.choose(rung)
    layout = Layout(
        scratch=tmp_path / "scratch", socket_dir=evaluator.folder, workplace=problem.workplace
    )
    done = subprocess.run(
        sandbox.command(["python", "-S", "-c", code], layout),
        env=sandbox.environment(layout, {"OPENGLIA_EVALUATOR": str(evaluator.socket_path)}),
        cwd=layout.root,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["value"] == problem.presentation.score(record.records[0].result).value
    assert told["value"] > 0
    assert (told["objective"], told["unit"]) == ("mean response time", "s")
    assert (told["yardstick"], told["full"]) == ("LLQ", False)
    assert Path(record.records[0].candidate).suffix == ".py"
