"""A score that was measured before is not measured again, and says so."""

import json
from pathlib import Path

import pytest

from openglia.problems.problem import Look
from openglia.problems.registry import opened
from openglia.runs import cache
from openglia.runs.cache import Cache
from openglia.runs.client import score
from openglia.runs.evaluator import Evaluator
from openglia.runs.folder import create
from openglia.runs.record import Record
from tests.toy.toy import Toy


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(cache.paths, "CACHE", tmp_path / "cache")


class Counting(Toy):
    """The toy, which counts what is measured."""

    def __init__(self):
        super().__init__()
        self.measured = []

    def measure(self, candidate, look, **how):
        self.measured.append((Path(candidate).read_text(), look.cases))
        return super().measure(candidate, look, **how)


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Scores candidates in a run of its own, with the cache of this test."""

    def ask(problem, *requests, harness="1", **how):
        known = Cache(problem, harness, {"python": "3"}, **how)
        record = Record(create(tmp_path / "generated"), problem.presentation)
        with Evaluator(record, problem, max_evaluations=4, cache=known) as evaluator:
            monkeypatch.setenv("OPENGLIA_EVALUATOR", str(evaluator.socket_path))
            answers = [score(json.dumps(point), what) for point, what in requests]
        return record, answers

    return ask


def test_the_same_candidate_is_measured_once_whatever_the_run(asked):
    problem = Counting()
    record, (first, again, part) = asked(
        problem, ([1, -2], {}), ([1, -2], {}), ([1, -2], {"cases": [0]})
    )
    assert len(problem.measured) == 2
    assert "cached" not in first.line
    assert again.line == {**first.line, "cached": True}
    assert "measured before" in again.table
    assert "cached" not in part.line  # other cases
    # It counts all the same.
    assert [one.result.get("cached") for one in record.records] == [None, True, None]
    _, (later,) = asked(problem, ([1, -2], {}))
    assert later.line["cached"] is True
    assert len(problem.measured) == 2


@pytest.mark.parametrize(
    ("change", "how"),
    [
        ({}, {"harness": "2"}),
        ({}, {"used": False}),
        ({"hash": "another"}, {}),
        ({"noisy": True}, {}),
        ({"fingerprint": lambda: None}, {}),
        ({"fingerprint": lambda: "other tables"}, {}),
    ],
    ids=["harness", "unused", "problem", "noisy", "unknown", "tables"],
)
def test_it_is_measured_anew_where_anything_that_decides_is_another(asked, change, how):
    asked(Counting(), ([1, -2], {}))
    problem = Counting()
    for name, value in change.items():
        setattr(problem, name, value)
    _, (found,) = asked(problem, ([1, -2], {}), **how)
    assert "cached" not in found.line
    assert len(problem.measured) == 1


def test_what_failed_is_tried_again(asked):
    problem = Counting()
    asked(problem, ("crash", {}), ("crash", {}))
    assert len(problem.measured) == 2


def test_a_broken_store_is_no_store(asked):
    cache.place().parent.mkdir()
    cache.place().write_text("this is not a database")
    problem = Counting()
    _, answers = asked(problem, ([1, -2], {}), ([1, -2], {}))
    assert [answer.line["status"] for answer in answers] == ["ok", "ok"]
    assert len(problem.measured) == 2


def test_a_routers_files_are_always_written_anew(monkeypatch):
    problem = opened("routing", "smoke", "embedded")
    assert problem.fingerprint() is not None
    known = Cache(problem, "1", {})
    look = problem.look({"seeds": [0], "requests": False})
    known.keep("a router", look, {"status": "ok", "mean_response_time": 1.0})
    assert known.get("a router", look)["mean_response_time"] == 1.0
    assert known.get("a router", Look((1,), look.asked)) is None
    assert known.get("another", look) is None
