"""``openglia trace``: what it says of a trace, what it suggests, and what it writes."""

import hashlib
import json
from math import inf
from types import SimpleNamespace

import numpy as np
import pytest

from openglia.cli import main
from openglia.errors import OpenGliaError, UsageError
from openglia.problems.routing.benchmark import length_copies, workload
from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.benchmark.length_copies import PUBLISHED, Published
from openglia.problems.routing.benchmark.loading import load_benchmark
from openglia.problems.routing.benchmark.replay import describing
from openglia.problems.routing.benchmark.replay.reading import Recording
from openglia.problems.routing.benchmark.workload import generate
from openglia.problems.routing.evaluation import sizing
from openglia.problems.routing.evaluation.measuring import measure


def recording(seconds, prompts=None, outputs=None) -> Recording:
    at = np.sort(np.rint(np.asarray(seconds) * 1e6).astype(np.int64))
    ones = np.ones(len(at), dtype=np.int32)
    return Recording(
        at=at - at[0],
        prompts=ones if prompts is None else np.asarray(prompts, dtype=np.int32),
        outputs=ones if outputs is None else np.asarray(outputs, dtype=np.int32),
        first="0 s",
        rows=len(at),
        without_output=0,
        without_prompt=0,
        unsorted=0,
    )


def test_rate_burstiness_and_lengths():
    found = recording([0, 1, 2, 3, 4, 100], prompts=[1, 2, 3, 4, 5, 600])
    told = describing.describe(found)
    gaps = [1, 1, 1, 1, 96]
    assert (told["requests"], told["seconds"], told["rate"]) == (6, 100, 0.06)
    assert told["gap_cv"] == pytest.approx(np.std(gaps) / np.mean(gaps))
    assert told["peak_to_mean"] == pytest.approx(0.5 / 0.06)
    assert (told["prompt"]["p50"], told["prompt"]["max"]) == (3.5, 600)
    assert told["prompt"]["mean"] == pytest.approx(615 / 6)
    faster = describing.describe(found, scale=2)
    assert (faster["seconds"], faster["rate"]) == (50, 0.12)
    assert faster["gap_cv"] == told["gap_cv"]


@pytest.mark.parametrize(
    ("last", "duration", "seeds", "held_out"),
    [
        (3501, 170.0, tuple(range(10)), tuple(range(10, 20))),
        (100, 30.0, (0,), (1, 2)),
        (9, 4.5, (0,), (1,)),
        (604_800, 1000.0, (0, 33, 67, 100, 134, 167, 201, 234, 268, 301), (302, 335)),
    ],
)
def test_windows_of_both_halves_are_suggested(last, duration, seeds, held_out):
    found = describing.suggest(recording(np.linspace(0, last, 5000)))
    assert found.duration == duration
    assert found.seeds == seeds
    assert found.held_out_seeds[: len(held_out)] == held_out
    assert max(found.held_out_seeds) * duration <= last


def test_a_window_is_as_one_asks_and_an_empty_one_is_left_out():
    times = [t for t in np.arange(0, 1000, 0.5) if not 100 <= t < 200]
    found = describing.suggest(recording(times), duration=100.0)
    assert found.seeds == (0, 2, 3)
    assert found.held_out_seeds[0] == 4


@pytest.mark.parametrize("times", [[0], [5, 5, 5]])
def test_too_short_a_trace_has_no_windows(times):
    with pytest.raises(UsageError, match="are too few for windows"):
        describing.suggest(recording(times))


@pytest.mark.parametrize("needed", [1, 2, 5, 8, 100])
def test_the_number_of_replicas_is_the_smallest_that_carries_the_load(monkeypatch, needed):
    def told(_router, benchmark: Benchmark, **_):
        enough = benchmark.cluster.replicas >= needed
        mean = 10.0 if benchmark.cluster.replicas == 256 else 30.0 if enough else 30.1
        failed = benchmark.cluster.replicas == 1 and needed > 1
        return SimpleNamespace(
            statistics=None if failed else SimpleNamespace(mean_response_time=mean)
        )

    monkeypatch.setattr(sizing, "measure", told)
    found = sizing.size(load_benchmark("smoke"), 0, lambda *_: None)
    assert (found.replicas, found.unloaded) == (needed, 10.0)
    assert found.means[1] == (inf if needed > 1 else 30.0)


@pytest.fixture
def azure(tmp_path):
    """Ten minutes of Poisson arrivals in Azure's form, with failed requests."""
    random = np.random.default_rng(7)
    lines = ["TIMESTAMP,ContextTokens,GeneratedTokens"]
    for second in np.cumsum(random.exponential(0.5, 1200)):
        lengths = f"{random.integers(1, 900)},{random.integers(0, 300)}"
        lines.append(f"2024-05-10 00:{int(second // 60):02d}:{second % 60:010.7f}+00:00,{lengths}")
    path = tmp_path / "mine.csv"
    path.write_text("\r\n".join(lines))
    return path


