"""A problem of another package, by its entry point: listed, searched offline, gone on with."""

import json
import re

from tests.runs.test_runs_whole import records_of, results_of


def test_it_is_listed_and_an_unknown_one_is_refused(project):
    status, output = project.openglia("problems")
    assert status == 0
    assert re.search(r"^toy +a point +height, higher is better ", output, re.MULTILINE)
    status, output = project.openglia("problems", "--json")
    assert [problem["name"] for problem in json.loads(output)["problems"]] == [
        "routing", "scheduling", "folder", "toy",
    ]  # fmt: skip
    status, output = project.openglia("run", "--problem", "caching", "--model", "offline")
    assert (status, output) == (
        2, "openglia run: no problem 'caching'; there are routing, scheduling, folder, toy\n"
    )  # fmt: skip


def test_one_that_cannot_be_loaded_says_why(project):
    (project.root / "toy.py").write_text("1 / 0\n")
    status, output = project.openglia("run", "--problem", "toy", "--model", "offline")
    assert status == 2
    assert "toy:KIND cannot be loaded: ZeroDivisionError: division by zero" in output


def test_the_offline_researcher_climbs_and_the_run_goes_on(project):
    words = ("--model", "offline", "--sandbox", "none")
    status, output = project.plainly("run", "--problem", "toy", *words, "--max-evaluations", "12")
    assert status == 0, output
    (run,) = project.runs()
    results = results_of(run)
    heights = [record["result"]["value"] for record in records_of(run) if record["full"]]
    assert results["final"]["evaluation"]["value"] == max(heights) > 2.96
    assert len(records_of(run)) == 12
    assert "biased upwards on the cases" in results["account"]
    assert "The hill may move." in results["account"]
    commands = [json.loads(line) for line in (run / "activity.jsonl").read_text().splitlines()]
    several = [what for command in commands if "experiments" in (what := command.get("what") or "")]
    assert several[0].startswith("# experiments 2 to "), several

    more = ("--resume", str(run), "--max-evaluations", "15")
    status, output = project.plainly("run", *words, *more)
    assert status == 0, output
    again = results_of(run)
    assert len(records_of(run)) == 15
    assert again["final"]["evaluation"]["value"] >= max(heights)
    assert again["problem"] == results["problem"]
    status, output = project.plainly("run", *words, *more, "--problem", "routing")
    assert (status, output) == (
        2, f"openglia run: {run.name} is about toy and not about routing\n"
    )  # fmt: skip
