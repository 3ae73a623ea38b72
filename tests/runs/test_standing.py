"""The page while a run goes on: there from the first evaluation, anew at each best, never late."""

import re
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from openglia.runs import standing
from openglia.runs.folder import RunFolder
from openglia.runs.standing import Standing
from tests.runs.conftest import PATIENCE
from tests.runs.test_runs_whole import wait_for


def until(holds, what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"{what} never came"
        time.sleep(0.05)


def test_a_run_has_a_page_from_its_first_evaluation_and_the_last_one_is_whole(project):
    process = project.start("scripted.py", "evaluate=good", "hang", DRAWN="1")
    output = wait_for(process, "step hang")
    (run,) = project.runs()
    page = run / "report.html"
    until(page.exists, "the page")
    text = page.read_text()
    assert "Run under way." in text
    assert "The best point so far, evaluation 1" in text
    assert "data-refresh" in text
    assert not list((run / "plots").glob("*"))  # a glance needs no images
    process.send_signal(signal.SIGINT)
    output += process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 130, output
    text = page.read_text()
    assert "data-refresh" not in text
    assert "interrupted" in text
    assert not list(run.glob(".report*"))


def test_the_page_of_a_killed_run_is_left_to_who_finishes_it(project):
    """A writer that outlived its run would put its page over the last one."""
    process = project.start("scripted.py", "evaluate=good", "hang", DRAWN="1")
    wait_for(process, "step hang")
    (run,) = project.runs()
    until(lambda: writers(run), "the writer")
    process.kill()
    process.communicate(timeout=PATIENCE)
    until(lambda: not writers(run), "the writer's end")
    assert not (run / "report.html").exists()


def writers(run) -> list[str]:
    """The processes that write the run's page."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if b"openglia.report" in words and str(run).encode() in words:
                found.append(path.parent.name)
    return found


class Best:
    """Stands in for the record: which evaluation is the best."""

    def __init__(self) -> None:
        self.number = 1

    def best(self):
        return self if self.number else None


@pytest.fixture
def writes(monkeypatch, tmp_path):
    """What writes pages is a process that notes when it began, and lingers."""
    noted = tmp_path / "noted"
    script = tmp_path / "writer"
    script.write_text(f'#!/bin/sh\necho now >>"{noted}"\necho half >"$3/.report.html.abcdefgh"\n')
    script.chmod(0o755)
    monkeypatch.setattr(standing.sys, "executable", str(script))
    return lambda: noted.read_text().count("now") if noted.exists() else 0


def test_one_page_for_a_best_and_those_that_come_soon_wait(monkeypatch, tmp_path, writes):
    monkeypatch.setattr(standing, "AT_MOST_EVERY", 0.4)
    best = Best()
    with Standing(RunFolder(tmp_path), best) as page:
        page.evaluated()
        until(lambda: writes() == 1, "the first page")
        for _ in range(5):
            page.evaluated()  # no better: nothing to show
        for number in (2, 3, 4):  # soon after another: one page for all
            best.number = number
            page.evaluated()
        until(lambda: writes() == 2, "the page of the later best")
        time.sleep(0.8)
        assert writes() == 2
        monkeypatch.setattr(standing, "STALE", 0.4)
        page.evaluated()  # no better, but the page is old
        until(lambda: writes() == 3, "a page that is not stale")
    assert not list(tmp_path.glob(".report*"))


def test_a_page_under_way_ends_with_the_run(monkeypatch, tmp_path):
    script = tmp_path / "writer"
    script.write_text('#!/bin/sh\necho half >"$3/.report.html.abcdefgh"\nexec sleep 600\n')
    script.chmod(0o755)
    monkeypatch.setattr(standing.sys, "executable", str(script))
    half = tmp_path / ".report.html.abcdefgh"
    with Standing(RunFolder(tmp_path), Best()) as page:
        page.evaluated()
        until(half.exists, "the half page")
    assert not half.exists()


def test_a_writer_that_cannot_be_started_costs_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(standing.sys, "executable", str(tmp_path / "nothing"))
    with Standing(RunFolder(tmp_path), Best()) as page:
        page.evaluated()
    assert not re.findall("report", " ".join(path.name for path in tmp_path.iterdir()))
