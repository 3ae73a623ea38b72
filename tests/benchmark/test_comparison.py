"""Comparisons: paired, labelled, and written whole."""

import csv
import json
from pathlib import Path

import pytest

from openglia.errors import UsageError
from openglia.problems.routing.evaluation.comparison import cells, compare_schedulers, write


def test_comparison_of_a_file_a_baseline_and_a_failure(tiny, router, tmp_path):
    compared = compare_schedulers(["llq", router("first"), router("raises")], tiny)
    llq, first, raises = compared.rows
    assert not compared.ok
    assert [row["name"] for row in compared.rows] == ["llq", "first.py", "raises.py"]
    assert llq["paired"] is None
    ratios = [a / b for a, b in zip(first["per_seed"], llq["per_seed"], strict=True)]
    product = ratios[0] * ratios[1] * ratios[2]
    assert first["paired"]["ratio"] == pytest.approx(product ** (1 / 3))
    assert first["paired"]["won"] == sum(ratio < 1 for ratio in ratios)
    assert raises["paired"] is None
    paths = write(compared, tmp_path / "out")
    assert [path.name for path in paths] == [
        "comparison.csv",
        "comparison.json",
        "comparison.md",
    ]
    rows = list(csv.DictReader(paths[0].open()))
    assert float(rows[1]["mean_response_time"]) == first["mean_response_time"]
    assert float(rows[1]["ratio_to_first"]) == first["paired"]["ratio"]
    assert rows[2]["mean_response_time"] == ""
    assert "no idea where" in rows[2]["reason"]
    assert json.loads(paths[1].read_text())["rows"] == compared.rows
    table = cells(compared)
    assert {len(row) for row in table} == {len(table[0])}
    assert paths[2].read_text().count("\n| ") == len(table)


def test_a_lone_scheduler_is_compared_with_llq(tiny):
    compared = compare_schedulers(["round_robin"], tiny, seeds=[0])
    assert [row["name"] for row in compared.rows] == ["llq", "round_robin"]
    assert compared.rows[1]["paired"]["interval"] is None


def test_equal_file_names_are_told_apart(tiny, router, tmp_path):
    other = tmp_path / "other" / "llq.py"
    other.parent.mkdir()
    mine = router("llq")
    other.write_text(Path(mine).read_text())
    compared = compare_schedulers([mine, str(other)], tiny, seeds=[0])
    assert [row["name"] for row in compared.rows] == [mine, str(other)]
    assert compared.rows[1]["paired"]["ratio"] == 1.0


def test_unknown_scheduler_is_refused(tiny):
    with pytest.raises(UsageError, match="neither a file nor one of random"):
        compare_schedulers(["lql"], tiny)
