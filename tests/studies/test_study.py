"""Studies: bad files, the plan, figures against independent ones, kills and interruptions."""

import csv
import itertools
import json
import math
import os
import signal
import statistics
import sys
import threading
import time

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from openglia.cli import main
from openglia.errors import UsageError
from openglia.interrupts import children
from openglia.paths import ENVIRONMENT
from openglia.presenting.drawing import Plot
from openglia.report.data import read as read_run
from openglia.studies import figures
from openglia.studies.conducting import Runs, _attend
from openglia.studies.curves import curves
from openglia.studies.definition import Planned, read
from openglia.studies.telling import tell
from tests.runs.test_runs_whole import records_of, results_of
from tests.toy import toy

STUDY = """\
repetitions: 2
options: {sandbox: none, max-evaluations: 4}
methods:
  one: {model: offline}
  several: {model: offline, contexts: 2, share-digest: true, max-evaluations: 6}
problems:
  hill: {problem: toy}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "tried.yaml"
    path.write_text(STUDY)
    return path


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("repetitions: 2", "repetitions: 0", "repetitions: must be at least 1, not 0"),
        ("repetitions: 2", "", "repetitions: is missing"),
        ("repetitions: 2", "repeats: 2", "repeats: is not a key here; known: description, "),
        ("methods:", "reference: two\nmethods:",
         "reference: 'two' is not a method here; known: one, several"),
        ("contexts: 2", "seed: 2",
         "methods.several.seed: is set by the study itself: repetitions number the seeds"),
        ("contexts: 2", "--contexts: 2",
         "methods.several.--contexts: is not an option of ./run.sh, such as max-evaluations"),
        ("{problem: toy}", "3", "problems.hill: Input should be a valid dictionary"),
        (STUDY, "[", "is not YAML: "),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_in_a_line(file, old, new, said):
    file.write_text(STUDY.replace(old, new))
    with pytest.raises(UsageError) as refused:
        read(file, changes={})
    assert str(refused.value).startswith(f"{file}: {said}")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{problem: toy}", "{benchmark: nowhere}", "one on hill: no benchmark 'nowhere'"),
        ("contexts: 2", "context: two", "several on hill: ./run.sh: "),
        ("contexts: 2", "contexts: 0", "several on hill: ./run.sh: argument --contexts: '0' is be"),
    ],
)
def test_what_a_run_would_refuse_is_refused_before_the_first(file, capsys, old, new, said):
    smoke = STUDY.replace("{problem: toy}", "{benchmark: smoke}")
    file.write_text((STUDY if "problem" in old else smoke).replace(old, new))
    assert main(["study", str(file)]) == 2
    output = capsys.readouterr().err
    assert output.startswith(f"openglia study: {file}: {said}")
    assert output.count("\n") == 1


def test_the_plan_is_balanced_and_other_options_are_another_run(file):
    planned = list(read(file, changes={}).runs())
    assert [(one.method, one.seed) for one in planned] == [
        ("one", 0), ("several", 0), ("one", 1), ("several", 1)
    ]  # fmt: skip
    assert planned[3].words == (
        "--sandbox=none", "--max-evaluations=6", "--problem=toy", "--model=offline",
        "--contexts=2", "--share-digest", "--seed", "1",
    )  # fmt: skip
    other = list(read(file, changes={"options": {"time-limit": "1h"}}).runs())
    assert "--max-evaluations=4" in other[0].words
    assert len({one.name for one in (*planned, *other)}) == 8


@pytest.mark.parametrize("name", ["paper", "smoke"])
def test_shipped_studies_are_read(name):
    study = read(ENVIRONMENT / "studies" / f"{name}.yaml", changes={})
    assert list(study.runs()) and study.compared_with in study.methods


# On the evaluation cases; higher is better, None failed, a tuple was narrowed. Held-out ratios.
VALUES = {
    ("one", 0): ([1, 3, 2, 5], 1.5),
    ("one", 1): ([None, 2, (9,), 3], 1.2),
    ("one", 2): ([4, None, 4, 4], 1.4),
    ("several", 0): ([5, 6], 1.8),
    ("several", 1): ([3, 2.5, 5.7], 1.9),
    ("several", 2): ([1], 1.1),
}
START, YARDSTICK = 0.5, 2.0


def made(folder, method, seed, status="completed"):
    values, ratio = VALUES[method, seed]
    folder.mkdir(parents=True)

    def line(value, full=True):
        return {"status": "failed" if value is None else "ok", "value": value, "full": full}

    with (folder / "evaluations.jsonl").open("w") as stream:
        for place, value in enumerate(values):
            full = not isinstance(value, tuple)
            result = line(value if full else value[0], full)
            record = {"number": place + 1, "elapsed_seconds": 10 * place + seed, "full": full,
                      "candidate": "x", "result": result}  # fmt: skip
            stream.write(json.dumps(record) + "\n")
    results = {
        "status": status,
        "elapsed_seconds": 100 + seed,
        "stub": {"evaluation": line(START)},
        "baselines": {"zero": {"evaluation": line(YARDSTICK)}},
        "final": {"evaluation": line(max(v for v in values if isinstance(v, int | float)))},
        "verification": {"ratio_held_out": ratio, "overfitting": seed == 1},
    }
    (folder / "results.json").write_text(json.dumps(results))
    return read_run(folder, toy.Shown())


@pytest.fixture
def begun(tmp_path):
    return [
        (Planned(method, "hill", seed, ()), made(tmp_path / f"run_{method}_{seed}", method, seed))
        for method, seed in VALUES
    ]


def expected_path(method, seed):
    """The best so far, by hand."""
    values = [v if isinstance(v, int | float) else -math.inf for v in VALUES[method, seed][0]]
    return list(itertools.accumulate([START, *values], max))


def test_rows_and_summary_agree_with_an_independent_computation(begun):
    table = figures.rows(begun)
    goal = 0.9 * (6 - YARDSTICK)
    for row in table.to_dict("records"):
        best = expected_path(row["method"], row["seed"])
        reached = next((k for k, value in enumerate(best) if value - YARDSTICK >= goal), None)
        assert (None if math.isnan(row["reached"]) else row["reached"]) == reached
        assert row["ratio_evaluation"] == max(best) / YARDSTICK
    objective = toy.Shown.objective
    one, several = figures.summary(table, objective, "one")
    assert (one["best"], one["median"]) == (1.5, 1.4)
    assert (several["best"], several["median"]) == (1.9, 1.8)
    assert one["mean"] == pytest.approx(statistics.fmean([1.5, 1.2, 1.4]))
    assert one["against"] is None
    logs = np.log([1.8 / 1.5, 1.9 / 1.2, 1.1 / 1.4])
    assert several["against"].value == pytest.approx(math.exp(logs.mean()))
    drawn = stats.bootstrap(
        ([1.8, 1.9, 1.1],), np.mean, confidence_level=0.9, method="BCa",
        rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    assert several["interval"] == pytest.approx((drawn.low, drawn.high), rel=0.02)
    # 5.6 is reached by two of three: after 2 and 3 evaluations, in the 11th and the 22nd second.
    assert (several["reached"], several["reached_seconds"]) == (3, 21)
    assert several["reached_share"] == pytest.approx(2 / 3)
    assert (one["reached"], one["reached_share"]) == (math.inf, 0)
    assert one["overfitting"] == several["overfitting"] == pytest.approx(1 / 3)


def test_whoever_breaks_a_constraint_on_held_out_cases_is_not_the_best(begun):
    for planned, run in begun:
        broken = 0.2 * (planned.seed == 1)
        held = [{"words": "room", "violation": broken}]
        run.results["final"]["held_out"] = {"status": "ok", "value": 1, "constraints": held}
    table = figures.rows(begun)
    one, several = figures.summary(table, toy.Shown.objective, "one")
    assert (one["best"], several["best"]) == (1.5, 1.8)  # not 1.9
    assert one["broken"] == several["broken"] == pytest.approx(1 / 3)


def test_bands_are_the_quartiles_and_runs_that_ended_keep_their_best(begun):
    runs = [run for planned, run in begun if planned.method == "several"]
    band = figures.bands(runs)
    paths = [expected_path("several", seed) for seed in range(3)]
    length = max(map(len, paths))
    whole = np.array([path + path[-1:] * (length - len(path)) for path in paths])
    expected = np.quantile(whole, [0.25, 0.5, 0.75], axis=0).T
    assert band.to_numpy() == pytest.approx(expected)
    plot = curves("hill", "hill", {"several": runs}, "several")
    assert isinstance(plot, Plot)
    assert "several ends at 5.70 m" in plot.alt


def test_runs_that_are_not_done_count_for_nothing_and_a_start_without_score_is_no_value(tmp_path):
    run = made(tmp_path / "run", "one", 0, status="failed")
    table = figures.rows([(Planned("one", "hill", 0, ()), run)])
    (line,) = figures.summary(table, toy.Shown.objective, "one")
    assert (line["runs"], line["best"], line["interval"]) == (0, None, None)


def test_what_is_told_says_who_is_better(tmp_path, file, monkeypatch):
    study = read(file, changes={"repetitions": 3})
    runs = Runs(tmp_path / "study", list(study.runs()))
    for planned in runs.planned:
        made(tmp_path / planned.name, planned.method, planned.seed)
        runs.link(planned).parent.mkdir(parents=True, exist_ok=True)
        runs.link(planned).symlink_to(tmp_path / planned.name)
    monkeypatch.setattr(
        "openglia.studies.conducting.read", lambda folder: read_run(folder, toy.Shown())
    )
    page = tell(study, "tried", runs).read_text()
    summary = (tmp_path / "study" / "summary.md").read_text()
    assert runs.left() == []
    assert "6 of 6 runs are done." in summary
    assert "several is not shown to differ from one: 1.143 (" in summary
    assert "| one | 3 | 1.500 | 1.400 | 1.367 (" in summary
    assert page.count("report.html") == 6
    flat = pd.read_csv(tmp_path / "study" / "summary.csv")
    assert flat["best"].tolist() == [1.5, 1.9]
    assert flat["reached"].tolist() == [math.inf, 3]


WAITING = """\
repetitions: 1
options: {sandbox: none, max-evaluations: 3}
methods:
  quick: {agent: "sh agent/quick.sh"}
  waits: {agent: "sh agent/wait.sh"}
