"""What a machine lacks, a command or a kernel call: one line, and only where it is needed."""

import json
import os
import select
import shutil
import subprocess
from pathlib import Path

import pytest

from openglia import paths
from openglia.commands import doctor
from openglia.errors import OpenGliaError
from openglia.problems.routing import repository
from openglia.problems.routing.simulator import worker
from openglia.problems.routing.simulators import find
from openglia.problems.routing.vidur import checkout, installation
from openglia.problems.routing.vidur.integrity import check_checkout

ROOT = Path(__file__).resolve().parents[2]
FINISHED = ROOT / ".venv" / "openglia-installed.json"
TINY = "extends: smoke\nduration: 2\nseeds: [0]\nheld_out_seeds: [1]\nbaselines: [llq]\n"

needs_venv = pytest.mark.skipif(not FINISHED.exists(), reason="./setup.sh has not made .venv")


@pytest.fixture
def without_git(project, tmp_path):
    """A project on a machine that has every command but git."""
    commands = tmp_path / "commands"
    commands.mkdir()
    for folder in os.environ["PATH"].split(os.pathsep):
        for path in Path(folder).glob("*"):
            link = commands / path.name
            if path.is_file() and not path.name.startswith("git") and not link.exists():
                link.symlink_to(path)
    (project.root / ".venv").symlink_to(ROOT / ".venv")
    shutil.copy(ROOT / "problem.md", project.root)
    project.variables["PATH"] = str(commands)
    return project


def run(*command, check=True, **where):
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=check,
        timeout=600,
        stdin=subprocess.DEVNULL,
        **where,
    )


def said(done):
    return (done.stdout + done.stderr).replace("GitPython 3", "")  # the package, as doctor lists it


@needs_venv
def test_without_git_all_but_vidur_works(without_git):
    root, environment = without_git.root, without_git.environment()

    def openglia(*words, check=True):
        variables = environment | {"PYTHONPATH": str(root)}
        command = (ROOT / ".venv/bin/python", "-P", "-m", "openglia", *words)
        return run(*command, cwd=root, env=variables, check=check)

    for words in (("--simulator", "embedded"), ()):
        done = run("./setup.sh", *words, cwd=root, env=environment)
        assert "Ready." in done.stdout
        assert "GitPython" not in said(done)
    assert f"    {repository.NO_GIT}.\n" in done.stdout  # why there is no Vidur

    done = run("./setup.sh", "--simulator", "vidur", cwd=root, env=environment, check=False)
    assert (done.returncode, done.stderr) == (1, f"openglia setup: {repository.NO_GIT}\n")

    done = openglia("doctor")
    (line,) = [line for line in done.stdout.splitlines() if " commands " in line]
    assert line.split(maxsplit=2)[::2] == ["note", line[line.index("git is not") :]]
    tiny = root / "environment/benchmarks/tiny.yaml"
    tiny.write_text(TINY)
    scored = openglia("evaluate", "--benchmark", "tiny", "--json")
    assert json.loads(scored.stdout)["status"] == "ok"
    done = openglia("evaluate", "--benchmark", "tiny", "--simulator", "vidur", check=False)
    assert done.returncode == 1
    assert done.stderr == f"openglia evaluate: {repository.NO_GIT}, or use --simulator embedded\n"

    words = ("--benchmark", "tiny", "--max-evaluations", "1", "--max-refinements", "0")
    done = openglia("run", "--model", "offline", "--sandbox", "none", *words)
    assert "Traceback" not in said(done)
    (results,) = root.glob("generated/run_*/results.json")
    found = json.loads(results.read_text())
    assert found["status"] in ("completed", "limit")
    assert found["versions"]["openglia_commit"] is None


def test_a_checkout_without_git_is_not_called_damaged(project, monkeypatch, tmp_path):
    project.put_right()
    monkeypatch.setattr(paths, "VIDUR", project.vidur)
    monkeypatch.setenv("OPENGLIA_VIDUR_COMMIT", project.upstream.commit)
    monkeypatch.setattr(installation, "dependencies_missing", list)
    assert installation.is_installed()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert checkout.state(project.vidur, project.upstream.commit) == "no git"
    assert not installation.is_installed()
    check = check_checkout(project.upstream.commit)
    assert (check.outcome, check.evidence) == ("skipped", "git is not installed")
    with pytest.raises(OpenGliaError, match="git is not installed"):
        find("vidur")
    findings = {finding.name: finding for finding in doctor.examine("offline")}
    assert findings["Vidur"].state == "note"
    assert findings["Vidur"].text.startswith(repository.NO_GIT)
    assert findings["commands"].state == "problem"  # nor is there bash


def test_kernel_calls_that_are_refused_are_named_and_replaced(monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    findings = {finding.name: finding for finding in doctor.examine("offline")}
    assert findings["kernel"].state == "note"
    assert "pidfd_open" in findings["kernel"].text

    with subprocess.Popen(["sleep", "600"]) as child:
        handle = worker._end_of(child.pid)
        assert select.select([handle], [], [], 0.05)[0] == []
        child.kill()
        assert select.select([handle], [], [], 30)[0] == [handle]
        os.close(handle)
    assert child.returncode == -9
