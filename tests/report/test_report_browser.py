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

PLOTS = [
    f"plot-{name}"
    for name in ("routers", "seeds", "transfer", "progress", "response_times", "timeline")
]
COMPARED = ["plot-ratios", "plot-curves"]
# How far a box's content reaches beyond it, the widest of all.
BEYOND = """Math.max(...[...document.querySelectorAll('.scroll')]
  .map(e => e.scrollWidth - e.clientWidth))"""
OPEN_ALL = "document.querySelectorAll('details').forEach(fold => fold.open = true)"


@pytest.mark.usefixtures("simulated")
def test_pages_at_both_widths_and_in_both_schemes(folders):
    folder = folders.make()
    half = folders.root / "run_20260101_000000"
    (half / "candidates").mkdir(parents=True)
    pages = {report.write(folder, ROUTING): PLOTS, report.write(half, ROUTING): []}
    for day in range(1, 7):
        folders.make(f"run_2026020{day}_120000", seed=day, count=9)
    pages[report.write_index(folders.root)] = COMPARED
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
                    assert (seen["scripts"], seen["images"]) == (int(plots == COMPARED), 0), where
                    for plot in seen["plots"]:
                        assert plot["width"] > 0.8 * min(width, 1000) and plot["height"] > 200
                        assert plot["right"] <= width
                        assert plot["drawn"] > 20, f"{where}: {plot['name']} is empty"
                        assert plot["text"] >= 10, f"{where}: text of {plot['name']} is small"
                        inks.add((dark, plot["ink"]))
        assert len({ink for _, ink in inks}) == len(inks) == 2, "plots follow the colour scheme"
        assert page.problems == []


def test_index_fits_and_is_sorted_by_a_click(folders):
    """A failed run among them, with its reason in full width."""
    made = [folders.make(f"run_2026010{n}_120000", seed=n, count=4 + n) for n in (1, 2, 3, 4)]
    why = "model x: http://127.0.0.1:1/v1: Connection refused (nobody listens there: start it)"
    folders.change(made[1], status="failed", reason=why, final=None, verification=None)
    folders.change(made[0], model="openrouter.deepseek/deepseek-v3.2-exp")
    paired = {"ratio_held_out": 0.444, "ratio_interval": [0.414, 0.484]}
    folders.change(made[3], verification=paired)
    folders.change(made[2], verification={"overfitting": True, "no_gain": True})
    asyncio.run(_sort(report.write_index(folders.root), why))


async def _sort(path: Path, why: str) -> None:
    assert COMMAND is not None
    keys = """[...document.querySelectorAll('table.sortable tbody')].map(
      b => b.rows[0].cells[COLUMN].dataset.key)"""
    click = "document.querySelectorAll('.sortable thead button')[COLUMN].click()"
    async with browser.chromium(COMMAND) as page:
        for width in (1280, 400):
            await page.show(path, width)
            assert await page.evaluate(BEYOND) == 0, width
        reasons = "[...document.querySelectorAll('.why')].map(e => e.innerText)"
        assert await page.evaluate(reasons) == [why]
        names = await page.evaluate(keys.replace("COLUMN", "0"))
        assert names == sorted(names, reverse=True)
        for column in ("3", "6"):
            rising, falling = [], []
            for found in (rising, falling):
                await page.evaluate(click.replace("COLUMN", column))
                found += await page.evaluate(keys.replace("COLUMN", column))
            known = [key for key in rising if key]
            assert known == sorted(known, key=float) and len(set(known)) > 2
            assert falling == known[::-1] + [key for key in rising if not key]
            # A run's reason goes where the run goes.
            below = "document.querySelector('.why').previousElementSibling.innerText"
            assert "run_20260102_120000" in await page.evaluate(below)
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
