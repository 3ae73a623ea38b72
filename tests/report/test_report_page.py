"""The page: whole, escaped, and never without a word where something is missing."""

import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markupsafe import escape

from openglia import report
from openglia.commands import report as command
from openglia.errors import UsageError
from openglia.presenting import drawing
from openglia.presenting.objective import Objective
from openglia.presenting.presentation import Presentation
from openglia.presenting.score import Keys
from openglia.problems.routing.presentation import PRESENTATION
from openglia.report import comparing, data, plots, rendering, verdict
from openglia.runs import solution
from openglia.runs.folder import RunFolder
from openglia.runs.results import load

ROUTING = PRESENTATION
HOSTILE = "</script></style></pre><script>alert(1)</script><img src=x onerror=alert(1)>"
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Reader(HTMLParser):
    """Notes elements, attributes and whether every element is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.faults: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.names.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")


def assert_sound(text: str, *scripts: str) -> Reader:
    """Well nested, without handlers, scripts besides ours, or anything loaded from elsewhere."""
    for name in scripts:
        ours = rendering.script(name)
        assert f"script-src '{ours.hash}';" in text
        text = text.replace(f"<script>{ours.source}</script>", "", 1)
    if not scripts:
        assert "script-src" not in text
    reader = Reader(text)
    assert not reader.faults and not reader.open
    assert not reader.names & {"script", "img", "iframe", "object", "embed", "form", "base"}
    assert [name for name, _ in reader.attributes if name.startswith("on")] == []
    loads = [v for n, v in reader.attributes if n in ("src", "href", "xlink:href", "action")]
    assert [v for v in loads if v.lower().lstrip().startswith(("javascript:", "data:text"))] == []
    return reader


def test_report_of_a_whole_run(folders, simulated):
    folder = folders.make()
    path = report.write(folder, ROUTING)
    text = path.read_text()
    assert path == folder / "report.html"
    assert_sound(text)
    assert "Not drawn" not in text
    assert "Missing in this folder" not in text
    # One set of figures in the page, recomputed here from the folder.
    results = json.loads((folder / "results.json").read_text())
    final = results["final"]["held_out"]["mean_response_time"]
    llq = results["baselines"]["llq"]["held_out"]["mean_response_time"]
    assert f"{final:.1f} s" in text
    assert f"{final / llq:.3f}" in text
    assert f"by {1 - final / llq:.0%} against LLQ on seeds it had never seen" in text
    assert "Elsewhere the gain holds on paper-tight (0.378), turns on stale-signals" in text
    assert "It took 11 s of the 40 s that it may take." in text
    images = {image.name: image.read_bytes() for image in (folder / "plots").glob("*.png")}
    assert sorted(images) == [
        "progress.png", "response_times.png", "routers.png", "seeds.png", "timeline.png",
        "transfer.png",
    ]  # fmt: skip
    assert all(image.startswith(b"\x89PNG") for image in images.values())
    # Drawn again, it is the same to the byte.
    again = plots.pairs(data.read(folder, ROUTING))
    assert drawing.inline_svg(again) in text
    assert drawing.png(again) == images["seeds.png"]


def test_hostile_text_stays_text(folders, simulated):
    folder = folders.make(count=12)
    value = json.loads((folder / "results.json").read_text())
    hostile = json.loads(json.dumps(value), object_hook=_poison)
    hostile["warnings"] = [HOSTILE, {"a": HOSTILE}]
    hostile["baselines"][HOSTILE] = value["baselines"]["lor"]
    hostile["versions"] = {HOSTILE: HOSTILE}
    (folder / "results.json").write_text(json.dumps(hostile))
    (folder / "final_scheduler.py").write_text(f'"""{HOSTILE}"""\n# {HOSTILE}\n')
    (folder / "solution.md").write_text(
        f"# {HOSTILE}\n\n{HOSTILE}\n\n```{HOSTILE}\n{HOSTILE}\n```\n\n"
        "[a](javascript:alert(1)) ![b](http://example.com/b.png)\n\n<style>*{display:none}</style>"
    )
    line = {"number": 1, "candidate": HOSTILE, "full": True,
            "result": {"status": "failed", "rule": HOSTILE, "reason": HOSTILE}}  # fmt: skip
    (folder / "evaluations.jsonl").write_text(json.dumps(line) + "\n")
    talk = {"messages": [
        {"role": HOSTILE, "content": [{"type": "text", "text": HOSTILE}]},
        {"role": "assistant", "content": [], "tool_calls": {HOSTILE: {"params": {
            "name": HOSTILE, "arguments": {"command": HOSTILE, HOSTILE: HOSTILE}}}}},
        {"role": "user", "content": [], "tool_results": {HOSTILE: {
            "content": [{"type": "text", "text": HOSTILE}], "isError": True}}},
    ]}  # fmt: skip
    (folder / "researcher.json").write_text(json.dumps(talk))
    (folder / "supervisor.md").write_text(HOSTILE)
    assert_sound(report.write(folder, ROUTING).read_text())
    assert_sound(report.write_index(folder.parent).read_text(), "sorting.js")


def test_templates_know_no_way_around_the_escaping():
    templates = [path.read_text() for path in Path(rendering.__file__).parent.rglob("*.html")]
    assert len(templates) >= 5
    assert not [text for text in templates if re.search(r"\|\s*safe|autoescape", text)]


class Sorting(Presentation):
    """Another problem's presentation."""

    title = "Sorter"
    yardstick = "bubble"
    yardstick_label = "bubble sort"
    objective = Objective("comparisons", "number of comparisons", "k")
    keys = Keys(value="comparisons", cases="seeds", by_case="per_seed", ratio="ratio_to_bubble")
    final_name = "final_scheduler.py"
    columns = (("Swaps", lambda e: f"{e['p50']:.3f} swaps"),)
    legend = "Counted, not timed."

    def plots(self, run):
        return [drawing.Absent("swaps", "Swaps", f"{run.folder.name} made none")]


