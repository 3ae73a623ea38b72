"""A folder as a problem: what its evaluator says becomes a score, or a reason why there is none."""

import json
import shutil
import socket
import zipfile
from pathlib import Path
from random import Random

import pytest

from openglia.errors import OpenGliaError, UsageError
from openglia.problems.asked import RefusedError
from openglia.problems.folder import environment, marks
from openglia.problems.folder.kind import FolderKind
from openglia.problems.folder.literals import literals
from openglia.problems.folder.source import read_source
from openglia.problems.problem import Look
from tests.folder.conftest import EVALUATOR, PROGRAM

KIND = FolderKind()


def opened(place):
    return KIND.open(None, "auto", place)


def measured(place, look=None):
    problem = opened(place)
    return problem.measure(problem.start, look or problem.everything)


def test_a_mapping_with_a_score(folder):
    place = folder(config__yaml="prompt: {system_message: Count up.}\nevaluator: {timeout: 7}\n")
    problem = opened(place)
    line = problem.measure(problem.start, problem.everything)
    assert (line["status"], line["value"], line["full"]) == ("ok", 3.5, True)
    assert problem.source.timeout == 7
    assert problem.statement("| a |").startswith("Count up.")
    assert "openglia score environment/candidate/program.py" in problem.statement("")
    folder(problem__md="My own words.\n")
    assert opened(place).statement("").startswith("My own words.")


def test_an_object_with_metrics_as_openevolve_has_it(folder):
    line = measured(
        folder(
            "from openevolve.evaluation_result import EvaluationResult\n"
            "def evaluate(program_path):\n"
            "    return EvaluationResult({'combined_score': 2}, artifacts={'note': 'well'})\n"
        )
    )
    assert (line["value"], line["detail"]) == (2.0, "note: well")


def test_without_a_combined_score_the_mean_counts_and_that_is_said(folder):
    line = measured(folder("def evaluate(p):\n    return {'a': 1, 'b': 4.0, 'c': 'text'}\n"))
    assert line["value"] == 2.5
    assert "the mean of 2 numbers is the score" in line["warnings"][0]


@pytest.mark.parametrize(
    ("body", "rule", "reason"),
    [
        ("return {'combined_score': float('nan')}", "score", "no finite number"),
        ("return {'combined_score': float('inf')}", "score", "no finite number"),
        ("return {'combined_score': 'high'}", "score", "'high', which is no finite number"),
        ("return {'combined_score': True}", "score", "no finite number"),
        ("return {'other': 'x'}", "score", "gave no combined_score; it gave other"),
        ("return {'combined_score': 0.0, 'error': 'it blew up'}", "error", "it blew up"),
        ("return 'garbage'", "crash", "returned no mapping but str"),
        ("return None", "crash", "returned no mapping but NoneType"),
        ("raise ValueError('planted')", "crash", "ValueError: planted"),
        ("import os; os._exit(7)", "crash", "ended with status 7 and no result"),
        ("import time; time.sleep(600)", "timeout", "longer than 2 s"),
        ("print('{}' * 10**6, flush=True); return {'combined_score': 1}", "ok", ""),
        (
            "import no_such_package",
            "crash",
            "No module named 'no_such_package'; name what the evaluator needs",
        ),
    ],
)
def test_what_an_evaluator_may_do(folder, body, rule, reason):
    place = folder(f"def evaluate(program_path):\n    {body}\n", openglia__yaml="timeout: 2\n")
    line = measured(place)
    if rule == "ok":
        assert line["value"] == 1.0
        return
    assert (line["status"], line["rule"]) == ("failed", rule), line
    assert reason in line["reason"]
    assert "\n" not in line["reason"]


