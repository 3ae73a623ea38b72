"""Recorded traces: read right or refused in one line, and their windows as seeds."""

import gzip
import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from openglia.discovery.experiment import AgentCommand, Limits
from openglia.discovery.models import Choice
from openglia.errors import OpenGliaError, UsageError
from openglia.problems.routing import scored_on
from openglia.problems.routing.benchmark.loading import load_benchmark, resolved, to_yaml
from openglia.problems.routing.benchmark.replay import source, windows
from openglia.problems.routing.benchmark.replay.formats import FORMATS, Format
from openglia.problems.routing.benchmark.replay.reading import read
from openglia.problems.routing.benchmark.workload import generate, trace_file
from openglia.problems.routing.kind import KIND
from openglia.problems.routing.workplace import is_shown
from openglia.runs.options import Options

VIDUR = b"arrived_at,num_prefill_tokens,num_decode_tokens\n"
AZURE = b"TIMESTAMP,ContextTokens,GeneratedTokens\n"
BURST = b"Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"


def rows(tmp_path, content: bytes, form: str | Format):
    """What is read, as rows of (seconds since the first, prompt, output)."""
    path = tmp_path / "trace"
    path.write_bytes(content)
    found = read(path, FORMATS[form] if isinstance(form, str) else form)
    times = (found.at / 1e6).tolist()
    return list(zip(times, found.prompts.tolist(), found.outputs.tolist(), strict=True)), found


TWO = [(0.0, 374, 44), (1.5, 396, 16)]


@pytest.mark.parametrize(
    ("form", "content"),
    [
        ("vidur", VIDUR + b"0.0,374,44\n1.5,396,16\n"),
        ("vidur", b"\xef\xbb\xbf" + VIDUR + b"0.0,374,44\n1.5,396,16"),
        ("vidur", VIDUR.replace(b"\n", b"\r\n") + b"0.0,374,44\r\n1.5,396,16\r\n"),
        ("vidur", VIDUR.replace(b"\n", b"\r") + b"0.0,374,44\r1.5,396,16\r"),
        ("vidur", b"\n" + VIDUR + b"\n0.0,374,44\n  \n1.5,396,16\n\n"),
        ("vidur", VIDUR.replace(b",", b";") + b"0.0;374;44\n1.5;396;16\n"),
        ("vidur", VIDUR.replace(b",", b"\t") + b"0.0\t374\t44\n1.5\t396\t16\n"),
        ("vidur", VIDUR.replace(b",", b" | ") + b"0.0 | 374 | 44\n1.5 | 396 | 16\n"),
        ("vidur", b'"arrived_at","num_prefill_tokens","num_decode_tokens"\n"0","374","44"\n'
         b'"1.5","396","16"\n'),
        ("vidur", VIDUR + b" 0.0 , 374.0 , 4.4e1 \n1.5, 396, 16\n"),
        ("vidur", VIDUR + b"0.0,374,44,\n1.5,396,16,\n"),  # delimiters at the ends
        ("vidur", VIDUR + b"100001.5,396,16\n100000,374,44\n"),
        ("vidur", gzip.compress(VIDUR + b"0.0,374,44\n1.5,396,16\n", mtime=0)),
        ("azure", AZURE + b"2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:48.18059,396,16"),
        ("azure", AZURE + b"2024-05-10 00:00:58.500000+00:00,374,44\n"
         b"2024-05-10 00:01:00+00:00,396,16\n"),
        ("azure", AZURE + b"2024-05-10 02:00:58.5+02:00,374,44\n2024-05-10T00:01:00Z,396,16\n"),
        ("burstgpt", BURST + b"5,ChatGPT,374,44,418,API log\n6.5,GPT-4,396,16,412,Chat"),
        ("mooncake", b'{"timestamp": 27000, "input_length": 374, "output_length": 44, "x": [1]}\n'
         b'\n{"timestamp": 28500, "input_length": 396, "output_length": 16, "hash_ids": []}\n'),
    ],
)  # fmt: skip
def test_traces_as_people_have_them_are_read_right(tmp_path, form, content):
    assert rows(tmp_path, content, form)[0] == TWO


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_columns_are_read_by_name(tmp_path, unit):
    second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    lines = f"p,o,when\n374,44,{7 * second}\n396,16,{17 * second / 2}\n"
    assert rows(tmp_path, lines.encode(), Format("when", "p", "o", unit))[0] == TWO