def test_another_problem_is_shown_in_its_own_words(folders, undrawn):
    folder = folders.make(count=12)
    for name in ("results.json", "evaluations.jsonl"):
        text = (folder / name).read_text().replace("mean_response_time", "comparisons")
        (folder / name).write_text(text.replace("llq", "bubble"))
    for name in ("researcher.json", "supervisor.md", "solution.md", "final_scheduler.py"):
        (folder / name).write_text("")
    results = json.loads((folder / "results.json").read_text())
    text, index = report.write(folder, Sorting()), report.write_index(folder.parent, Sorting())
    for page in (text, index):
        shown = html.unescape(page.read_text())
        assert not re.findall(r"(?i)llq|ttft|response time|\bKV\b|requests|routing", shown)
        for group in ("evaluation", "held_out"):
            final, other = (
                value[group]["comparisons"]
                for value in (results["final"], results["baselines"]["bubble"])
            )
            assert f"{final / other:.3f}" in shown
    shown = text.read_text()
    assert "The discovered sorter lowers the number of comparisons by" in shown
    assert f"{results['final']['held_out']['p50']:.3f} swaps" in shown
    assert "Counted, not timed." in shown
    assert f"Not drawn: {folder.name} made none." in shown


def _poison(value):
    return {k: HOSTILE if isinstance(v, str) and k != "status" else v for k, v in value.items()}


@pytest.mark.parametrize("name", ["results.json", "evaluations.jsonl", "final_scheduler.py"])
def test_missing_file_is_said(folders, simulated, undrawn, name):
    folder = folders.make(count=5)
    (folder / name).unlink()
    text = report.write(folder, ROUTING).read_text()
    assert_sound(text)
    assert f"<li>{name}: " in text


def test_damaged_files_and_null_fields_give_a_page(folders, undrawn):
    folder = folders.make(count=5)
    whole = (folder / "results.json").read_text()
    (folder / "researcher.json").write_text('{"messages": [1, null, {"role": 3, "content": "x"}')
    (folder / "evaluations.jsonl").write_text('{"number": 1, "result": null}\nnot json\n[1]\n7\n')
    values = json.loads(whole)
    for broken in (
        whole[:300],
        "[]",
        "{}",
        json.dumps(dict.fromkeys(values)),
        json.dumps({key: [] for key in values}),
        json.dumps(dict.fromkeys(values, "text")),
        json.dumps({key: {"held_out": {"mean_response_time": "fast"}} for key in values}),
    ):
        (folder / "results.json").write_text(broken)
        text = report.write(folder, ROUTING).read_text()
        assert_sound(text)
        assert text.count("Not drawn") >= 3
        assert "NaN" not in text and ">nan" not in text
        assert_sound(report.write_index(folder.parent).read_text(), "sorting.js")


def test_nearly_empty_folder_gives_a_page(tmp_path):
    folder = tmp_path / "run_20260101_000000"
    (folder / "candidates").mkdir(parents=True)
    text = report.write(folder, ROUTING).read_text()
    assert_sound(text)
    assert text.count("Not drawn") == 5
    assert "unfinished" in text


def test_failed_run_says_why(folders, simulated, undrawn):
    folder = folders.make(count=5)
    folders.change(folder, status="failed", reason="answered 529", final=None, verification=None)
    text = report.write(folder, ROUTING).read_text()
    assert "answered 529" in text
    assert "No router was verified against LLQ" in text


