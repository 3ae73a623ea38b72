"""Vidur's checkout, put right from every state that it can be in."""

import shutil

OVERRIDDEN = "vidur/types/global_scheduler_type.py"
WORKING = "vidur/scheduler/global_scheduler/ai_global_scheduler.py"


def test_a_first_installation(project):
    said = project.put_right().stdout
    assert "cloned" in said
    assert project.at_the_wanted_commit()
    assert not (project.vidur / "data").exists(), "only the package is checked out"
    stub = project.root / "environment/stubs/ai_global_scheduler_stub.py"
    assert (project.vidur / WORKING).read_bytes() == stub.read_bytes()
    ours = project.root / "environment/vidur_overrides/global_scheduler_type.py"
    assert (project.vidur / OVERRIDDEN).read_bytes() == ours.read_bytes()
    assert (project.vidur / "vidur/openglia/hooks.py").exists()


def test_a_second_installation_changes_nothing(project):
    project.put_right()
    (project.vidur / WORKING).write_text("# an agent's work\n")
    assert project.put_right().stdout.strip() == ""
    assert (project.vidur / WORKING).read_text() == "# an agent's work\n"


def test_another_commit_is_put_right(project, upstream):
    project.put_right()
    project.git("checkout", "--quiet", "--force", upstream.other)
    assert "put back" in project.put_right().stdout
    assert project.at_the_wanted_commit()


def test_foreign_changes_are_saved_and_undone(project):
    project.put_right()
    (project.vidur / "vidur/simulator.py").write_text("VERSION = 'mine'\n")
    (project.vidur / "vidur/notes.py").write_text("# a new file\n")
    (project.vidur / WORKING).write_text("# an agent's work\n")
    said = project.put_right().stdout
    patches = list((project.root / "environment/cache").glob("foreign-changes-*.patch"))
    assert len(patches) == 1
    assert str(patches[0]) in said
    patch = patches[0].read_text()
    assert "+VERSION = 'mine'" in patch
    assert "+# a new file" in patch
    assert project.at_the_wanted_commit()
    assert not (project.vidur / "vidur/notes.py").exists()
    assert (project.vidur / WORKING).read_text() == "# an agent's work\n"
    assert "# theirs" not in (project.vidur / OVERRIDDEN).read_text()


def test_the_saved_patch_applies(project):
    project.put_right()
    (project.vidur / "vidur/simulator.py").write_text("VERSION = 'mine'\n")
    project.put_right()
    (patch,) = (project.root / "environment/cache").glob("foreign-changes-*.patch")
    project.git("apply", patch)
    assert (project.vidur / "vidur/simulator.py").read_text() == "VERSION = 'mine'\n"


def test_an_interrupted_clone_is_not_taken_for_a_finished_one(project):
    left_over = project.vidur.parent / ".vidur.clone-abc"
    (left_over / "vidur" / ".git").mkdir(parents=True)
    project.put_right()
    assert project.at_the_wanted_commit()
    assert not left_over.exists()


def test_a_damaged_checkout_is_cloned_anew_and_kept(project):
    project.put_right()
    shutil.rmtree(project.vidur / ".git" / "objects")
    (project.vidur / WORKING).write_text("# an agent's work\n")
    (project.vidur / "vidur/simulator.py").write_text("VERSION = 'mine'\n")
    said = project.put_right().stdout
    assert project.at_the_wanted_commit()
    assert (project.vidur / WORKING).read_text() == "# an agent's work\n"
    (kept,) = (project.root / "environment/cache").glob("replaced-*")
    assert str(kept) in said
    assert (kept / "vidur/simulator.py").read_text() == "VERSION = 'mine'\n"


def test_a_lock_left_by_a_killed_git_does_not_stop_it(project, upstream):
    project.put_right()
    project.git("checkout", "--quiet", "--force", upstream.other)
    (project.vidur / ".git" / "index.lock").touch()
    project.put_right()
    assert project.at_the_wanted_commit()


def test_the_embedded_layout_is_upgraded(project):
    (project.vidur / WORKING).parent.mkdir(parents=True)
    (project.vidur / WORKING).write_text("# an agent's work\n")
    (project.vidur / "simulator_results").mkdir()
    (project.vidur / "simulator_results" / "table.csv").write_text("kept\n")
    project.put_right()
    assert project.at_the_wanted_commit()
    assert (project.vidur / WORKING).read_text() == "# an agent's work\n"
    assert (project.vidur / "simulator_results" / "table.csv").read_text() == "kept\n"
    assert not list((project.root / "environment/cache").glob("replaced-*"))


def test_an_unreachable_repository_leaves_things_as_they_were(project, tmp_path):
    project.variables["OPENGLIA_VIDUR_REPO"] = str(tmp_path / "nowhere")
    failed = project.put_right(check=False)
    assert failed.returncode == 1
    assert "error: git fetch failed" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not project.vidur.exists()
    assert not list(project.vidur.parent.glob(".vidur*"))


def test_a_repository_without_the_commit_is_refused(project, upstream):
    project.variables["OPENGLIA_VIDUR_COMMIT"] = "f" * 40
    failed = project.put_right(check=False)
    assert failed.returncode == 1
    assert "error: git" in failed.stderr
    assert not project.vidur.exists()


def test_a_commit_without_a_needed_file_is_refused(project, upstream):
    (upstream.path / "vidur/main.py").unlink()
    project.variables["OPENGLIA_VIDUR_COMMIT"] = upstream.save("third")
    failed = project.put_right(check=False)
    assert "has no file vidur/main.py" in failed.stderr
    assert not project.vidur.exists()


def test_a_url_is_cloned_without_history(project, upstream):
    project.variables["OPENGLIA_VIDUR_REPO"] = f"file://{upstream.path}"
    upstream.git("config", "uploadpack.allowFilter", "true")
    project.put_right()
    assert project.at_the_wanted_commit()
    assert project.git("rev-list", "--count", "HEAD") == "1"
    missing = project.git("rev-list", "--objects", "--missing=print", "HEAD")
    assert "?" in missing, "data/large.csv was fetched although nothing needs it"