def test_failed_requests_are_dropped_and_counted_and_rows_put_in_order(tmp_path):
    content = (
        BURST + b"9,G,1,1,2,L\n5,G,7,0,7,L\n5,G,2,3,5,L\n5,G,0,4,4,L\n6,G,3,3,6,L\n5,G,8,8,6,L\n"
    )
    found, told = rows(tmp_path, content, "burstgpt")
    assert found == [(0, 2, 3), (0, 8, 8), (1, 3, 3), (4, 1, 1)]  # equal times in the file's order
    assert (told.rows, told.without_output, told.without_prompt, told.unsorted) == (6, 1, 1, 3)
    assert told.first == "5 s"


@pytest.mark.parametrize(
    ("form", "content", "reason"),
    [
        ("vidur", b"", "is empty"),
        ("vidur", b"\xef\xbb\xbf \n", "is empty"),
        ("vidur", VIDUR, "holds no request"),
        ("vidur", VIDUR + b"0,374,0\n", "holds no request but 1 without"),
        ("vidur", VIDUR + b"0,374,44\n\n1,,16\n", "line 4, column num_prefill_tokens: the cell is"),
        ("vidur", VIDUR + b"0,374,44\n1,396\n", "line 3, column num_decode_tokens: the cell is"),
        ("vidur", VIDUR + b"0,374,44,9\n", "line 2: has more cells than the 3"),
        ("vidur", VIDUR + b"0,374,44\n1,5,10,9,9\n", "in line 2, saw 5"),
        ("vidur", VIDUR + b'0,374,44\n1,"5\n', "EOF inside string"),
        ("vidur", VIDUR.replace(b",", b";") + b"0,5;374;44\n", "line 2, column arrived_at: '0,5'"),
        ("vidur", VIDUR + b"0,\"1,374\",44\n", "line 2, column num_prefill_tokens: '1,374'"),
        *[
            ("vidur", VIDUR + b"0,374,44\n1," + cell + b",16\n", "line 3, column num_prefill")
            for cell in (b"-1", b"inf", b"nan", b"4.5", b"ten", b"1e30", b"0x1F", b"1_000", b"true",
                         b"1\x00")
        ],
        ("vidur", VIDUR + b"1e300,374,44\n", "line 2, column arrived_at"),
        ("vidur", AZURE + b"2023-11-16 18:15:46,374,44\n", "this is the format azure"),
        ("vidur", b"a,b\n1,2\n", "line 1: there is no column arrived_at but 'a', 'b'; the columns"),
        ("vidur", b"0.0,374,44\n1.5,396,16\n", "line 1: there is no column arrived_at but '0.0'"),
        ("vidur", VIDUR.strip() + b",arrived_at\n0,1,1,0\n", "two columns arrived_at"),
        ("vidur", VIDUR + b"0,374,44\n1,396,16\xff\n", "line 3: is not UTF-8 text (byte 0xff)"),
        ("vidur", VIDUR.decode().encode("utf-16"), "is UTF-16 text"),
        ("vidur", b"PK\x03\x04....", "is a ZIP archive"),
        ("vidur", gzip.compress(VIDUR + b"0,374,44\n" * 9999, mtime=0)[:60], "is damaged gzip"),
        ("azure", AZURE + b"2023-11-16 18:15:46,374,44\nyesterday,396,16\n",
         "line 3, column TIMESTAMP: 'yesterday' is not a time"),
        ("azure", AZURE + b"1700158546,374,44\n", "line 2, column TIMESTAMP: 1700158546 is not a"),
        ("azure", AZURE + b"16.11.2023 18:15,374,44\n", "line 2, column TIMESTAMP"),
        ("mooncake", b'{"timestamp": 0, "input_length": 1, "output_length": 1}\n{"timestamp": 0,\n',
         "line 2: is not JSON"),
        ("mooncake", b'{"timestamp": 0, "input_length": 1}\n', "no column output_length but"),
        ("mooncake", b'[1, 2]\n', "line 1: is no JSON object"),
        ("mooncake", b'{"timestamp": 0, "input_length": null, "output_length": 1}\n',
         "line 1, column input_length: the cell is empty"),
        ("mooncake", b'{"timestamp": 0, "input_length": true, "output_length": 1}\n',
         "line 1, column input_length: True"),
        ("mooncake", b'{"timestamp": 0, "input_length": [1], "output_length": 1}\n',
         "line 1, column input_length: [1]"),
    ],
)  # fmt: skip
def test_wrong_traces_are_refused_in_one_line(tmp_path, form, content, reason):
    with pytest.raises(UsageError) as caught:
        rows(tmp_path, content, form)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'trace'}: ")
    assert reason in message
    assert "\n" not in message


