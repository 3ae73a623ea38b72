"""The pages in a real browser: every plot drawn, nothing wider than the page, no errors."""

import asyncio
import sys
from pathlib import Path

import pytest

from openglia import report
from openglia.problems.routing.presentation import PRESENTATION

sys.path.insert(0, str(Path(__file__).parent))
import browser

ROUTING = PRESENTATION
COMMAND = browser.find()
pytestmark = pytest.mark.skipif(COMMAND is None, reason="no Chromium or Chrome on this machine")

PLOTS = ["plot-routers", "plot-seeds", "plot-progress", "plot-response_times", "plot-timeline"]
OPEN_ALL = "document.querySelectorAll('details').forEach(fold => fold.open = true)"


@pytest.mark.usefixtures("simulated")
def test_pages_at_both_widths_and_in_both_schemes(folders):
    folder = folders.make()
    half = folders.root / "run_20260101_000000"
    (half / "candidates").mkdir(parents=True)
    pages = {report.write(folder, ROUTING): PLOTS, report.write(half, ROUTING): []}
    pages[report.write_index(folders.root)] = []
    asyncio.run(_look(pages))


async def _look(pages: dict[Path, list[str]]) -> None:
    assert COMMAND is not None
    async with browser.chromium(COMMAND) as page:
        inks = set()
        for path, plots in pages.items():
            for width, dark in ((1280, False), (400, False), (400, True), (1280, True)):
                closed = await page.show(path, width, dark=dark)
                await page.evaluate(OPEN_ALL)
                for seen in (closed, await page.evaluate(browser.MEASURE)):
                    where = f"{path.parent.name}/{path.name} at {width}"
                    assert seen["width"] <= width == seen["inner"], where
                    assert seen["outside"] == [], where
                    assert [plot["name"] for plot in seen["plots"]] == plots, where
                    assert seen["ids"] == 0, f"{where}: an id is used twice"
                    assert seen["scripts"] == seen["images"] == 0, where
                    for plot in seen["plots"]:
                        assert plot["width"] > 0.8 * min(width, 1000) and plot["height"] > 200
                        assert plot["right"] <= width
                        assert plot["drawn"] > 20, f"{where}: {plot['name']} is empty"
                        assert plot["text"] >= 10, f"{where}: text of {plot['name']} is small"
                        inks.add((dark, plot["ink"]))
        assert len({ink for _, ink in inks}) == len(inks) == 2, "plots follow the colour scheme"
        assert page.problems == []


def test_the_measure_can_fail(tmp_path):
    """A page with each fault is found out."""
    path = tmp_path / "bad.html"
    path.write_text(
        "<!DOCTYPE html><meta charset=utf-8><div style='width:3000px'>wide</div>"
        "<script>throw new Error('bad')</script><img src='http://127.0.0.1:9/x.png'>"
    )

    async def look() -> None:
        assert COMMAND is not None
        async with browser.chromium(COMMAND) as page:
            seen = await page.show(path, 1280)
            assert seen["width"] > 1280
            assert seen["outside"]
            assert any("exception" in problem for problem in page.problems)
            assert any("request" in problem for problem in page.problems)

    asyncio.run(look())
