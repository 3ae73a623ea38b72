"""setup.sh as its user runs it, in a copy of the project. No network: ``.venv`` is linked."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FINISHED = ROOT / ".venv" / "openglia-installed.json"

needs_venv = pytest.mark.skipif(not FINISHED.exists(), reason="./setup.sh has not made .venv")


@pytest.fixture
def unreachable(project, tmp_path):
    """A project whose ``.venv`` is there and whose upstream is not."""
    (project.root / ".venv").symlink_to(ROOT / ".venv")
    project.variables["OPENGLIA_VIDUR_REPO"] = str(tmp_path / "nowhere")
    return project


def setup(project, *words, path=None):
    environment = project.environment()
    if path is not None:
        environment["PATH"] = f"{path}:{environment['PATH']}"
        del environment["OPENGLIA_PYTHON"]
    return subprocess.run(
        ["./setup.sh", *words],
        cwd=project.root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def fake_python(folder, version, names=("python3",)):
    """Interpreters that are too old: they run, and every check of the version fails."""
    folder.mkdir(exist_ok=True)
    for name in names:
        script = folder / name
        script.write_text(f"#!/bin/sh\necho Python {version}\nexit 1\n")
        script.chmod(0o755)
    return folder


def test_help_needs_nothing(project):
    result = setup(project, "--help")
    assert result.returncode == 0
    assert "--simulator auto|embedded|vidur" in result.stdout


def test_check_of_a_bare_copy_changes_nothing(project):
    before = sorted(project.root.rglob("*"))
    result = setup(project, "--check")
    assert result.returncode == 1
    assert ".venv is missing: run ./setup.sh" in result.stdout
    assert sorted(project.root.rglob("*")) == before


def test_an_unfit_interpreter_by_name_is_refused(project, tmp_path):
    old = fake_python(tmp_path / "old", "3.8.0")
    project.variables["OPENGLIA_PYTHON"] = str(old / "python3")
    result = setup(project)
    assert result.returncode == 1
    assert "is not a Python >= 3.12, < 3.15 that runs" in result.stderr
    assert not (project.root / ".venv").exists()


def test_without_a_python_it_says_what_to_install(project, tmp_path):
    names = ("python3", "python3.14", "python3.13", "python3.12")
    old = fake_python(tmp_path / "old", "3.8.0", names)
    project.variables |= {"PYENV_ROOT": str(tmp_path), "HOME": str(tmp_path)}
    (old / "uv").write_text("#!/bin/sh\nexit 1\n")
    (old / "uv").chmod(0o755)
    result = setup(project, path=old)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "install python3.13" in result.stderr


@needs_venv
def test_an_old_python_first_on_the_path_is_passed_over(unreachable, tmp_path):
    old = fake_python(tmp_path / "old", "3.8.0")
    result = setup(unreachable, "--simulator", "embedded", path=old)
    assert result.returncode == 0, result.stderr


@needs_venv
def test_without_vidur_it_ends_well_and_says_so(unreachable):
    first = setup(unreachable)
    assert first.returncode == 0, first.stderr
    assert "Vidur is NOT installed" in first.stdout
    assert "self check: 5 simulated seconds" in first.stdout
    assert (unreachable.vidur / "run_all.sh").stat().st_mode & 0o111
    stub = unreachable.root / "environment/stubs/ai_global_scheduler_stub.py"
    working = unreachable.vidur / "vidur/scheduler/global_scheduler/ai_global_scheduler.py"
    assert working.read_bytes() == stub.read_bytes()

    working.write_text("# an agent's work\n")
    second = setup(unreachable)
    assert second.returncode == 0, second.stderr
    assert "self check: 5 simulated seconds" not in second.stdout, "nothing has changed"
    assert working.read_text() == "# an agent's work\n"

    assert setup(unreachable, "--check").returncode == 0
    (unreachable.vidur / "run_all.sh").unlink()
    assert setup(unreachable, "--check").returncode == 1


@needs_venv
def test_asked_for_vidur_it_fails_without(unreachable):
    result = setup(unreachable, "--simulator", "vidur")
    assert result.returncode == 1
    assert result.stderr.startswith("openglia setup: git ")
    assert "Traceback" not in result.stderr


@needs_venv
def test_two_at_the_same_time(unreachable):
    command = ["./setup.sh", "--simulator", "embedded"]
    both = [
        subprocess.Popen(
            command,
            cwd=unreachable.root,
            env=unreachable.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=600) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("self check: 5" in out for out, _ in said) == 1
