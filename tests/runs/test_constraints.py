"""Constraints at the door: one order of scores, and who follows it."""

import pytest

from openglia.discovery.offline.search import Search
from openglia.presenting.objective import Objective, Rank
from openglia.problems.routing.family.task import TASK
from openglia.problems.routing.presentation import RoutingPresentation
from openglia.report.data import read
from openglia.report.verdict import constraint_words, worse_words
from openglia.runs import going_back
from openglia.runs.contexts import is_stagnant
from openglia.runs.folder import create
from openglia.runs.messages import Score
from openglia.runs.record import Record
from openglia.studies import figures

SHOWN = RoutingPresentation("goodput", constrained=True)


def line(goodput, violation, *, full=True):
    """Of a router whose goodput is to be raised, and whose p99 is not to be above a bound."""
    words = f"p99 response time: {'BROKEN' if violation else 'kept'}"
    return {
        "status": "ok", "scheduler": "0" * 12, "seeds": [0, 1], "full": full, "goodput": goodput,
        "per_seed": [goodput, goodput], "interval": [goodput, goodput], "ratio_to_llq": goodput / 2,
        "constraints": [{"words": words, "violation": violation}, {"words": 7}, None],
    }  # fmt: skip


# The best so far: 1, then 3 (breaks less), 4 (keeps it), 6 (higher).
LINES = [
    line(9.0, 0.5), line(9.9, 0.6), line(1.0, 0.2), line(2.0, 0.0), line(9.0, 0.1), line(3.0, 0.0),
    line(2.5, 0.0), line(8.0, 0.3), line(2.0, 0.0),
]  # fmt: skip
BEST = [1, 3, 4, 6]


@pytest.fixture
def record(tmp_path):
    folder = create(tmp_path)
    found = Record(folder, SHOWN)
    return folder, found


def test_whoever_keeps_them_comes_first_and_then_whoever_breaks_less(record):
    folder, kept = record
    best = []
    for one in LINES:
        kept.append("source", {}, one)
        best.append(kept.best().number)
    assert sorted(set(best)) == BEST
    assert [number for number, _ in read(folder.path, SHOWN).best_so_far()] == BEST
    told = going_back.words(kept, None, 9, SHOWN)
    assert "best so far: evaluation 6, 3.000 requests/s: openglia restore 6" in told
    assert "the last 3 are worse" in told
    assert is_stagnant(kept.records, 0, 3, SHOWN)
    assert not is_stagnant(kept.records, 0, 4, SHOWN)
    assert "; p99 response time: BROKEN" in kept.summary_for_supervisor()
    assert figures.path(read(folder.path, SHOWN)).iloc[-1] == 3.0
    assert figures.path(read(folder.path, SHOWN)).max() == 3.0  # a broken promise is no gain


def test_while_none_keeps_them_that_is_said(record):
    _, kept = record
    kept.append("source", {}, line(9.0, 0.5))
    kept.append("source", {}, line(9.0, 0.6))
    assert "(it breaks a constraint): openglia restore 1" in going_back.words(kept, None, 2, SHOWN)
    seen = SHOWN.score(line(9.0, 0.5))
    fine, words = constraint_words(seen, SHOWN.score(line(9.0, 0.5)), SHOWN)
    assert not fine
    assert "NO ROUTER KEEPS THE CONSTRAINTS on the evaluation seeds" in words
    assert "CONSTRAINT BROKEN on held-out seeds" in words


def test_the_verdict_says_whether_they_hold_on_unseen_cases():
    good, bad, none = (SHOWN.score(one) for one in (line(2, 0.0), line(2, 0.1), None))
    assert constraint_words(good, good, SHOWN) == (
        True, "on held-out seeds p99 response time: kept"
    )  # fmt: skip
    assert constraint_words(good, bad, SHOWN)[0] is False
    assert constraint_words(good, none, SHOWN) == (
        True, "on the evaluation seeds p99 response time: kept"
    )  # fmt: skip
    assert constraint_words(none, none, SHOWN) == (True, "")


def test_the_price_is_named_beside_the_gain():
    checked = {
        "worse": [
            {"figure": "p99", "words": "p99 (1.31 times)", "clear": True},
            {"figure": "ttft_mean", "words": "TTFT (1.02 times)", "clear": False},
            {"figure": "restarted_share", "clear": True},  # of an early version
        ]
    }
    told = "worse than LLQ's beyond noise, seed by seed: p99 (1.31 times), restarted share"
    assert worse_words(checked, "LLQ", "seed") == told
    assert worse_words({"worse": [checked["worse"][1]]}, "LLQ", "seed") == ""
    assert worse_words(None, "LLQ", "seed") == ""


def test_a_library_that_raises_the_gain_keeps_them():
    def gain(ratio, violation, *, lower=True):
        known = dict.fromkeys(Score._fields)
        wanted = {"value": 1.0, "ratio": ratio, "lower_is_better": lower, "violation": violation}
        return Score(**(known | wanted)).gain

    assert gain(0.5, 0.0) == 2.0
    assert gain(0.5, 0.0, lower=False) == 0.5
    assert 0 < gain(0.01, 0.9) < gain(0.5, 0.1) < gain(100, 0.0)


def test_the_search_prefers_what_keeps_them():
    """Lower margins score better here, and break a constraint."""
    search = Search(TASK.space, seed=3, budget=60)
    while trials := search.ask():
        (trial,) = trials
        margin = trial.point.margin
        search.tell(trial, Rank(max(0.0, 0.1 - margin), margin))
    rank, point = search.best
    assert rank.violation == 0
    assert 0.1 <= point.margin < 0.16


def test_a_value_so_many_times_as_bad():
    assert Objective("delay", "delay", "s").worsened(8.0, 1.25) == 10.0
    assert Objective("rate", "rate", "", lower_is_better=False).worsened(10.0, 1.25) == 8.0
