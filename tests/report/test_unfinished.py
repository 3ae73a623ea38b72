"""A page for every shape of an unfinished run: it is needed most when something went wrong."""

import json

import pytest

from openglia import report
from openglia.problems.routing.presentation import PRESENTATION
from openglia.report import conversation
from openglia.runs import solution
from openglia.runs.folder import RunFolder
from openglia.runs.results import load

ROUTING = PRESENTATION
EMPTY_HISTORY = json.dumps({"messages": []})


def silent(folders, folder, *agents):
    for agent in agents:
        (folder / f"{agent}.json").write_text(EMPTY_HISTORY)
        (folder / f"{agent}.md").write_text("")


def nothing_said(folders, folder):
    silent(folders, folder, "researcher", "supervisor")


def the_supervisor_silent(folders, folder):
    silent(folders, folder, "supervisor")


def nothing_evaluated(folders, folder):
    nothing_said(folders, folder)
    (folder / "evaluations.jsonl").write_text("")
    counts = dict.fromkeys(("total", "clean", "failed", "full"), 0)
    folders.change(
        folder, status="failed", evaluations=counts, final=None, verification=None, integrity=None
    )


def killed_before_the_baselines(folders, folder):
    nothing_evaluated(folders, folder)
    (folder / "evaluations.jsonl").unlink()
    for agent in ("researcher", "supervisor"):
        (folder / f"{agent}.json").unlink()
        (folder / f"{agent}.md").unlink()
    folders.change(
        folder, status="running", outcome=None, baselines={}, stub=None, execution_times=None,
        usage={}, timings={}, ended=None,
    )  # fmt: skip


def killed_in_the_discovery(folders, folder):
    lines = (folder / "evaluations.jsonl").read_text()
    (folder / "evaluations.jsonl").write_text(lines[: len(lines) // 2])  # half a line at its end
    (folder / "researcher.json").write_text('{"messages": [{"role": "us')
    folders.change(folder, status="running", outcome=None, final=None, verification=None,
                   integrity=None, ended=None)  # fmt: skip


def killed_in_the_verification(folders, folder):
    folders.change(folder, status="running", verification=None, integrity=None, ended=None)


def only_failures(folders, folder):
    failed = {"status": "failed", "rule": "crash", "reason": "as planted", "seeds": [0]}
    lines = []
    for line in (folder / "evaluations.jsonl").read_text().splitlines():
        record = json.loads(line)
        record["result"] = failed
        lines.append(json.dumps(record))
    (folder / "evaluations.jsonl").write_text("\n".join(lines) + "\n")
    folders.change(folder, status="failed", final=None, verification=None)


def killed_in_the_account(folders, folder):
    """All is measured; what people read is not written, or half."""
    (folder / "solution.md").write_text("# Solu")
    (folder / "plots").mkdir()
    (folder / "plots" / ".routers.png.abcdefgh").write_bytes(b"\x89PN")


def killed_before_the_account(folders, folder):
    (folder / "solution.md").unlink()
    folders.change(folder, status="running", ended=None)


def histories_missing(folders, folder):
    (folder / "researcher.json").unlink()
    (folder / "supervisor.md").unlink()


def histories_of_another_form(folders, folder):
    (folder / "researcher.json").write_text('{"messages": {"role": "user"}}')
    (folder / "supervisor.json").write_text('{"messages": [null, {"tool_calls": []}, {"role": 3}]}')


def histories_that_are_no_text(folders, folder):
    (folder / "researcher.json").write_bytes(b"\xff\xfe\x00" * 9)
    (folder / "supervisor.json").mkdir()


def deeply_nested_history(folders, folder):
    for name in ("researcher.json", "evaluations.jsonl"):
        (folder / name).write_text("[" * 100_000)


def the_record_half_written(folders, folder):
    (folder / "evaluations.jsonl").write_text('{"number": 1, "resul')


SHAPES = (
    killed_in_the_account,
    killed_before_the_account,
    histories_missing,
    histories_of_another_form,
    histories_that_are_no_text,
    deeply_nested_history,
    the_record_half_written,
    nothing_said,
    the_supervisor_silent,
    nothing_evaluated,
    killed_before_the_baselines,
    killed_in_the_discovery,
    killed_in_the_verification,
    only_failures,
)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_every_shape_of_a_run_has_a_page_and_a_row(folders, simulated, undrawn, shape):
    folder = folders.make(count=6)
    shape(folders, folder)
    text = report.write(folder, ROUTING).read_text()
    assert folder.name in text
    assert text.rstrip().endswith("</html>")
    index = report.write_index(folder.parent).read_text()
    assert folder.name in index
    told = solution.render(RunFolder(folder), load(RunFolder(folder)), ROUTING)
    assert told.startswith(f"# Router discovered in {folder.name}")
    assert "## How to reproduce it" in told


def test_results_that_are_half_written_have_a_page(folders, simulated, undrawn):
    folder = folders.make(count=2)
    whole = (folder / "results.json").read_text()
    for size in (0, 1, len(whole) // 2, len(whole) - 1):
        (folder / "results.json").write_text(whole[:size])
        assert "results.json cannot be read" in report.write(folder, ROUTING).read_text()
        assert folder.name in report.write_index(folder.parent).read_text()


def test_an_empty_history_is_no_conversation(tmp_path):
    (tmp_path / "researcher.json").write_text(EMPTY_HISTORY)
    assert conversation.read(tmp_path) == []
