"""Numbers as people write them, in options and in files; a wrong one gets one line, status 2."""

import copy
import shlex
import subprocess
import sys
from dataclasses import replace

import pytest
import yaml

from openglia import files
from openglia.cli import COMMANDS, Parser, main, module_of
from openglia.commands import run as run_command
from openglia.commands.routing import baseline, compare, evaluate
from openglia.errors import OpenGliaError, UsageError
from openglia.paths import BENCHMARKS
from openglia.problems.routing.benchmark.loading import load_benchmark
from openglia.problems.routing.benchmark.workload import generate
from openglia.quantities import count, dollars, or_none, seconds, spelled
from openglia.runs import solution
from openglia.runs.results import Results


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("90", 90), ("90s", 90), ("15m", 900), ("2h", 7200), ("1.5h", 5400), (".5m", 30),
        ("6e1", 60), ("0.1h", 360), (" 2 H ", 7200), ("1e-3", 0.001),
    ],
)  # fmt: skip
def test_times(text, value):
    assert seconds(text) == value


@pytest.mark.parametrize(("text", "value"), [("2.50", 2.5), ("10", 10), ("0.5 USD", 0.5)])
def test_dollars(text, value):
    assert dollars(text) == value


@pytest.mark.parametrize("text", ["0", "-1", "2m", "$2", "much", ""])
def test_what_is_no_amount(text):
    with pytest.raises(UsageError, match=r"is not an amount above 0: give US dollars"):
        dollars(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("200", 200),
        ("500k", 500_000),
        ("2M", 2_000_000),
        ("1.5M", 1_500_000),
        ("2e3", 2000),
    ],
)
def test_counts(text, value):
    assert count(text) == value
    assert type(count(text)) is int


WRONG = [
    "-1", "-5m", "", " ", "ten", "nan", "inf", "-inf", "1e999999", "1e400", "9" * 5000, "1;5", "2d",
    "2hours", "0x10", "1_000", "1 2", "٣", "\N{SUPERSCRIPT TWO}", "None of it", "2\nh", "1e",
]  # fmt: skip


@pytest.mark.parametrize("text", [*WRONG, "0", "0h", "1e-9999", "2k"])
def test_no_times(text):
    with pytest.raises(UsageError):
        seconds(text)


@pytest.mark.parametrize("text", [*WRONG, "1.5", "2h", "0.0005k"])
def test_no_counts(text):
    with pytest.raises(UsageError):
        count(text)


def test_none_is_no_limit_and_what_is_spelled_is_read_back():
    assert or_none(count)("none") is None
    assert or_none(seconds)("None") is None
    for value in (None, 14400.0, 0.1, 1234567.8, 1e-7, 1e11):
        assert or_none(seconds)(spelled(value)) == value
    for value in (None, 0, 5_000_000):
        assert or_none(count)(spelled(value)) == value


def parsed(module, words):
    parser = Parser()
    module.configure(parser)
    return parser.parse_args(words)


def test_limits_of_a_run_as_people_write_them():
    named = ["--time-limit", "2h", "--max-tokens", "2M", "--max-evaluations", "none"]
    limits = run_command.options(parsed(run_command, ["--model", "offline", *named])).limits
    assert (limits.time_limit, limits.max_tokens, limits.max_evaluations) == (7200, 2_000_000, None)
    assert limits.max_refinements == 5


def test_the_command_of_a_run_is_read_back_to_its_limits():
    limits = {
        "max_refinements": 3, "max_evaluations": None, "time_limit": 1234567.8, "max_tokens": 10**7
    }  # fmt: skip
    results = Results(run_id="x", outcome=None, limits=limits, model="offline", seed=4)
    words = shlex.split(solution.run_command(results, ["--benchmark", "smoke"]))[1:]
    options = run_command.options(parsed(run_command, words))
    assert {name: getattr(options.limits, name) for name in limits} == limits
    assert options.seed == 4


NUMBERS = {
    "run": ["--max-refinements", "--max-evaluations", "--time-limit", "--max-tokens", "--seed"],
    "evaluate": ["--jobs", "--duration", "--seeds"],
    "baseline": ["--jobs", "--seeds"],
    "compare": ["--jobs", "--seeds"],
}