@pytest.mark.parametrize("lines", [False, True])
def test_pieces_make_one_trace_with_the_right_lines(tmp_path, monkeypatch, lines):
    monkeypatch.setattr(source, "PIECE", 7)
    random = np.random.default_rng(5)
    at, prompts, outputs = random.permutation(40), random.integers(1, 99, 40), np.arange(1, 41)
    table = np.stack([at, prompts, outputs], axis=1).tolist()
    keys = FORMATS["mooncake"].columns if lines else FORMATS["vidur"].columns
    texts = [json.dumps(dict(zip(keys, row, strict=True))) if lines else ",".join(map(str, row))
             for row in table]  # fmt: skip
    head = [] if lines else [",".join(keys)]
    form = "mooncake" if lines else "vidur"
    found, told = rows(tmp_path, "\n".join(head + texts).encode(), form)
    assert found == [(t / 1000 if lines else t, p, o) for t, p, o in sorted(table)]
    assert told.unsorted == sum(t < max(at[: i + 1]) for i, t in enumerate(at))
    texts[33] = texts[33].replace(str(table[33][1]), '"x"', 1)
    with pytest.raises(UsageError, match=f"line {34 + len(head)}"):
        rows(tmp_path, "\n".join(head + texts).encode(), form)


@pytest.fixture
def recorded(tmp_path):
    """A benchmark that replays 200 requests, one a second from 1000 s on; edits of its trace."""
    lines = [f"{1000 + i},{i + 1},{300 - i}" for i in range(200)]
    (tmp_path / "mine.csv").write_bytes(VIDUR + "\n".join(lines).encode())

    def load(seeds="0-1", held_out="2-3", duration=50, name="mine.yaml", **trace):
        text = json.dumps({"file": "mine.csv", "format": "vidur"} | trace)
        path = tmp_path / name
        path.write_text(
            f"extends: smoke\ndescription: replayed\nduration: {duration}\nseeds: {seeds}\n"
            f"held_out_seeds: {held_out}\nworkload: {{trace: {text}}}\n"
        )
        return load_benchmark(str(path))

    return load


def test_a_seed_is_a_window_of_the_traces_own_time(recorded):
    benchmark = recorded()
    for seed in range(4):
        trace = generate(benchmark, seed)
        assert trace.arrived_at == [float(i) for i in range(50)]
        assert trace.num_prefill_tokens == list(range(50 * seed + 1, 50 * seed + 51))
        assert trace.num_decode_tokens == list(range(300 - 50 * seed, 250 - 50 * seed, -1))


def test_a_shorter_duration_is_the_beginning_of_the_same_window(recorded):
    benchmark = recorded()
    short = generate(replace(benchmark, duration=10.0), 2)
    assert short.num_prefill_tokens == list(range(101, 111))


def test_the_rate_scales_time_alone(recorded):
    benchmark = recorded(rate_scale=2, seeds=0, held_out=1)
    trace = generate(benchmark, 1)
    assert trace.arrived_at == [i / 2 for i in range(100)]
    assert trace.num_prefill_tokens == list(range(101, 201))


