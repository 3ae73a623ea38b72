"""From nothing to a verified result on a problem of one's own: two commands."""

from tests.runs.test_runs_whole import records_of, results_of


def test_a_new_folder_is_discovered_for_verified_and_gone_on_with(project):
    status, output = project.openglia("new", "my queue")
    assert status == 0, output
    words = ("--model", "offline", "--sandbox", "none", "--max-evaluations")
    place = project.root / "my queue"
    status, output = project.openglia("run", "--problem", str(place), *words, "14")
    assert status == 0, output
    (run,) = project.runs()
    results = results_of(run)
    assert results["problem"]["kind"] == "folder"
    assert results["verification"]["gain_held_out"] > 0.1, results["verification"]
    assert results["integrity"]["ok"] is True
    first = results["stub"]["evaluation"]["value"]
    best = min(record["result"]["value"] for record in records_of(run) if record["full"])
    assert results["final"]["evaluation"]["value"] == best < first
    solution = (run / "solution.md").read_text()
    assert "lower than the initial program's" in solution
    assert "changed numbers of the initial program alone" in solution

    (place / "evaluator.py").unlink()  # the run's own copy counts
    status, output = project.openglia("verify", str(run))
    assert status == 0, output
    status, output = project.plainly("run", "--resume", str(run), *words, "16")
    assert status == 0, output
    assert len(records_of(run)) == 16
    status, output = project.openglia("new", "my queue")
    assert status == 2
    assert "is there already" in output


def test_a_folder_without_a_held_out_split_says_so(project):
    place = project.root / "plain"
    place.mkdir()
    (place / "evaluator.py").write_text("def evaluate(p):\n    return {'combined_score': 1.0}\n")
    (place / "initial_program.py").write_text("x = 1.5\n")
    words = ("--model", "offline", "--sandbox", "none", "--max-evaluations", "3")
    _, output = project.plainly("run", "--problem", "./plain", *words)
    assert "HAS NO HELD-OUT SPLIT" in output
    (run,) = project.runs()
    solution = (run / "solution.md").read_text()
    assert "nothing was verified on unseen" in solution
    assert "NO GAIN SHOWN" in solution
