"""The page of a run that goes on: how it stands, and that it loads itself again until the end."""

import asyncio
import html
import re
import sys
from pathlib import Path

import pytest

from openglia import report
from openglia.commands import report as command
from openglia.discovery.activity import alive
from openglia.problems.routing.presentation import PRESENTATION as ROUTING
from openglia.report import data
from tests.report.test_report_page import assert_sound

sys.path.insert(0, str(Path(__file__).parent))
import browser

COMMAND = browser.find()
FAR = 'data-refresh="15"'


def words(page: Path) -> str:
    return html.unescape(re.sub("<[^>]+>", "", page.read_text()))


@pytest.mark.usefixtures("undrawn")
def test_it_shows_the_best_so_far_and_misses_nothing(folders, monkeypatch):
    folder = folders.begun(folders.make(count=20))

    def plots(*_):
        raise AssertionError("measures beside the run")

    monkeypatch.setattr(type(ROUTING), "plots", plots)
    page = report.write(folder, ROUTING, alive=True)
    text = words(page)
    best = data.read(folder, ROUTING).leader
    value = f"{best.score.value:.1f} s"
    ratio = f"{best.score.ratio:.3f}"
    assert f"So far the best router's mean response time is {value}, {ratio} of LLQ's" in text
    assert f"The best router so far, evaluation {best.number}" in text
    assert f"# candidate {best.number}" in text
    assert "Run under way." in text
    tile = re.search(r"<dt>Evaluations</dt><dd[^>]*>(\d+)<", page.read_text())
    assert tile and tile[1] == "20"
    assert "Missing in this folder" not in text
    assert "unfinished" not in text
    assert FAR in page.read_text()
    assert_sound(page.read_text(), "refreshing.js")


@pytest.mark.usefixtures("undrawn")
def test_nothing_is_found_before_the_first_full_evaluation(folders):
    folder = folders.begun(folders.make(count=2))
    (folder / "evaluations.jsonl").write_text("")
    text = words(report.write(folder, ROUTING, alive=True))
    assert "Nothing is found yet." in text
    assert "nothing was evaluated" in text


@pytest.mark.usefixtures("undrawn", "simulated")
@pytest.mark.parametrize("status", ["completed", "failed", "interrupted", "limit"])
def test_it_loads_itself_no_more_once_the_run_has_ended(folders, status):
    folder = folders.make(count=4)
    folders.change(folder, status=status)
    text = report.write(folder, ROUTING, alive=True).read_text()
    assert "data-refresh" not in text
    assert 'http-equiv="refresh"' not in text
    assert_sound(text)


@pytest.mark.usefixtures("undrawn")
def test_by_hand_it_is_known_whether_the_run_lives(folders, capsys):
    folder = folders.begun(folders.make(count=4))
    other = folders.begun(folders.make("run_20260109_090000", count=4))
    with alive(folder):
        assert command.run(_arguments(folder)) == 0
        assert FAR in (folder / "report.html").read_text()
        assert command.run(_arguments(folders.root)) == 0
        rows = re.findall(r"<tbody>(.*?)</tbody>", (folders.root / "index.html").read_text(), re.S)
    assert [("under way" in row, "unfinished" in row) for row in rows] == [
        (other.name not in row, other.name in row) for row in rows
    ]
    assert command.run(_arguments(folder)) == 0  # killed
    text = (folder / "report.html").read_text()
    assert FAR not in text
    assert "The best router so far" in text
    assert "There is no final_scheduler.py." in text
    capsys.readouterr()


def _arguments(folder: Path):
    import argparse

    return argparse.Namespace(folder=folder)


@pytest.mark.skipif(COMMAND is None, reason="no Chromium or Chrome on this machine")
def test_a_browser_loads_it_again_and_stays_where_the_reader_was(folders):
    folder = folders.begun(folders.make(count=20))
    asyncio.run(_read(folder, report.write(folder, ROUTING, images=False, alive=True), folders))


async def _read(folder: Path, path: Path, folders) -> None:
    assert COMMAND is not None
    soon = path.read_text().replace(FAR, 'data-refresh="0.3"')
    path.write_text(soon)
    where = """(() => ({ y: scrollY, marked: window.marked === true,
      said: document.readyState === 'complete'
        && document.body.innerText.includes('a later page'),
      open: [...document.querySelectorAll('details')].map(fold => fold.open) }))()"""
    async with browser.chromium(COMMAND) as page:
        seen = await page.show(path, 1280)
        assert seen["outside"] == []
        assert seen["scripts"] == 1
        move = """window.marked = true;
          document.querySelectorAll('details')[1].open = true;
          scrollTo(0, 1234);"""
        await page.evaluate(move)
        assert (await page.evaluate(where))["y"] == 1234
        path.write_text(soon.replace("Run under way.", "Run under way, a later page."))
        after = await _until(page, where, lambda seen: seen["said"])
        assert (after["y"], after["marked"]) == (1234, False)
        assert [place for place, opened in enumerate(after["open"]) if opened] == [1]
        # What is marked stays: nothing is loaded meanwhile.
        await page.evaluate("window.marked = true; getSelection().selectAllChildren(document.body)")
        await asyncio.sleep(1)
        assert (await page.evaluate(where))["marked"] is True
        # The last page ends it.
        folders.change(folder, status="completed")
        report.write(folder, ROUTING, images=False)
        await page.evaluate("getSelection().removeAllRanges()")
        await _until(page, "document.scripts.length", lambda scripts: scripts == 0)
        await page.evaluate("window.marked = true")
        await asyncio.sleep(1)
        assert await page.evaluate("window.marked") is True
        assert page.problems == []


async def _until(page, expression: str, holds) -> object:
    for _ in range(100):
        try:
            if holds(seen := await page.evaluate(expression)):
                return seen
        except AssertionError:  # the page goes away just now
            pass
        await asyncio.sleep(0.1)
    raise AssertionError(f"never: {seen}")