def test_requirements_go_into_an_environment_of_their_own(folder, tmp_path):
    wheel = tmp_path / "tiny_step-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_step.py", "STEP = 6\n")
        about = "tiny_step-1.0.dist-info/"
        archive.writestr(
            about + "METADATA", "Metadata-Version: 2.1\nName: tiny-step\nVersion: 1.0\n"
        )
        archive.writestr(about + "WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(about + "RECORD", "")
    evaluator = (
        "from tiny_step import STEP\ndef evaluate(p):\n    return {'combined_score': STEP}\n"
    )
    place = folder(evaluator, requirements__txt=f"{wheel}\n")
    assert measured(place)["value"] == 6.0


def test_requirements_that_cannot_be_installed_are_said_so(folder, monkeypatch):
    def refuse(python, requirements):
        raise OpenGliaError("no such package")

    monkeypatch.setattr(environment, "install_into", refuse)
    place = folder(requirements__txt="absent\n")
    with pytest.raises(OpenGliaError, match=r"txt cannot be installed: no such package; mend it"):
        measured(place)


def test_all_that_an_evaluator_needs_is_named_at_once(folder):
    """Else one would learn of one package after another, a run for each."""
    place = folder(
        "import json, helper\nfrom absent_one.part import thing\ndef evaluate(p): ...\n",
        program="import absent_two\n",
        helper__py="import numpy.linalg as la, absent_three, evaluator\n",
        unused__py="import absent_four\n",
    )
    reason = measured(place)["reason"]
    assert reason.startswith("ModuleNotFoundError: No module named 'absent_three'; name")
    assert reason.endswith("it imports absent_one, absent_three, absent_two, numpy")


def test_files_are_named_as_in_the_folder(folder):
    missing = "str(Path(__file__).resolve().parent / 'data' / 'x.csv')"
    place = folder(
        "from pathlib import Path\n"
        "def evaluate(program_path):\n"
        f"    return {{'combined_score': 0.0, 'error': {missing} + ' for ' + program_path}}\n"
    )
    assert measured(place)["reason"] == "data/x.csv for program.py"


def test_an_evaluator_that_changes_its_files_or_plants_compiled_ones_changes_nothing(folder):
    place = folder(
        "import os\n"
        "from pathlib import Path\n"
        "from helper import STEP\n"
        "def evaluate(program_path):\n"
        "    here = Path(__file__).parent\n"
        "    seen = (here / 'count').exists()\n"
        "    (here / 'count').write_text('1')\n"
        "    (here / 'helper.py').write_text('STEP = 100')\n"
        "    relative = Path('data.txt').read_text()\n"
        "    return {'combined_score': STEP + seen + float(relative)}\n",
        helper__py="STEP = 1\n",
        data__txt="10",
    )
    planted = place / "__pycache__"
    planted.mkdir()
    (planted / "helper.cpython-312.pyc").write_bytes(b"not code")
    problem = opened(place)
    values = [problem.measure(problem.start, problem.everything)["value"] for _ in range(2)]
    assert values == [11.0, 11.0]
    assert not (place / "count").exists()
    assert problem.examine()[0].outcome == "passed"
    (problem.source.folder / "helper.py").write_text("STEP = 7\n")
    assert problem.examine()[0].outcome == "failed"
    assert measured(place)["value"] == 11.0  # the copy is made anew


def test_an_evaluator_in_a_folder_of_its_own_as_skydiscover_has_it(folder):
    place = folder(data__txt="never read")
    inside = place / "evaluator"
    inside.mkdir()
    (place / "evaluator.py").unlink()
    (inside / "data.txt").write_text("4")
    (inside / "evaluator.py").write_text(
        "def evaluate(p):\n    return {'combined_score': float(open('data.txt').read())}\n"
    )
    assert measured(place)["value"] == 4.0


def test_splits_by_argument_and_by_variable(folder):
    by_argument = (
        "def evaluate(program_path, split):\n"
        "    return {'combined_score': {'train': 1, 'test': 2}[split]}\n"
    )
    splits = "splits: {evaluation: train, held_out: test%s}\nrepeats: 2\n"
    place = folder(by_argument, openglia__yaml=splits % "")
    problem = opened(place)
    assert problem.measure(problem.start, problem.everything)["by_case"] == [1.0, 1.0]
    assert problem.measure(problem.start, problem.held_out)["by_case"] == [2.0, 2.0]
    assert problem.noisy
    with pytest.raises(RefusedError):
        problem.look({"cases": [2]})
    folder(
        "import os\n"
        "def evaluate(p):\n"
        "    return {'combined_score': float(os.environ['MODE'] == 'test')}\n",
        openglia__yaml=splits % ", by: MODE",
    )
    problem = opened(place)
    assert problem.measure(problem.start, problem.everything)["value"] == 0.0
    assert problem.measure(problem.start, problem.held_out)["value"] == 1.0


def test_a_value_per_case_gives_pairs_and_an_interval(folder):
    body = "def evaluate(p):\n    return {'combined_score': 2.0, 'each': %s}\n"
    settings = "cases: {key: each, noun: query}\n"
    problem = opened(folder(body % "[1.0, 2, 3.5]", openglia__yaml=settings))
    line = problem.measure(problem.start, problem.everything)
    assert (line["by_case"], line["cases"], line["full"]) == ([1.0, 2.0, 3.5], [0, 1, 2], True)
    assert line["interval"][0] < 2 < line["interval"][1]
    assert "each" not in line["metrics"]
    assert problem.presentation.case == "query"
    stage = "def evaluate_stage1(p):\n    return {'combined_score': 1.0}\n"
    problem = opened(folder(body % "[1.0]" + stage, openglia__yaml=settings))
    assert problem.measure(problem.start, problem.look({"quick": True}))["value"] == 1.0
    for wrong in ("[]", "None", "[1, float('nan')]", "'text'"):
        line = measured(folder(body % wrong, openglia__yaml=settings))
        assert line["reason"] == "evaluate() gave no list of finite numbers as each"


def test_the_first_stage_is_the_quick_look(folder):
    stage = EVALUATOR + "def evaluate_stage1(p):\n    return {'combined_score': 0.5}\n"
    problem = opened(folder(stage))
    line = problem.measure(problem.start, problem.look({"quick": True}))
    assert (line["value"], line["full"]) == (0.5, False)
    with pytest.raises(RefusedError, match="no evaluate_stage1"):
        opened(folder()).look({"quick": True})


def test_objective_and_baselines_of_the_settings(folder):
    place = folder(
        openglia__yaml="objective: {name: cost, unit: s, direction: minimize}\n"
        "baselines: {other: other.py}\n",
        evaluator=EVALUATOR.replace("combined_score", "cost"),
        other__py="def answer():\n    return 1\n",
    )
    problem = opened(place)
    assert problem.presentation.objective.lower_is_better
    assert problem.measure_baseline("other", problem.everything)["value"] == 1.0
    described = problem.describe()["problem"]
    assert described["objective"]["words"] == "cost"
    assert described["hash"] == problem.hash == read_source(place).hash


def test_a_number_of_the_evaluators_can_be_bounded(folder):
    told = '{"combined_score": 1, "size": names["answer"]()}'
    place = folder(
        EVALUATOR.replace('{"combined_score": names["answer"]()}', told),
        openglia__yaml="constraints: [{metric: size, at_most: 3}, {metric: size, at_least: 1}]\n"
        "repeats: 2\n",
    )
    problem = opened(place)
    line = problem.measure(problem.start, problem.everything)
    score = problem.presentation.score(line)
    assert score.violation == pytest.approx(0.5 / 3)  # it answers 3.5
    assert score.broken == ["size 3.50, at most 3.00: BROKEN by 16.7 %"]
    assert problem.told(line).endswith("\n  size 3.50, at least 1.00: kept")
    assert problem.presentation.table({"start": line})[1][-1] == "broken by 16.7 %"
    place = folder(openglia__yaml="constraints: [{metric: size, at_most: 3}]\n")
    line = opened(place).measure(place / "initial_program.py", problem.everything)
    assert line["reason"].startswith("evaluate() gave no finite number as size, which is bounded")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ("constraints: [{metric: size}]\n", "needs either at_most or at_least"),
        ("objectiv: 3\n", "objectiv: is not a key here"),
        ("objective: {direction: up}\n", "objective.direction: must be one of maximize, minimize"),
        ("repeats: 0\n", "repeats: must be at least 1"),
        ("baselines: {a: ../b.py}\n", "there is no ../b.py"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(folder, settings, reason):
    with pytest.raises(UsageError, match=reason.replace(".", r"\.")) as caught:
        opened(folder(openglia__yaml=settings))
    assert "\n" not in str(caught.value)


def test_what_is_no_problem_is_refused(folder, tmp_path):
    with pytest.raises(UsageError, match="openglia new NAME"):
        opened(tmp_path / "nowhere")
    place = folder("x = 1\n")
    with pytest.raises(UsageError, match="no function evaluate"):
        opened(place)
    (place / "evaluator.py").unlink()
    with pytest.raises(UsageError, match=r"there is no evaluator\.py"):
        opened(place)
    folder()
    (place / "initial_program.cpp").write_text("")
    with pytest.raises(UsageError, match="one initial_program"):
        opened(place)
    (place / "initial_program.cpp").unlink()
    (place / "outside").symlink_to("/etc/passwd")
    with pytest.raises(UsageError, match="leads out of the folder"):
        opened(place)


BLOCKS = "a = 1\n# EVOLVE-BLOCK-START\nb = 2\n# EVOLVE-BLOCK-END\nc = 3\n"


@pytest.mark.parametrize(
    ("candidate", "said"),
    [
        (BLOCKS, None),
        (BLOCKS.replace("b = 2", "b = 4\nd = 5"), None),
        (BLOCKS.replace("\n", "\r\n"), None),
        ("\ufeff" + BLOCKS.rstrip("\n"), None),
        (BLOCKS.replace("a = 1", "a = 9"), "line 1 lies outside"),
        (BLOCKS + "e = 6\n", "line 6 lies outside the EVOLVE-BLOCKs and is new"),
        (BLOCKS.replace("c = 3\n", ""), "is missing: 'c = 3'"),
        (BLOCKS.replace("# EVOLVE-BLOCK-END\n", ""), "is missing"),
    ],
)
def test_marks(candidate, said):
    found = marks.changed_outside(BLOCKS, candidate)
    assert (found is None) if said is None else said in found
    assert marks.changed_outside("a = 1\n", "anything") is None


def test_a_change_outside_the_marks_is_a_failed_evaluation(folder, tmp_path):
    blocks = "# EVOLVE-BLOCK-START\ndef answer():\n    return 1\n# EVOLVE-BLOCK-END\nx = 1\n"
    problem = opened(folder(program=blocks))
    other = tmp_path / "other.py"
    other.write_text(blocks.replace("x = 1", "x = 2"))
    line = problem.measure(other, problem.everything)
    assert (line["rule"], "line 5" in line["reason"]) == ("rules", True)
    assert problem.offline.space.numbers[0].name == "line 3"
    assert len(problem.offline.space.numbers) == 1


def test_literals_are_moved_and_nothing_else():
    source = 'x = {"ü": 0.5, "b": [10, -3]}\ny = "7"  # 8\nz = x["b"][0] if True else 1e3\n'
    space = literals(source)
    assert [n.value for n in space.numbers] == [0.5, 10, 3, 0, 1000.0]
    assert space.render(space.start) == source
    moved = space.render((0.25, 12, -4, 0, 1000.0))
    assert moved == source.replace("0.5", "0.25").replace("10", "12").replace("-3", "-(-4)")
    random = Random(0)
    points = {space.neighbour(space.start, random, 0.1) for _ in range(50)}
    assert len(points) > 20
    for point in points:
        compile(space.render(point), "x", "exec")
        for value, number in zip(point, space.numbers, strict=True):
            assert not number.whole or float(value).is_integer()
    assert literals("x = 'no number'\n") is None
    assert literals("def (") is None


def test_it_comes_back_from_the_folder_of_its_run(folder, tmp_path):
    place = folder()
    problem = opened(place)
    run = tmp_path / "run"
    run.mkdir()
    problem.keep(run)
    results = json.loads(json.dumps(problem.describe()))
    assert problem.remark(results) is None
    (place / "initial_program.py").write_text(PROGRAM + "\n")
    assert "has changed since the run began" in problem.remark(results)
    shutil.rmtree(place)
    assert "is gone" in problem.remark(results)
    again = KIND.restore(run, results)
    assert (again.hash, again.name) == (problem.hash, problem.name)
    assert again.measure(again.start, again.everything)["value"] == 3.5
    assert KIND.shown(results, run).start.read_text() == PROGRAM


def test_the_evaluator_is_hidden_unless_the_settings_say_so(folder):
    assert opened(folder()).workplace.replaced == {}
    shown = opened(folder(openglia__yaml="visible: true\n")).workplace.replaced
    assert {path.name for path in shown} == {
        "evaluator.py", "initial_program.py", "openglia.yaml",
    }  # fmt: skip


def test_a_program_in_another_language(folder):
    place = folder("def evaluate(p):\n    return {'combined_score': len(open(p).read())}\n")
    (place / "initial_program.py").unlink()
    (place / "initial_program.cpp").write_text("int main() {}\n")
    problem = opened(place)
    assert problem.measure(problem.start, Look((0,)))["value"] == 14
    assert (problem.working_file.name, problem.offline) == ("program.cpp", None)
    assert problem.presentation.final_name == "final_program.cpp"


def test_a_network_for_an_evaluator_that_needs_one_is_said_aloud(folder):
    with socket.create_server(("127.0.0.1", 0)) as server:
        body = (
            "import socket\n"
            "def evaluate(p):\n"
            f"    socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 3)\n"
            "    return {'combined_score': 1}\n"
        )
        without = opened(folder(body))
        assert without.measure(without.start, without.everything)["rule"] == "crash"
        assert not any("NETWORK" in line for line in without.introduction())
        problem = opened(folder(body, openglia__yaml="network: true\n"))
        assert problem.measure(problem.start, problem.everything)["value"] == 1.0
        assert "THE EVALUATOR HAS A NETWORK" in problem.introduction()[0]
        assert problem.describe()["problem"]["network"] is True


def test_candidates_see_no_network_and_write_nowhere_else(folder, tmp_path):
    victim = tmp_path / "victim"
    line = measured(
        folder(
            "import socket\n"
            "from pathlib import Path\n"
            "def evaluate(p):\n"
            "    found = 0\n"
            "    try:\n"
            "        socket.create_connection(('127.0.0.1', 9), 1)\n"
            "    except OSError as error:\n"
            "        found += 'refused' not in str(error).lower() or True\n"
            f"    try:\n        Path({str(victim)!r}).write_text('x')\n"
            "    except OSError:\n        found += 1\n"
            "    return {'combined_score': found}\n"
        )
    )
    assert line["value"] == 2.0
    assert not Path(victim).exists()