def test_the_benchmark_that_it_writes_is_measured_at_once(azure, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["trace", str(azure), "--output", str(out)]) == 0
    said = capsys.readouterr().out
    assert "without an output (failed requests) dropped" in said
    assert "evaluation seeds 0-8: " in said and "replicas: 2 (LLQ's mean" in said
    assert (out / "mine.png").read_bytes().startswith(b"\x89PNG")
    benchmark = load_benchmark(str(out / "mine.yaml"))
    assert benchmark.cluster.replicas == 2
    assert measure("builtin:llq", benchmark, seeds=benchmark.held_out_seeds[-1:], jobs=1).ok
    assert main(["trace", str(azure), "--output", str(out)]) == 2
    assert "mine.yaml is there already" in capsys.readouterr().err


def test_columns_by_name_and_json(tmp_path, capsys):
    path = tmp_path / "own.csv"
    path.write_text("in;out;when\n" + "".join(f"{i + 1};7;{250 * i}\n" for i in range(400)))
    words = ["trace", str(path), "--output", str(tmp_path / "o"), "--replicas", "3", "--json"]
    columns = ["--columns", "time=when,prompt=in,output=out,unit=ms"]
    assert main([*words, *columns, "--rate-scale", "2", "--window", "10"]) == 0
    line = json.loads(capsys.readouterr().out)
    assert (line["rate"], line["replicas"]) == (pytest.approx(8, rel=0.01), 3)
    trace = generate(load_benchmark(line["benchmark"]), 1)
    assert trace.num_prefill_tokens == list(range(81, 161))
    assert trace.arrived_at == [i / 8 for i in range(80)]


def test_a_load_that_changes_is_pointed_out(tmp_path, capsys):
    path = tmp_path / "drift.csv"
    times = [*range(1000), *range(1000, 2000, 4)]
    rows = "".join(f"{t},9,9\n" for t in times)
    path.write_text(f"arrived_at,num_prefill_tokens,num_decode_tokens\n{rows}")
    words = ["trace", str(path), "--output", str(tmp_path / "o"), "--replicas", "2"]
    assert main(words) == 0
    assert "% fewer requests than an evaluation window: what is gained" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "has the columns of no known format (vidur, azure, burstgpt, mooncake) but 'in'"),
        (["--format", "azure"], "line 1: there is no column TIMESTAMP but 'in'"),
        (["--columns", "time=when,prompt=in"], "columns.output: is missing"),
        (["--columns", "when"], "--columns: 'when' is not of the form"),
        (["--columns", "time=when,prompt=in,output=o"], "there is no column o but 'in'"),
        (["--columns", "time=when,prompt=in,output=out", "--rate-scale", "0"], "rate_scale: must"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(tmp_path, capsys, words, reason):
    path = tmp_path / "own.csv"
    path.write_text("in,out,when\n1,7,1\n")
    assert main(["trace", str(path), "--output", str(tmp_path / "o"), *words]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert reason in line


def test_a_published_trace_stands_in_for_the_lengths_in_vidurs_checkout(
    azure, tmp_path, monkeypatch, capsys
):
    [digest, *_] = PUBLISHED
    conversation = load_benchmark("conversation")
    monkeypatch.setattr(workload, "VIDUR", tmp_path / "none")
    monkeypatch.setattr(length_copies, "VIDUR", tmp_path / "none")
    monkeypatch.setattr(length_copies, "CACHE", tmp_path / "cache")
    with pytest.raises(OpenGliaError, match=r"openglia trace AzureLLMInferenceTrace_conv\.csv"):
        generate(conversation, 0)
    rows = [line.split(",")[1:] for line in azure.read_text().split("\n")[1:]]
    kept = [(int(prompt), int(output)) for prompt, output in rows if int(output)]
    text = length_copies.as_text(*zip(*kept, strict=True))
    published = Published("azure.csv", hashlib.sha256(text.encode()).hexdigest())
    monkeypatch.setitem(length_copies.PUBLISHED, digest, published)
    words = ["trace", str(azure), "--output", str(tmp_path / "out"), "--replicas", "4"]
    assert main(words) == 0
    assert "its lengths are kept for conversation, which" in capsys.readouterr().out
    trace = generate(conversation, 0)
    assert set(zip(trace.num_prefill_tokens, trace.num_decode_tokens, strict=True)) <= set(kept)
    length_copies.copy_along(conversation.workload, tmp_path / "run")
    monkeypatch.setattr(length_copies, "CACHE", tmp_path / "other")
    length_copies.adopt(conversation.workload, tmp_path / "run")
    assert generate(conversation, 0) == trace