@pytest.mark.parametrize(
    ("verb", "option"), [(verb, option) for verb, options in NUMBERS.items() for option in options]
)
def test_every_wrong_value_of_an_option_gets_one_line(verb, option, capsys, monkeypatch):
    # What is parsed against expectation must not start.
    monkeypatch.setattr(module_of(verb), "run", lambda _: 0)
    scheduler = ["builtin:llq"] if verb == "compare" else []
    for text in WRONG:
        assert main([verb, *scheduler, f"{option}={text}"]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert error.startswith(f"openglia {verb}: argument {option}: ")


@pytest.mark.parametrize(
    "words",
    [
        ["run", "--max-evaluations", "-1"],
        ["run", "--time-limit", "0"],
        ["run", "--time-limit"],
        ["run", "--sandbox", "glass"],
        ["run", "--resume", "/nowhere"],
        ["run", "--benchmark", "nothing"],
        ["evaluate", "--benchmark", "x" * 5000],
        ["evaluate", "--benchmark", "/" + "x" * 5000 + ".yaml"],
        ["evaluate", "--benchmark", "/tmp.yaml/"],
        ["evaluate", "/nowhere.py"],
        ["evaluate", "x" * 5000],
        ["evaluate", "/"],
        ["evaluate", "builtin:best"],
        ["evaluate", "builtin:llq", "--benchmark", "smoke", "--results", "/dev/null"],
        ["evaluate", "builtin:llq", "--benchmark", "smoke", "--duration", "1e9"],
        ["evaluate", "one", "two"],
        ["compare"],
        ["compare", "nobody"],
        ["compare", "llq", "--benchmark", "smoke", "--output", "/dev/null"],
        ["baseline", "--simulator", "other"],
        ["reproduce", "--simulator", "other"],
        ["setup", "--simulator", "other"],
        ["verify"],
        ["verify", "/nowhere"],
        ["finish", "/dev/null"],
        ["report", "/dev/null"],
        ["doctor", "--no-such-option"],
        ["no-such-command"],
        [],
    ],
)
def test_wrong_usage_is_one_line_and_status_2(words, capsys, monkeypatch):
    monkeypatch.delenv("OPENGLIA_EVALUATOR", raising=False)
    status = main(words)
    said = capsys.readouterr()
    assert (status, said.out, said.err.count("\n")) == (2, "", 1), said.err[:500]
    assert said.err.startswith("openglia")


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_measured(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(files.os, "access", lambda *_: False)  # root may write everywhere
    for words in (["compare", "llq", "--output"], ["evaluate", "builtin:llq", "--results"]):
        assert main([*words, str(tmp_path), "--benchmark", "smoke"]) == 2
        said = capsys.readouterr().err
        assert f"{tmp_path}: cannot be written" in said
        assert said.count("\n") == 1


def test_help_says_how_numbers_are_written(capsys):
    for verb, words in {"run": ["15m", "2M", "none"], "evaluate": ["5m"]}.items():
        with pytest.raises(SystemExit):
            main([verb, "--help"])
        text = capsys.readouterr().out
        assert [word for word in words if word not in text] == []


def leaves(value, path=()):
    """Every key of a benchmark's mapping, as a path."""
    entries = enumerate(value) if isinstance(value, list) else value.items()
    for key, below in entries:
        yield (*path, key)
        if isinstance(below, dict | list):
            yield from leaves(below, (*path, key))


FULL = yaml.safe_load((BENCHMARKS / "paper.yaml").read_text())
FULL["workload"]["arrivals"]["bursts"] = {"every": 100, "last": 10, "factor": 3}
FULL["workload"]["shift"] = {"at": 0.5, "lengths": copy.deepcopy(FULL["workload"]["lengths"])}
FULL["limits"] = {
    "router_call_mean_ms": 50, "simulation_seconds": 120, "vidur_simulation_seconds": 1800,
    "memory_mb": 2048,
}  # fmt: skip
BAD = [
    "-1", "0", "''", "ten", ".nan", ".inf", "-.inf", "1e400", "1e300", "1e-300",
    "9" * 400, "9" * 5000, "[1]", "[[]]", "{a: 1}", "true", "null", "2001-01-01", "'1'", "-5m",
    "2d", "!!binary aGk=", "'a\n\n  b'",
]  # fmt: skip


@pytest.mark.parametrize("path", list(leaves(FULL)), ids=lambda path: ".".join(map(str, path)))
def test_every_wrong_value_of_a_key_gets_one_line(path, tmp_path):
    file = tmp_path / "mine.yaml"
    for text in BAD:
        values = copy.deepcopy(FULL)
        place = values
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = "PUT HERE"
        file.write_text(yaml.safe_dump(values).replace("PUT HERE", text))
        try:
            benchmark = load_benchmark(str(file))
            generate(replace(benchmark, duration=min(benchmark.duration, 2.0)), 0)
        except OpenGliaError as error:
            assert "\n" not in str(error), text
            assert len(str(error)) < 500, text


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("duration", "6e1", 60.0), ("duration", "15m", 900.0), ("duration", "+1.5E2", 150.0),
        ("limits.simulation_seconds", "2m", 120.0), ("limits.memory_mb", "4k", 4000),
        ("limits.memory_mb", "4e3", 4000), ("limits.memory_mb", "4096.0", 4096),
        ("limits.router_call_mean_ms", "5e1", 50.0),
    ],
)  # fmt: skip
def test_numbers_in_a_file_as_people_write_them(tmp_path, key, text, value):
    *sections, last = key.split(".")
    body = f"{last}: {text}"
    for section in sections:
        body = f"{section}: {{{body}}}"
    file = tmp_path / "mine.yaml"
    file.write_text(f"extends: smoke\n{body}\n")
    benchmark = load_benchmark(str(file))
    found = getattr(benchmark.limits if sections else benchmark, last)
    assert found == value
    assert type(found) is type(value)


def test_every_command_of_the_command_line_has_one_line_errors():
    code = "import sys; from openglia.cli import main; sys.exit(main(sys.argv[1:]))"
    for verb in COMMANDS:
        words = [sys.executable, "-c", code, verb, "--no-such-option"]
        if verb in ("verify", "finish", "report", "compare"):
            words.append("something")
        ended = subprocess.run(words, capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stderr.count("\n")) == (2, 1), ended.stderr


def test_the_measuring_commands_share_their_options():
    for module in (evaluate, baseline, compare):
        words = ["llq"] if module is compare else []
        found = parsed(module, [*words, "--seeds", "0-2", "--jobs", "2"])
        assert (found.seeds, found.jobs) == ((0, 1, 2), 2)
