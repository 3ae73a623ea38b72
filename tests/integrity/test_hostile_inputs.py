"""Hostile traces, each with its expected one-line outcome. YAML: tests/benchmark/test_loading.py.

Traces are made by the harness, but a file in the cache can be damaged or come from elsewhere.
"""

import csv
import json
import subprocess
import sys
from dataclasses import asdict

import pytest

from openglia.measuring.processes import worker_environment
from openglia.paths import ROOT
from openglia.problems.routing.benchmark.loading import load_benchmark

HEADER = "arrived_at,num_prefill_tokens,num_decode_tokens\n"

REFUSED = {
    "empty file": ("", "must have the columns arrived_at,num_prefill_tokens"),
    "no requests": (HEADER, "must have the columns arrived_at,num_prefill_tokens"),
    "other columns": ("time,prompt\n1,2\n", "must have the columns"),
    "words": (HEADER + "a,b,c\n", "cannot be read"),
    "half a line": (HEADER + "0.0,10,5\n1.0,1", "must have the columns"),
    "binary": ("\0" * 100, "must have the columns"),
    "unsorted": (HEADER + "5.0,10,5\n1.0,10,5\n", "in order of arrival"),
    "not a time": (HEADER + "nan,10,5\n", "in order of arrival"),
    "never arrives": (HEADER + "inf,10,5\n", "in order of arrival"),
    "before the start": (HEADER + "-1.0,10,5\n", "in order of arrival"),
}
# Vidur clips lengths to at least 1 and cuts the prompt to the context limit; so does the engine.
CLIPPED = {
    "no prompt": ("0.0,0,5", (1, 5)),
    "no output": ("0.0,5,0", (5, 1)),
    "negative": ("0.0,-5,3", (1, 3)),
    "over the context limit": ("0.0,9000,3", (8189, 3)),
}


def simulate(tmp_path, text):
    benchmark = load_benchmark("smoke")
    (tmp_path / "trace.csv").write_text(text)
    job = {
        "scheduler": "builtin:llq",
        "cluster": asdict(benchmark.cluster),
        "limits": asdict(benchmark.limits),
        "traces": {"0": str(tmp_path / "trace.csv")},
        "output_dir": str(tmp_path / "out"),
        "resolution": None,
    }
    (tmp_path / "job.json").write_text(json.dumps(job))
    return subprocess.run(
        [
            sys.executable,
            "-P",
            "-m",
            "openglia.problems.routing.simulator.worker",
            str(tmp_path / "job.json"),
        ],
        env=worker_environment(ROOT),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("name", REFUSED)
def test_a_trace_that_is_none_is_refused(name, tmp_path):
    text, part = REFUSED[name]
    done = simulate(tmp_path, text)
    assert done.returncode == 1, done
    assert part in done.stderr.splitlines()[0]
    assert "Traceback" not in done.stderr
    (told,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (told["seed"], told["status"]) == (0, "error")
    assert part in told["reason"]
    assert not (tmp_path / "out/seed_0/summary.json").exists()


@pytest.mark.parametrize("name", CLIPPED)
def test_lengths_out_of_bounds_are_clipped_as_vidur_does(name, tmp_path):
    line, (prompt, output) = CLIPPED[name]
    done = simulate(tmp_path, HEADER + line + "\n")
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out/seed_0/request_metrics.csv").open() as stream:
        (row,) = csv.DictReader(stream)
    assert int(row["request_num_prefill_tokens"]) == prompt
    assert int(row["request_num_decode_tokens"]) == output
