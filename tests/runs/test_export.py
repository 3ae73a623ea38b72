"""The folder for OpenEvolve: its evaluator asks a real run's harness, and nothing else."""

import json
import os
import subprocess
import sys

import pytest
import yaml

from openglia import paths
from openglia.cli import main
from openglia.commands.export import marked
from openglia.problems.folder.kind import FolderKind
from openglia.problems.routing.kind import RoutingKind
from openglia.runs.evaluator import Evaluator
from openglia.runs.folder import create
from openglia.runs.record import Record
from tests.folder.conftest import EVALUATOR


def evaluated(problem, yardstick, programs, tmp_path):
    """What the exported evaluator says of programs, called as the optimizers do."""
    shown = problem.presentation
    record = Record(create(tmp_path / "generated"), shown, {shown.yardstick: yardstick})
    code = (
        "import json, sys; sys.path.insert(0, 'exported'); from evaluator import evaluate\n"
        "print(json.dumps([evaluate(name) for name in sys.argv[1:]]))"
    )
    with Evaluator(record, problem, max_evaluations=3) as evaluator:
        done = subprocess.run(
            [sys.executable, "-S", "-c", code, *map(str, programs)],
            cwd=tmp_path,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(paths.ROOT),
                "OPENGLIA_EVALUATOR": str(evaluator.socket_path),
            },
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), record


def test_routing_for_openevolve(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["export", "openevolve", "exported", "--benchmark", "smoke"]
    assert main(words) == 0
    exported = tmp_path / "exported"
    initial = exported / "initial_program.py"
    broken = tmp_path / "broken.py"
    broken.write_text(initial.read_text().replace("randint(0", "randint((0"))
    problem = RoutingKind().open("smoke", "embedded")
    llq = problem.measure_baseline("llq", problem.everything)
    found, record = evaluated(problem, llq, [initial, broken, initial, initial], tmp_path)
    values = {"llq": 14.452851024228266, "stub": 14.584278363687558}
    assert found[0] == {
        "combined_score": pytest.approx(values["llq"] / values["stub"]),
        "mean response time": "14.5843 s",
    }
    assert found[1]["combined_score"] == 0.0
    assert "syntax error" in found[1]["error"]
    assert found[3]["combined_score"] == 0.0
    assert "budget of 3 evaluations is used up" in found[3]["error"]
    assert record.records[0].full
    assert record.source(record.records[0]) == initial.read_bytes()

    config = yaml.safe_load((exported / "config.yaml").read_text())
    said = config["prompt"]["system_message"]
    assert "mean response time" in said  # of problem.md
    assert "num_pending_requests" in said  # of INTERFACE.md, which a model there cannot read
    assert "run_all.sh" not in said
    # The keys that both optimizers know: SkyDiscover refuses any other.
    assert config["evaluator"] == {
        "timeout": 86_400, "max_retries": 0, "cascade_evaluation": False,
    }  # fmt: skip
    readme = (exported / "README.md").read_text()
    assert f"{exported}/initial_program.py {exported}/evaluator.py" in readme
    assert "./run.sh --benchmark smoke --max" in readme
    capsys.readouterr()
    assert main(words) == 2
    assert "exported is there already" in capsys.readouterr().err


def test_a_folder_of_ones_own_for_openevolve(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "problem"
    place.mkdir()
    (place / "evaluator.py").write_text(EVALUATOR)
    (place / "problem.md").write_text("Answer as high as you can.\n")
    program = "# EVOLVE-BLOCK-START\ndef answer():\n    return 2\n# EVOLVE-BLOCK-END\nx = 1\n"
    (place / "initial_program.py").write_text(program)
    assert main(["export", "openevolve", "exported", "--problem", "./problem"]) == 0
    initial = tmp_path / "exported" / "initial_program.py"
    assert initial.read_text() == program
    outside = tmp_path / "outside.py"
    outside.write_text(program.replace("x = 1", "x = 2"))
    better = tmp_path / "better.py"
    better.write_text(program.replace("return 2", "return 5"))
    problem = FolderKind().open(None, "auto", place)
    start = problem.measure(problem.start, problem.everything)
    found, _ = evaluated(problem, start, [initial, outside, better], tmp_path)
    assert found[0] == {"combined_score": 1.0, "combined score": "2"}
    assert "line 5 lies outside the EVOLVE-BLOCKs" in found[1]["error"]
    assert found[2]["combined_score"] == 2.5
    assert f"./run.sh --problem {place} --max" in (tmp_path / "exported/README.md").read_text()
    said = yaml.safe_load((tmp_path / "exported/config.yaml").read_text())["prompt"]
    assert said["system_message"].startswith("Answer as high as you can.\n")


def test_marks_around_a_program_that_has_none():
    assert marked("x", ".py") == "# EVOLVE-BLOCK-START\nx\n# EVOLVE-BLOCK-END\n"
    assert marked("int x;\n", ".cpp") == "// EVOLVE-BLOCK-START\nint x;\n// EVOLVE-BLOCK-END\n"
    assert marked("(x)\n", ".lisp") == "(x)\n"
