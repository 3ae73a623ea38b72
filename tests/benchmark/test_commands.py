"""The verbs and scripts as their users call them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from openglia.cli import main
from openglia.paths import ENVIRONMENT, ROOT


@pytest.fixture(autouse=True)
def outside_a_run(monkeypatch):
    monkeypatch.delenv("OPENGLIA_EVALUATOR", raising=False)
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def tiny_file(tiny, tmp_path) -> str:
    return str(tmp_path / "tiny.yaml")


def last_line(text: str) -> dict:
    return json.loads(text.splitlines()[-1])


def test_evaluate_prints_a_table_and_ends_with_json(tiny_file, router, tmp_path, capsys):
    out = tmp_path / "results"
    words = ["evaluate", router("llq"), "--benchmark", tiny_file, "--seeds", "0-1"]
    assert main([*words, "--results", str(out)]) == 0
    text = capsys.readouterr().out
    assert "mean response time" in text
    line = last_line(text)
    assert (line["status"], line["seeds"], line["full"]) == ("ok", [0, 1], False)
    assert (out / "seed_1" / "request_metrics.csv").exists()


def test_evaluate_json_is_one_line(tiny_file, capsys):
    words = ["evaluate", "builtin:llq", "--benchmark", tiny_file, "--duration", "5", "--json"]
    assert main(words) == 0
    [text] = capsys.readouterr().out.splitlines()
    assert json.loads(text)["full"] is False


def test_the_requests_can_be_left_out(tiny_file, router, tmp_path, capsys):
    words = ["evaluate", router("llq"), "--benchmark", tiny_file, "--seeds", "0"]
    assert main([*words, "--results", str(tmp_path / "all")]) == 0
    assert main([*words, "--results", str(tmp_path / "few"), "--no-requests"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line[:1] == "{"]
    assert lines[0]["per_seed"] == lines[1]["per_seed"]
    assert (tmp_path / "all" / "seed_0" / "request_metrics.csv").exists()
    assert not (tmp_path / "few" / "seed_0" / "request_metrics.csv").exists()


def test_a_bad_router_is_given_up_after_the_first_four_seeds(router, tmp_path, capsys):
    """Whichever seeds are simulated first, and whatever else came to its end."""
    six = tmp_path / "six.yaml"
    six.write_text("extends: smoke\nduration: 4\nseeds: [0, 1, 2, 3, 4, 5]\nheld_out_seeds: [70]\n")
    words = ["evaluate", router("first"), "--benchmark", str(six), "--json"]
    out = tmp_path / "results"
    found = []
    for more in ([], ["--stop-if-worse", "9999"], ["--stop-if-worse", "0.1"],
                 ["--stop-if-worse", "0.1", "--jobs", "6"],
                 ["--stop-if-worse", "0.1", "--seeds", "0-3"]):  # fmt: skip
        assert main([*words, *more, "--results", str(out)]) == 0
        found.append(last_line(capsys.readouterr().out))
        kept = sorted(path.name for path in out.glob("seed_*"))
        assert kept == [f"seed_{seed}" for seed in found[-1]["seeds"]]
    whole, good, bad, wide, few = found
    assert "stopped" not in whole
    assert (whole["full"], good["full"], good["per_seed"]) == (True, True, whole["per_seed"])
    assert (bad["full"], bad["seeds"], bad["status"]) == (False, [0, 1, 2, 3], "ok")
    assert bad["per_seed"] == wide["per_seed"] == few["per_seed"] == whole["per_seed"][:4]
    assert bad["stopped"] == wide["stopped"]
    assert bad["stopped"].startswith("the mean response time of 4 seeds, ")
    assert bad["stopped"].endswith(" is above 0.1 s")
    assert bad["ratio_to_llq"] == few["ratio_to_llq"] > 0
    assert "stopped" not in few  # all that was asked for


def test_several_files_have_a_line_each(tiny_file, router, tmp_path, capsys):
    out = tmp_path / "results"
    words = ["evaluate", router("llq"), router("raises"), "builtin:random", "--seeds", "0"]
    assert main([*words, "--benchmark", tiny_file, "--json", "--results", str(out)]) == 3
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["status"] for line in lines] == ["ok", "failed", "ok"]
    assert lines[2]["scheduler"] == "builtin:random"
    assert (out / "seed_0" / "request_metrics.csv").exists()


def test_failed_evaluation_has_its_own_exit_status(tiny_file, router, capsys):
    assert main(["evaluate", router("raises"), "--benchmark", tiny_file]) == 3
    text = capsys.readouterr().out
    assert "FAILED" in text
    assert "no idea where to send it" in text
    assert last_line(text)["status"] == "failed"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["builtin:best"], "builtin:best"),
        (["/nowhere/router.py"], "no scheduler can be read"),
        (["builtin:llq", "--seeds", "x"], "is not a list of seeds"),
        (["builtin:llq", "--duration", "-3"], "--duration: '-3' is not above 0"),
        (["builtin:llq", "--duration", "nan"], "--duration: 'nan' is not a time"),
        (["builtin:llq", "--jobs", "0"], "--jobs: '0' is below 1"),
        (["builtin:llq", "--benchmark", "papre"], "no benchmark 'papre'"),
    ],
)
def test_bad_input_gives_one_line_and_a_status(words, reason, capsys):
    assert main(["evaluate", *words]) not in (0, 3)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert reason in captured.err
    assert len(captured.err.splitlines()) == 1


def test_baseline_lists_all_routers(tiny_file, capsys):
    assert main(["baseline", "--benchmark", tiny_file, "--seeds", "0"]) == 0
    text = capsys.readouterr().out
    line = last_line(text)
    assert list(line["baselines"]) == ["random", "round_robin", "lor", "llq"]
    assert line["baselines"]["llq"]["ratio_to_llq"] == 1.0
    assert "round_robin" in text.splitlines()[2]


def test_compare_writes_its_files(tiny_file, router, tmp_path, capsys):
    words = ["compare", "llq", router("first"), "--benchmark", tiny_file, "--seeds", "0-1"]
    assert main([*words, "--output", str(tmp_path / "out")]) == 0
    assert "first.py" in capsys.readouterr().out
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_benchmarks_lists_hashes(capsys):
    assert main(["benchmarks"]) == 0
    table = capsys.readouterr().out
    assert main(["benchmarks", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["benchmarks"]
    assert {"paper", "smoke"} <= {row["name"] for row in rows}
    assert all(row["hash"] in table for row in rows)


def test_scoring_by_the_harness_imports_no_library(router, tmp_path):
    code = (
        "import sys\nfrom openglia.cli import main\n"
        f"main(['evaluate', {router('llq')!r}])\n"
        "heavy = {'numpy', 'pandas', 'scipy', 'yaml', 'pydantic', 'genai_prices', 'rich'}\n"
        "heavy &= set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "OPENGLIA_EVALUATOR": str(tmp_path / "absent.sock"),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "does not answer" in done.stderr


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_termination_takes_the_workers_along(router):
    command = [sys.executable, "-m", "openglia", "evaluate", router("endless")]
    process = subprocess.Popen(
        [*command, "--benchmark", "smoke", "--seeds", "0"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    found: list[int] = []
    try:
        for _ in range(1500):  # until the worker simulates in a child of its own
            workers = children(process.pid)
            found = workers + [child for worker in workers for child in children(worker)]
            if len(found) > 1:
                break
            time.sleep(0.02)
        assert len(found) > 1
        process.terminate()
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "interrupted" in errors
    for pid in found:
        for _ in range(200):
            if not Path(f"/proc/{pid}").exists():
                break
            time.sleep(0.02)
        assert not Path(f"/proc/{pid}").exists()


@pytest.fixture
def checkout(tmp_path):
    """A checkout, in a folder with a blank, whose interpreter prints how it was called."""
    root = tmp_path / "some where"
    (root / "openglia").mkdir(parents=True)
    (root / "openglia" / "cli.py").touch()
    (root / "environment" / "vidur").mkdir(parents=True)
    python = root / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$PYTHONPATH" "$@"\n')
    python.chmod(0o755)
    return root


@pytest.mark.parametrize("place", ["environment", "environment/vidur"])
@pytest.mark.parametrize(
    ("name", "verb"), [("run_all.sh", "evaluate"), ("run_baseline.sh", "baseline")]
)
def test_scripts_find_the_checkout_they_lie_in(checkout, tmp_path, place, name, verb):
    script = checkout / place / name
    script.write_bytes((ENVIRONMENT / name).read_bytes())
    script.chmod(0o755)
    link = tmp_path / "link.sh"
    link.symlink_to(script)
    for path in (script, link):
        done = subprocess.run(
            [path, "--seeds", "0-2"], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        root, *words = done.stdout.splitlines()
        assert root == str(checkout)
        assert words[:3] == ["-m", "openglia", verb]
        assert words[-2:] == ["--seeds", "0-2"]
        if name == "run_all.sh":
            assert str(checkout / "environment" / "vidur" / "simulator_results") in words


@pytest.mark.parametrize("name", ["run_all.sh", "run_baseline.sh"])
def test_scripts_outside_a_checkout_say_so(tmp_path, name):
    script = tmp_path / name
    script.write_bytes((ENVIRONMENT / name).read_bytes())
    done = subprocess.run(["bash", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "lies in no OpenGLIA checkout" in done.stderr
