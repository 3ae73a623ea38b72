"""The simulator's checkout and the harness are compared with what they should be."""

import shutil
import subprocess

import pytest

from openglia import paths
from openglia.files import files_below
from openglia.problems.problem import Check
from openglia.problems.routing.vidur.integrity import check_checkout
from openglia.runs import tree

ROUTER = "scheduler/global_scheduler/ai_global_scheduler.py"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A checkout that stands for Vidur's, with overrides applied; yields its commit."""
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is not installed")
    from openglia.problems.routing.vidur import tree as vidur_tree

    root = tmp_path / "vidur"
    for name in ("main.py", "simulator.py", "scheduler/global_scheduler/__init__.py"):
        (root / "vidur" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "vidur" / name).write_text(f"name = {name!r}\n")
    (root / "setup.py").write_text("setup = 1\n")
    (root / ".gitignore").write_text("*.csv\n")

    def run(*words):
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        done = subprocess.run(
            [git, "-C", str(root), *identity, *words], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    run("init", "--quiet")
    run("add", ".")
    run("commit", "--quiet", "-m", "first")
    monkeypatch.setattr(paths, "VIDUR", root)
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    vidur_tree.apply_overrides(root / "vidur")
    (root / "vidur" / ROUTER).write_text("anything = 1\n")
    return run("rev-parse", "HEAD")


def package_bytes():
    package = paths.VIDUR / "vidur"
    return {str(p.relative_to(package)): p.read_bytes() for p in files_below(package)}


def test_an_untouched_checkout_passes(installed):
    check = check_checkout(installed)
    assert check.outcome == "passed", check.evidence
    assert (paths.VIDUR / "vidur" / ROUTER).read_text() == "anything = 1\n"


def tamper_edit(package):
    (package / "simulator.py").write_text("simulator = 'faster'\n")


def tamper_override(package):
    (package / "openglia" / "requests.py").write_text("guard = None\n")


def tamper_add(package):
    (package / "scheduler" / "helper.py").write_text("x = 1\n")


def tamper_shadow(package):
    (package / "simulator").mkdir()
    (package / "simulator" / "__init__.py").write_text("x = 1\n")


def tamper_ignored(package):
    (package / "lengths.csv").write_text("1\n")


def tamper_remove(package):
    (package / "main.py").unlink()


def tamper_folder_for_file(package):
    (package / "main.py").unlink()
    (package / "main.py").mkdir()
    (package / "main.py" / "__init__.py").write_text("x = 1\n")


def tamper_link(package):
    (package / "main.py").unlink()
    (package / "main.py").symlink_to("/etc/hostname")


def tamper_folder_link(package):
    (package / "other").symlink_to("/etc")


def tamper_outside(package):
    (package.parent / "setup.py").write_text("x = 1\n")


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        (tamper_edit, "vidur/simulator.py"),
        (tamper_override, "vidur/openglia/requests.py"),
        (tamper_add, "vidur/scheduler/helper.py"),
        (tamper_shadow, "vidur/simulator/__init__.py"),
        (tamper_ignored, "vidur/lengths.csv"),
        (tamper_remove, "vidur/main.py"),
        (tamper_folder_for_file, "vidur/main.py"),
        (tamper_link, "vidur/main.py"),
        (tamper_folder_link, "vidur/other"),
        (tamper_outside, "setup.py"),
    ],
)
def test_what_was_changed_is_named_and_put_right(installed, tamper, named):
    before = package_bytes()
    tamper(paths.VIDUR / "vidur")
    check = check_checkout(installed)
    assert (check.outcome, named in check.evidence) == ("failed", True), check.evidence
    assert package_bytes() == before
    assert (paths.VIDUR / "setup.py").read_text() == "setup = 1\n"
    assert check_checkout(installed).outcome == "passed"


def test_a_planted_compiled_file_is_removed(installed):
    folder = paths.VIDUR / "vidur" / "__pycache__"
    folder.mkdir()
    (folder / "simulator.cpython-312.pyc").write_bytes(b"x")
    assert check_checkout(installed).outcome == "passed"
    assert not folder.exists()


def test_another_commit_is_named(installed):
    other = subprocess.run(
        ["git", "-C", str(paths.VIDUR), "-c", "user.name=t", "-c", "user.email=t@example.org",
         "commit", "--quiet", "--allow-empty", "-m", "second"],
        check=True,
    )  # fmt: skip
    assert other.returncode == 0
    check = check_checkout(installed)
    assert check.outcome == "failed"
    assert "HEAD" in check.evidence


def test_without_vidur_there_is_nothing_to_compare(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "VIDUR", tmp_path)
    assert check_checkout("0" * 40) == Check("simulator tree", "skipped", "Vidur is not installed")


def test_a_changed_harness_is_named(tmp_path):
    (tmp_path / "openglia" / "benchmark").mkdir(parents=True)
    source = tmp_path / "openglia" / "benchmark" / "statistics.py"
    source.write_text("mean = 1\n")
    before = tree.snapshot((), tmp_path)
    assert tree.check(before, None, (), tmp_path).outcome == "passed"
    source.write_text("mean = 0\n")
    (tmp_path / "openglia" / "new.py").write_text("")
    check = tree.check(before, None, (), tmp_path)
    assert check.outcome == "failed"
    assert "openglia/benchmark/statistics.py, openglia/new.py" in check.evidence


def test_what_a_planted_git_configuration_names_is_not_run(tmp_path):
    from openglia.problems.routing import repository
    from openglia.problems.routing.vidur import checkout

    mark = tmp_path / "ran"
    script = tmp_path / "planted"
    script.write_text(f"#!/bin/sh\ntouch '{mark}'\n")
    script.chmod(0o755)
    work = tmp_path / "work"
    subprocess.run(["git", "init", "--quiet", str(work)], check=True)
    for name in ("post-checkout", "post-index-change", "reference-transaction"):
        shutil.copy(script, work / ".git" / "hooks" / name)
    with (work / ".git" / "config").open("a") as stream:
        stream.write(f"[core]\n\tfsmonitor = {script}\n")
    (work / "file").write_text("x")
    assert checkout.foreign_changes(work) == ["file"]
    repository.git(work, "add", "file")
    assert not mark.exists()