problems:
  hill: {problem: toy}
"""
SCORE = """\
echo '[1, -1]' > "$OPENGLIA_WORKING_FILE"
.venv/bin/python -m openglia score "$OPENGLIA_WORKING_FILE"
"""
WAIT = """\
touch "{root}/waiting"
until [ -e "{root}/go" ]; do sleep 0.05; done
"""


def test_a_signal_is_handed_on_to_the_run_and_then_ends_the_study(tmp_path):
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('in good order', flush=True)))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    log = tmp_path / "log"

    def interrupt():
        while log.read_text() != "ready\n":
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    with log.open("wb") as stream, pytest.raises(KeyboardInterrupt):
        thread = threading.Thread(target=interrupt)
        thread.start()
        _attend([sys.executable, "-c", code], stream)
    thread.join()
    assert log.read_text() == "ready\nin good order\n"
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_study_goes_on_after_a_kill(project):
    root = project.root
    (root / "agent").mkdir()
    (root / "agent" / "quick.sh").write_text(SCORE)
    (root / "agent" / "wait.sh").write_text(WAIT.format(root=root) + SCORE)
    (root / "study.yaml").write_text(WAITING)
    study = ("-m", "openglia", "study", "study.yaml")

    process = project.start(*study)
    until = time.monotonic() + 200
    while not (root / "waiting").exists():
        assert process.poll() is None and time.monotonic() < until, process.communicate()
        time.sleep(0.05)
    (child,) = children(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    os.killpg(child, signal.SIGKILL)
    process.communicate()
    first, second = project.runs()
    assert (results_of(first)["status"], results_of(second)["status"]) == ("completed", "running")
    before = (first / "results.json").read_bytes()

    (root / "go").touch()
    status, output = project.run(*study)
    assert status == 0, output
    assert "1 of 2 runs are done\n1 of 1: waits, hill, seed 0" in output
    assert project.runs() == [first, second]
    assert (first / "results.json").read_bytes() == before
    assert len(results_of(second)["resumed"]) == len(records_of(second)) == 1
    folder = root / "generated" / "study_study"
    with (folder / "rows.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["method"], row["status"], row["run"]) for row in rows] == [
        ("quick", "completed", first.name), ("waits", "completed", second.name),
    ]  # fmt: skip
    held_out = [results_of(run)["verification"]["ratio_held_out"] for run in (first, second)]
    assert [float(row["ratio_held_out"]) for row in rows] == pytest.approx(held_out)
    assert "2 of 2 runs are done." in (folder / "summary.md").read_text()