def test_lengths_are_cut_to_the_context_and_counted(recorded, tmp_path):
    (tmp_path / "mine.csv").write_bytes(VIDUR + b"0,9000,100\n1,10,9000\n60,3,3\n")
    benchmark = recorded(seeds=0, held_out=1)
    trace = generate(benchmark, 0)
    assert trace.num_prefill_tokens == [8092, 10]
    assert trace.num_decode_tokens == [100, 8176]
    account = windows.account(benchmark)
    assert account["windows"]["evaluation"]["cut_to_context"] == 2
    assert "2 of 2 are cut to the context of 8,192 tokens" in " ".join(windows.told(account))


def test_the_hash_is_the_contents_and_not_the_places(recorded, tmp_path):
    benchmark = recorded()
    (tmp_path / "moved.csv").write_bytes((tmp_path / "mine.csv").read_bytes())
    assert recorded(file="moved.csv").hash == benchmark.hash
    assert recorded(rate_scale=2.0).hash != benchmark.hash
    (tmp_path / "mine.csv").write_bytes(VIDUR + b"0,1,1\n")
    assert recorded().hash != benchmark.hash


def test_a_file_that_was_changed_is_found(recorded, tmp_path):
    benchmark = recorded()
    (tmp_path / "mine.csv").write_bytes(VIDUR + b"0,1,1\n")
    with pytest.raises(OpenGliaError, match=r"mine\.csv is not the file that the benchmark was ma"):
        generate(benchmark, 2)
    (tmp_path / "mine.csv").unlink()
    with pytest.raises(UsageError, match=r"mine\.csv cannot be read: No such file"):
        generate(benchmark, 2)
    with pytest.raises(UsageError, match=r"mine\.csv cannot be read: No such file"):
        recorded()


def test_what_a_run_keeps_of_it_loads_again(recorded, tmp_path):
    benchmark = recorded()
    told = json.loads(json.dumps(scored_on.described(benchmark, None)))
    assert resolved(told["definition"], tmp_path / "results.json") == benchmark
    assert told["replayed"]["windows"]["held-out"]["requests"] == [50, 50]
    elsewhere = tmp_path / "run" / "benchmark.yaml"
    elsewhere.parent.mkdir()
    elsewhere.write_text(to_yaml(benchmark))
    assert load_benchmark(str(elsewhere)) == benchmark
    scored_on.keep(tmp_path / "run2", benchmark)
    assert "# evaluation seeds 0-1: " in (tmp_path / "run2" / "benchmark.yaml").read_text()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"held_out": "1-2"}, "held_out_seeds: seed 1 is an evaluation seed too"),
        ({"seeds": "2-3", "held_out": "0-1"}, "held_out_seeds: window 0 of the trace comes before"),
        ({"format": "csv"}, "workload.trace.format: must be one of vidur, azure"),
        ({"format": None}, "workload.trace.format: give either a format"),
        ({"columns": {"time": "a", "prompt": "b"}}, "workload.trace.columns.output: is missing"),
        ({"sha256": "12"}, "workload.trace.sha256: must be a SHA-256"),
        ({"rate_scale": 0}, "workload.trace.rate_scale: must be above 0"),
        ({"speed": 1}, "workload.trace.speed: is not a key here; known: file, format"),
        ({"file": " "}, "workload.trace.file: must be a text"),
    ],
)  # fmt: skip
def test_wrong_keys_are_named(recorded, change, reason):
    with pytest.raises(UsageError) as caught:
        recorded(**change)
    assert reason in str(caught.value)


def test_a_window_without_requests_is_refused(recorded, tmp_path):
    with pytest.raises(UsageError, match=r"seed 4.*behind the trace's last.*at 199 s: seeds 0-3 h"):
        windows.account(recorded(held_out="3-4"))
    (tmp_path / "mine.csv").write_bytes(VIDUR + b"0,1,1\n120,1,1\n")
    with pytest.raises(UsageError, match=r"seed 1: no request arrives in its window, from 50 s on"):
        generate(recorded(held_out=2), 1)


def test_a_recorded_trace_and_a_drawn_one_replace_each_other(recorded, tmp_path):
    assert set(recorded().workload) == {"trace"}
    path = tmp_path / "back.yaml"
    drawn = "{process: poisson, rate: 2}"
    lengths = "{distribution: fitted, prompt: [{share: 1, mu: 1, sigma: 1}], "
    lengths += "output: {shape: 1, scale: 1, minimum: 1, maximum: 2}}"
    path.write_text(f"extends: mine\nworkload: {{arrivals: {drawn}, lengths: {lengths}}}\n")
    assert "trace" not in load_benchmark(str(path)).workload