def test_flags_are_shown(folders, undrawn):
    folder = folders.make(count=5)
    verification = {
        "gain_evaluation": 0.5, "gain_held_out": 0.1, "overfitting": True, "no_gain": True,
        "deterministic": False,
    }  # fmt: skip
    folders.change(folder, verification=verification, integrity={"ok": False, "checks": []})
    words = [flag.word for flag in verdict.flags(data.read(folder, ROUTING))]
    assert words == ["no gain shown", "overfitting", "not deterministic", "integrity"]
    text = report.write(folder, ROUTING).read_text()
    assert "(10.0 % against 50.0 %)" in text
    assert all(word in report.write_index(folder.parent).read_text() for word in words)


def test_paired_ratio_is_the_headline_and_what_got_worse_is_named(folders, simulated, undrawn):
    folder = folders.make(count=5)
    results = json.loads((folder / "results.json").read_text())
    lines = [
        "p99 got worse: 441 s against LLQ's 334 s (ratio 1.32, 1.10 to 1.58)",
        "TTFT is higher, within noise: 5 s against LLQ's 4 s (ratio 1.05, 0.90 to 1.20)",
    ]
    # A run of an earlier version is still told as it was.
    assert "of LLQ's seed by seed" not in html.unescape(report.write(folder, ROUTING).read_text())
    paired = {
        "ratio_held_out": 0.444, "ratio_interval": [0.41, 0.48], "ratio_seeds": 10,
        "repeat_reason": None, "worse": [
            {"figure": "p99", "clear": True, "line": lines[0]},
            {"figure": "ttft_mean", "clear": False, "line": lines[1]},
            {"figure": "p50", "clear": "<", "ratio": None}, 7,
        ],
    }  # fmt: skip
    folders.change(folder, verification=results["verification"] | paired, outcome=None, account="")
    text = report.write(folder, ROUTING).read_text()
    assert_sound(text)
    assert "mean response time is 0.444 of LLQ" in text
    assert "(90 % interval 0.410 to 0.480)" in text
    assert all(str(escape(line)) in text for line in lines)
    index = report.write_index(folder.parent).read_text()
    assert "p99 worse" in index
    assert "is 0.4" in index  # a figure that is worse is no reason to doubt the mean
    paired["worse"] = paired["worse"][:2]
    folders.change(folder, verification=results["verification"] | paired)
    told = solution.render(RunFolder(folder), load(RunFolder(folder)), ROUTING)
    assert "is 0.444 (90 % interval 0.410 to 0.480, 10 seeds) of LLQ's" in told
    assert all(f"- {line}\n" in told for line in lines)


def test_worse_router_is_not_praised(folders):
    folder = folders.make(count=5)
    folders.change(folder, verification={"gain_evaluation": 0.2, "gain_held_out": -0.05})
    assert verdict.headline(data.read(folder, ROUTING)) == (
        "The discovered router raises the mean response time by 5% against LLQ on seeds it had "
        "never seen (20% lower on the evaluation seeds)."
    )


def test_lines_for_the_solution_name_existing_images(folders, simulated, undrawn):
    folder = folders.make(count=5)
    lines = report.draw_plots(folder, ROUTING)
    images = [line.partition("](")[2].rstrip(")") for line in lines if line.startswith("![")]
    assert len(images) == 6
    assert all((folder / image).read_bytes().startswith(b"\x89PNG") for image in images)


def test_image_of_an_earlier_report_does_not_stay(folders, simulated, undrawn):
    folder = folders.make(count=5)
    report.draw_plots(folder, ROUTING)
    (folder / "evaluations.jsonl").unlink()
    report.draw_plots(folder, ROUTING)
    assert not (folder / "plots" / "progress.png").exists()


def test_index_compares_runs(folders, simulated, undrawn):
    first, second = folders.make(count=5), folders.make("run_20260109_101010", seed=3, count=5)
    report.write(first, ROUTING)
    folders.change(second, integrity={"ok": False})
    text = report.write_index(folders.root).read_text()
    assert_sound(text, "sorting.js")
    assert 'href="run_20260108_143022/report.html"' in text
    assert "run_20260109_101010/report.html" not in text  # not written: no dead link
    ratios = [
        verdict.ratio_to_yardstick(data.read(f, ROUTING), "held_out") for f in (first, second)
    ]
    assert all(f"{ratio:.3f}" in text for ratio in ratios)
    assert f"is {ratios[0]:.3f}, by run_20260108_143022" in text


