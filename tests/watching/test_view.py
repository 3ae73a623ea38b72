"""A view of a run from a recorded folder, at any moment of its life; what it holds is hostile."""

import io
import json
import shutil
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from openglia import paths
from openglia.cli import main
from openglia.discovery.activity import FILE, alive
from openglia.presenting.objective import Objective
from openglia.report import data
from openglia.watching import display, state, words
from openglia.watching.curve import curve
from openglia.watching.state import Watcher, newest

RECORDED = paths.ROOT / "tests" / "runs" / "recordings" / "run_20261127_073742"
NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


def at(seconds):
    """A moment so long before now, as the file has it."""
    return (NOW - timedelta(seconds=seconds)).isoformat()


class Recorded:
    """A copy of a recorded run, put back into an earlier moment of its life."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def change(self, **values):
        path = self.path / "results.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    def unfinished(self, **values):
        ended = {"status": "running", "outcome": None, "final": None, "verification": None}
        self.change(**ended | values)

    def doing(self, *lines):
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (self.path / FILE).write_text(text)

    def look(self):
        return Watcher(self.path).look(NOW)


@pytest.fixture
def recorded(tmp_path):
    folder = tmp_path / "generated" / RECORDED.name
    shutil.copytree(RECORDED, folder)
    return Recorded(folder)


@pytest.fixture
def living(recorded):
    """The same, with a process that works on it."""
    with ExitStack() as stack:
        recorded.unfinished()
        stack.enter_context(alive(recorded.path))
        yield recorded


def shown(seen, width=80, **options):
    stream = io.StringIO()
    Console(file=stream, width=width).print(display.view(seen, width, **options))
    return stream.getvalue()


def test_a_finished_run(recorded):
    text = shown(recorded.look())
    assert text.splitlines()[:6] == [
        "run_20261127_073742  smoke  offline",
        "ended at a limit",
        "time         0:00:05 of 4:00:00",
        "evaluations  5 of 5",
        "last         5: 14.45 s, 1.000 of LLQ",
        "best         5: 14.45 s, 1.000 of LLQ",
    ]
    assert "now" not in text
    assert "the evaluations are used up (5)" in text


def test_what_the_agents_do(living):
    began = {"time": at(90), "doing": "began", "seconds": 30.0}
    living.doing(began)
    seen = living.look()
    assert (seen.phase, words.now(seen)) == ("discovery", "the agents start")
    assert words.time(seen) == "0:02:00 of 4:00:00"  # with that of an earlier process
    for line, told in (
        ({"doing": "thinks", "agent": "researcher"}, "the Researcher thinks, for 0:00:12"),
        ({"doing": "thinks", "agent": "supervisor"}, "the Supervisor reads, for 0:00:12"),
        (
            {"doing": "runs", "agent": "researcher", "what": "./run_all.sh --seeds 0-1"},
            "the Researcher runs, for 0:00:12: ./run_all.sh --seeds 0-1",
        ),
        (
            {"doing": "waits", "agent": "researcher", "what": "status 429", "seconds": 37},
            "the Researcher waits, 0:00:25 left: status 429",
        ),
        (
            {"doing": "waits", "agent": "researcher", "what": "status 500"},
            "the Researcher waits, for 0:00:12: status 500",
        ),
    ):
        living.doing(began, {"time": at(12), **line})
        assert f"now          {told}\n" in shown(living.look())


def test_phases(living):
    outcome = {"status": "limit", "reason": None}
    for values, phase in (
        ({"baselines": {}}, "measuring the baselines"),
        ({"baselines": {"llq": {}}}, "discovery"),
        ({"outcome": outcome}, "verification"),
        ({"status": "limit"}, "writing the report"),
    ):
        living.change(**values)
        assert living.look().phase == phase


def test_a_killed_run_says_how_to_go_on(recorded):
    recorded.unfinished()
    recorded.doing({"time": at(3), "doing": "thinks", "agent": "researcher"})
    seen = recorded.look()
    assert (seen.phase, seen.ended, words.now(seen)) == ("killed", True, None)
    text = " ".join(shown(seen, 200).split())
    assert f"openglia finish {recorded.path} completes the folder" in text


def test_tokens_and_money_with_their_limits(living):
    usage = {"researcher": {"calls": 2, "input_tokens": 12_000, "output_tokens": 510}}
    limits = {"max_tokens": 5_000_000, "max_cost": None}
    living.change(usage=usage, limits=limits)
    assert words.used(living.look()) == "12\u2009510 of 5\u2009000\u2009000 tokens, no price known"
    usage["researcher"] |= {"usd": 0.028, "priced_calls": 2}
    living.change(usage=usage, limits=limits | {"max_cost": 5.0})
    assert words.used(living.look()).endswith(" tokens, US$ 0.028 of US$ 5.00")
    living.change(usage=usage, limits={})
    assert words.used(living.look()) == "12\u2009510 tokens, US$ 0.028"


def test_what_agents_write_commands_no_terminal(living):
    hostile = "\x1b[2J\x1b]0;title\x07 rm\r\n\u202e"
    failed = {"status": "failed", "rule": "crash", "reason": hostile, "seeds": [0, 1]}
    with (living.path / "evaluations.jsonl").open("a") as stream:
        stream.write(json.dumps({"number": 6, "full": False, "result": failed}) + "\n")
    living.change(model=hostile)
    living.doing({"time": at(1), "doing": "runs", "agent": hostile, "what": hostile})
    seen = living.look()
    said = [shown(seen), words.line(seen, seen.entries[-1]), words.heartbeat(seen)]
    for text in said:
        assert all(letter.isprintable() or letter in "\n\u2009" for letter in text)
    assert "6 (seeds 0-1): failed, crash: " in said[1]
    assert "; 1 failed" in said[2]


def test_no_line_is_as_wide_as_the_terminal(living):
    living.doing({"time": at(1), "doing": "runs", "agent": "researcher", "what": "x" * 300})
    for width in (200, 80, 40, 12):
        lines = shown(living.look(), width).splitlines()
        assert max(map(len, lines)) < width
        assert len(lines) == 13  # none is wrapped
    text = shown(living.look(), 80, blocks=False)
    assert len(text.splitlines()) == 8 and text.isascii()


@pytest.mark.parametrize("name", ["results.json", "evaluations.jsonl", FILE])
@pytest.mark.parametrize("content", [None, b"", b'{"half', b"[1]\n7\n", b'{"time": 3}\n\xff\n'])
def test_a_damaged_folder_has_a_view(living, name, content):
    living.doing({"time": at(1), "doing": "runs", "agent": "researcher", "what": "true"})
    if content is None:
        (living.path / name).unlink()
    else:
        (living.path / name).write_bytes(content)
    assert living.path.name in shown(living.look())


def test_only_what_has_changed_is_read_again(living, monkeypatch):
    read, folders = data.read, []
    monkeypatch.setattr(state.data, "read", lambda folder: folders.append(folder) or read(folder))
    watcher = Watcher(living.path)
    watcher.look()
    watcher.look()
    assert len(folders) == 1
    living.doing({"time": at(1), "doing": "ended"})
    watcher.look()
    assert len(folders) == 2


def run_of(folder, *numbered):
    folder.mkdir()
    lines = [
        {"number": n, "full": True, "result": {"status": "ok", "mean_response_time": value}}
        for n, value in numbered
    ]
    (folder / "evaluations.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return data.read(folder)


def test_curve(tmp_path):
    run = run_of(tmp_path / "a", (1, 40.0), (2, 45.0), (3, 24.0), (4, 8.5), (6, 9.0))
    assert curve(run, 80) == [
        "40.0 ▕██    ",
        "     ▕██    ",
        "     ▕███   ",
        "8.50 ▕███▁▁▁",
        "      1    6",
    ]
    assert [line[6:] for line in curve(run, 9)] == ["█  ", "█  ", "█  ", "█▁▁", "1 6"]
    assert curve(run_of(tmp_path / "b"), 80) == []
    assert curve(run_of(tmp_path / "c", (1, 3.0)), 80)[3:] == ["3.00 ▕▁", "      1"]


def test_curve_of_what_is_to_rise(tmp_path, monkeypatch):
    run = run_of(tmp_path / "a", (1, 1.0), (2, 9.0))
    rising = Objective("mean_response_time", "height", "m", lower_is_better=False)
    monkeypatch.setattr(run.presentation, "objective", rising)
    run = data.read(tmp_path / "a", run.presentation)
    assert [line[-2:] for line in curve(run, 80, height=2)] == [" █", "▁█", " 2"]


def test_a_hopeless_beginning_does_not_squeeze_the_rest(recorded):
    lines = (recorded.path / "evaluations.jsonl").read_text().splitlines()
    first = json.loads(lines[0])
    first["result"]["mean_response_time"] = 900.0
    (recorded.path / "evaluations.jsonl").write_text("\n".join([json.dumps(first), *lines[1:]]))
    top = float(curve(data.read(recorded.path), 80)[0].split()[0])
    assert 14.5 < top < 20


def test_lines_where_there_is_no_display(living, monkeypatch):
    lines = (living.path / "evaluations.jsonl").read_text().splitlines(keepends=True)
    (living.path / "evaluations.jsonl").write_text("".join(lines[:3]))
    said, sleeps = [], []

    def sleep(seconds):
        sleeps.append(seconds)
        if len(sleeps) == 2:
            (living.path / "evaluations.jsonl").write_text("".join(lines))

    monkeypatch.setattr(display.time, "sleep", sleep)
    monkeypatch.setattr(display, "HEARTBEAT_SECONDS", 0.0)
    display.tell(Watcher(living.path), said.append, lambda _: len(sleeps) > 3)
    news = [line for line in said if line.startswith("evaluation ")]
    assert news == [
        "evaluation 4: 14.49 s, 1.002 of LLQ",
        "evaluation 5: 14.45 s, 1.000 of LLQ, the best so far",
    ]
    assert said[0].startswith("discovery; ")
    assert "evaluations 3 of 5, 2 left; best 2: 14.49 s, 1.002 of LLQ; the agents start" in said[0]


def test_newest(tmp_path, recorded):
    generated = recorded.path.parent
    assert newest(tmp_path / "absent") is None and newest(tmp_path) is None
    later = generated / "run_20261128_000000"
    (later / "candidates").mkdir(parents=True)
    (generated / "run_20270101_000000").mkdir()  # not a run's
    assert newest(generated) == later
    with alive(recorded.path):
        assert newest(generated) == recorded.path


def test_command(recorded, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(paths, "GENERATED", recorded.path.parent)
    for arguments in ([], [str(recorded.path)], ["--once"]):
        assert main(["watch", *arguments]) == 0
        assert "best         5: 14.45 s, 1.000 of LLQ" in capsys.readouterr().out
    recorded.unfinished()
    with alive(recorded.path):
        assert main(["watch", "--once"]) == 0
    assert "discovery" in capsys.readouterr().out
    monkeypatch.setattr(paths, "GENERATED", tmp_path / "absent")
    for wrong in ([], [str(tmp_path)], [str(tmp_path / "absent")]):
        assert main(["watch", *wrong]) == 2
        assert capsys.readouterr().err.startswith("openglia watch: ")