def test_agents_cannot_read_the_file_of_a_trace(tmp_path):
    root = tmp_path
    (root / "environment" / "benchmarks").mkdir(parents=True)
    python = root / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to("/usr/bin/true")
    assert is_shown(root / "environment" / "benchmarks" / "mine.csv", root)
    assert is_shown(Path("/usr/share/mine.csv"), root)
    assert not is_shown(root / "mine.csv", root)
    (root / "link.csv").symlink_to(root / ".venv" / "mine.csv")
    assert is_shown(root / "link.csv", root)


def test_a_run_says_what_it_replays_and_finds_a_changed_file(recorded, tmp_path, monkeypatch):
    recorded()
    problem = KIND.open(str(tmp_path / "mine.yaml"), "embedded")
    told = problem.introduction()
    assert told[0].startswith("trace mine.csv (SHA-256 ")
    assert "200 requests in 199 s, 1.01/s" in told[0]
    assert told[1] == "times count from its first arrival, 1000 s"
    assert told[2:4] == [
        "evaluation seeds 0-1: windows from 0 s to 100 s with 50 requests each",
        "held-out seeds 2-3: windows from 100 s to 200 s with 50 requests each",
    ]
    results = json.loads(json.dumps(problem.describe()))
    assert KIND.restore(tmp_path, results).hash == problem.hash
    (tmp_path / "mine.csv").write_bytes(VIDUR + b"0,1,1\n")
    with pytest.raises(UsageError, match=r"mine\.csv is not the file"):
        KIND.restore(tmp_path, results)


def test_a_run_does_not_begin_where_agents_could_read_the_trace(recorded, tmp_path, monkeypatch):
    recorded()
    monkeypatch.setattr(scored_on, "is_shown", lambda file: file == tmp_path / "mine.csv")
    with pytest.raises(UsageError, match=r"mine\.csv lies where agents can read it.*move it"):
        KIND.open(str(tmp_path / "mine.yaml"), "embedded")


def test_a_program_of_the_users_is_not_shown_the_trace_either(recorded, tmp_path):
    recorded()
    problem = KIND.open(str(tmp_path / "mine.yaml"), "embedded")
    common = {"choice": Choice("offline", ""), "limits": Limits(), "seed": 0, "sandbox": "auto"}
    beside = tmp_path / "beside"
    beside.mkdir()
    for place, refused in ((tmp_path, True), (tmp_path / "mine.csv", True), (beside, False)):
        agent = AgentCommand(command="true", readable=(str(place),))
        with pytest.raises(UsageError, match="held-out part") if refused else nullcontext():
            Options(problem=problem, agent=agent, **common)


def test_a_run_does_not_begin_on_windows_that_there_are_not(recorded, tmp_path):
    recorded(held_out="3-9")
    with pytest.raises(UsageError, match=r"seed 4: .* lies behind the trace's last request"):
        KIND.open(str(tmp_path / "mine.yaml"), "embedded")


def test_both_simulators_get_the_window_as_a_file(recorded, tmp_path):
    path = trace_file(recorded(), 3, tmp_path / "traces")
    lines = path.read_text().splitlines()
    assert lines[:3] == [VIDUR.decode().strip(), "0.000000,151,150", "1.000000,152,149"]
    assert len(lines) == 51


def test_what_was_changed_is_counted_in_words(recorded, tmp_path):
    content = BURST + b"5,G,2,0,2,L\n9,G,1,1,2,L\n5,G,2,3,5,L\n9,G,2,0,2,L\n"
    (tmp_path / "mine.csv").write_bytes(content)
    lines = windows.told(windows.account(recorded(format="burstgpt", seeds=0, held_out="null")))
    assert lines[1] == (
        "times count from its first arrival, 5 s; 2 rows without an output (failed requests) "
        "dropped; 1 row that came after a later one put in order of arrival"
    )
