"""``openglia doctor`` says what is in force, and its exit status says whether a run would work."""

import json

from openglia import paths
from openglia.cli import main
from openglia.commands import doctor
from openglia.problems.routing.hardware import tables
from openglia.problems.routing.vidur import checkout
from openglia.sandbox import bubblewrap, fence


def test_the_exit_status_is_what_the_findings_say(capsys):
    status = main(["doctor", "--json"])
    report = json.loads(capsys.readouterr().out)
    problems = [f for f in report["findings"] if f["state"] == "problem"]
    assert report["works"] == (not problems) == (status == 0)
    assert {"Python", "Vidur", "simulator", "sandbox", "model", "disk"} <= {
        finding["name"] for finding in report["findings"]
    }
    assert all("\n" not in finding["text"] for finding in report["findings"])


def test_a_language_model_without_a_sandbox_is_a_problem(monkeypatch):
    missing = fence.Rung("bubblewrap", lambda: "bubblewrap is not installed", bubblewrap.command)
    monkeypatch.setattr(fence, "LADDER", (missing,))
    states = {
        model: next(f for f in doctor.examine(model) if f.name == "sandbox")
        for model in ("sonnet", "offline")
    }
    assert states["sonnet"].state == "problem"
    assert "apt install bubblewrap" in states["sonnet"].text
    assert states["offline"].state == "note"
    assert "NO SANDBOX" in states["offline"].text


def test_the_tables_that_setup_made_are_counted(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "CACHE", tmp_path)
    monkeypatch.setattr(checkout, "state", lambda *_: "installed")
    tables.folder().mkdir()
    for profile in ("41dc2200111c", "5927942bd991"):
        tables.path(profile).write_bytes(b"")
    (tables.folder() / "33b49fc29330.npz").write_bytes(b"")  # of another version
    (vidur,) = [finding for finding in doctor.examine("offline") if finding.name == "Vidur"]
    assert vidur.text.endswith("tables of 2 profiles")