def test_settings_are_told_apart_and_ratios_carry_their_interval(folders, undrawn):
    names = [f"run_2026010{n}_120000" for n in (1, 2, 3, 4)]
    first, second, third, fourth = (folders.make(n, seed=s, count=6) for s, n in enumerate(names))
    results = json.loads((second / "results.json").read_text())
    paired = {"ratio_held_out": 0.444, "ratio_interval": [0.41, 0.48]}
    folders.change(second, verification=results["verification"] | paired)
    folders.change(third, benchmark=results["benchmark"] | {"name": "code", "hash": "ab" * 6})
    folders.change(fourth, benchmark=results["benchmark"] | {"hash": "cd" * 6}, status="failed")
    runs = [data.read(folder) for folder in (first, second, third, fourth)]
    found = comparing.settings(runs)
    assert [(s.name, [run.name for run in s.runs]) for s in found] == [
        ("code", names[2:3]), ("paper (01234567)", names[1::-1]), ("paper (cdcdcdcd)", names[3:]),
    ]  # fmt: skip
    assert comparing.held_out(runs[1]) == comparing.Ratio(0.444, (0.41, 0.48))
    best = comparing.best(found[1])
    assert best is not None and best[0].name == names[1] and best[1] == 0.444
    drawn = comparing.ratios(found), comparing.curves(found)
    assert f"On paper (01234567): {names[1]} 0.444 (0.410 to 0.480), {names[0]} " in drawn[0].alt
    assert "On code the best of 1 is " in drawn[1].alt
    assert all(len(drawing.png(plot)) > 10_000 for plot in drawn)
    text = report.write_index(folders.root).read_text()
    assert "0.444 on paper (01234567), by run_20260102_120000; " in text


def test_index_of_runs_without_a_figure_says_so(folders, undrawn):
    folder = folders.make(count=5)
    (folder / "evaluations.jsonl").unlink()
    folders.change(folder, status="failed", reason=HOSTILE, final=None, baselines={}, stub=None)
    text = report.write_index(folders.root).read_text()
    assert_sound(text, "sorting.js")
    assert text.count("Not drawn: no run ") == 2
    assert str(escape(HOSTILE)) in text.partition('class="why"')[2]


def test_cost_is_shown_with_its_table(folders, simulated, undrawn):
    folder = folders.make(count=5)
    usage = json.loads((folder / "results.json").read_text())["usage"]
    assert "the price of model offline is not known." in report.write(folder).read_text()
    for agent, usd in (("researcher", 3.25), ("supervisor", 0.5)):
        usage[agent] |= {"usd": usd, "priced_calls": usage[agent]["calls"]}
    folders.change(folder, usage=usage, prices="genai-prices 9.9", model="sonnet")
    text = report.write(folder).read_text()
    assert_sound(text)
    assert "US$ 3.75 for 1\u2009380\u2009055 tokens in 67 calls (researcher US$ 3.25," in text
    assert "list prices of genai-prices 9.9." in text
    assert "tokens, US$ 3.75</dd>" in text
    index = report.write_index(folders.root).read_text()
    assert 'data-key="3.75">US$ 3.75<span class="below">1\u2009380\u2009055 tokens' in index
    told = solution.render(RunFolder(folder), load(RunFolder(folder)), ROUTING)
    assert "Model: `sonnet`: US$ 3.75 for " in told


def test_command(folders, simulated, undrawn, capsys, tmp_path):
    folder = folders.make(count=5)
    for argument, made in ((folder, "report.html"), (folders.root, "index.html")):
        assert command.run(type("Arguments", (), {"folder": argument})) == 0
        assert capsys.readouterr().out.strip() == str(argument / made)
    empty = tmp_path / "empty"
    empty.mkdir()
    for wrong in (empty, tmp_path / "absent"):
        with pytest.raises(UsageError):
            command.run(type("Arguments", (), {"folder": wrong}))


def test_prose_keeps_headings_below_the_page_s():
    assert rendering.markdown("# a\n\n###### b", 4) == "<h4>a</h4>\n<h6>b</h6>\n"


def test_best_so_far_counts_full_evaluations_only(tmp_path: Path):
    lines = [
        {"number": n, "full": full, "result": {"status": status, "mean_response_time": mean}}
        for n, full, status, mean in (
            (1, True, "ok", 50.0), (2, False, "ok", 5.0), (3, True, "failed", 1.0),
            (4, True, "ok", 60.0), (5, True, "ok", 40.0),
        )
    ]  # fmt: skip
    (tmp_path / "evaluations.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
    assert data.read(tmp_path, ROUTING).best_so_far() == [(1, 50.0), (5, 40.0)]
