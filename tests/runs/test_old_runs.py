"""A run folder of format 1 (without ``format`` and ``problem``) is read, verified, gone on with.

``recordings/`` holds one that the version before the door of problems wrote, less its transcripts.
"""

import json
import shutil
from pathlib import Path

import pytest

from openglia.errors import OpenGliaError
from openglia.report import data
from openglia.runs.folder import RunFolder
from openglia.runs.results import load, save

RECORDED = Path(__file__).parent / "recordings" / "run_20261127_073742"


def assert_holds(after, before):
    """Whether all of ``before`` is in ``after``, which may have more fields."""
    if isinstance(before, dict):
        for key, value in before.items():
            assert_holds(after[key], value)
    else:
        assert after == before


@pytest.fixture
def run(project):
    folder = project.root / "generated" / RECORDED.name
    shutil.copytree(RECORDED, folder)
    return folder


def test_no_field_is_lost(tmp_path):
    folder = RunFolder(Path(shutil.copytree(RECORDED, tmp_path / "run")))
    before = json.loads(folder.results.read_text())
    results = load(folder)
    assert results.format == 1
    assert results.final.number == before["final"]["number"]
    assert results.on_held_out_cases["llq"]["seeds"] == before["verification"]["seeds"]
    save(folder, results)
    after = json.loads(folder.results.read_text())
    assert_holds(after, before)
    shown = data.read(folder.path)
    assert shown.presentation.title == "Router"
    assert shown.best_so_far()[-1][0] == results.final.number


def test_it_is_verified_to_the_last_bit_and_gone_on_with(project, run):
    status, output = project.openglia("verify", str(run))
    assert status == 0, output
    assert "all figures are those that the run recorded" in output
    assert project.openglia("report", str(run))[0] == 0
    status, output = project.run("scripted.py", "evaluate=good", RESUME=str(run), PROBLEM="routing")
    assert status == 0, output
    results = json.loads((run / "results.json").read_text())
    assert results["evaluations"]["total"] == 6
    assert results["vidur"]["installed"] is False


def test_a_later_format_is_refused(tmp_path):
    folder = RunFolder(Path(shutil.copytree(RECORDED, tmp_path / "run")))
    results = json.loads(folder.results.read_text()) | {"format": 99, "openglia": "9.0"}
    folder.results.write_text(json.dumps(results))
    with pytest.raises(OpenGliaError, match=r"written by OpenGLIA 9\.0"):
        load(folder)
