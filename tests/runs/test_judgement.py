"""What the verification says of figures: gains, and what got worse, all compared in pairs."""

import pytest

from openglia.problems.routing.presentation import PRESENTATION, RoutingPresentation
from openglia.runs import judgement
from openglia.runs.judgement import lines
from openglia.runs.results import Final, Results
from openglia.runs.solution import verdict

LLQ = [54.3, 60.0, 71.5, 88.3, 66.0]  # seeds differ more than routers do


def judge(seen, unseen):
    return judgement.judge(seen, unseen, PRESENTATION)


def result(per_seed, **by_seed):
    mean = sum(per_seed) / len(per_seed)
    return {
        "status": "ok", "mean_response_time": mean, "per_seed": list(per_seed),
        "seeds": list(range(len(per_seed))),
        "interval": [min(per_seed), max(per_seed)], "p99": 5 * mean, "by_seed": by_seed,
    }  # fmt: skip


def group(final, llq=LLQ, **by_seed):
    return {
        "final": result(final, **{name: values[0] for name, values in by_seed.items()}),
        "llq": result(llq, **{name: values[1] for name, values in by_seed.items()}),
    }


def times(factor):
    return [factor * value for value in LLQ]


@pytest.mark.parametrize(
    ("seen", "unseen", "overfitting", "no_gain"),
    [
        (times(0.5), times(0.52), False, False),
        (times(0.5), times(0.7), True, False),
        (times(0.75), times(0.75), False, False),  # the unpaired intervals overlap
        (times(0.5), [0.8 * LLQ[0], *(1.02 * value for value in LLQ[1:])], True, True),
        (times(1.1), times(1.1), False, True),
        (times(0.9), times(1.0), True, True),
        (times(0.5), None, None, None),
    ],
)
def test_flags(seen, unseen, overfitting, no_gain):
    judged = judge(group(seen), {} if unseen is None else group(unseen))
    assert (judged.overfitting, judged.no_gain) == (overfitting, no_gain)


def test_faster_on_every_seed_is_a_gain_however_much_the_seeds_differ():
    unseen = group(times(0.75))
    assert unseen["final"]["interval"][1] > unseen["llq"]["interval"][0]
    judged = judge(unseen, unseen)
    assert judged.ratio_held_out == pytest.approx(0.75)
    assert judged.ratio_interval == pytest.approx((0.75, 0.75))
    assert judged.no_gain is False


def test_the_ratio_is_the_geometric_mean_over_seeds():
    judged = judge({}, group([50.0, 200.0], [100.0, 100.0]))
    assert judged.ratio_held_out == pytest.approx(1.0)
    assert judged.no_gain is True


@pytest.mark.parametrize(("factor", "no_gain"), [(0.5, False), (1.5, True)])
def test_one_seed_has_no_interval_and_that_is_said(factor, no_gain):
    judged = judge({}, group([factor * 60.0], [60.0], p90=([3.0], [2.0])))
    assert judged.ratio_interval is None
    assert judged.no_gain is no_gain
    assert "one held-out seed only: there is no interval" in judgement.ratio_words(judged, "seed")
    assert [entry.clear for entry in judged.worse] == [False]
    assert "p90 is higher (no interval): 3 s against LLQ's 2 s (ratio 1.50)" in lines(judged)


def test_a_yardstick_that_is_zero_leaves_a_difference():
    """A strict SLO: the goodput of LLQ is zero, and no share of that is a gain."""
    shown = RoutingPresentation("goodput")

    def lines(final):
        values = {"final": [final] * 3, "llq": [0.0] * 3}
        return {
            name: {
                "status": "ok",
                "goodput": v[0],
                "per_seed": v,
                "seeds": [7, 8, 9],
                "by_seed": {},
            }
            for name, v in values.items()
        }

    judged = judgement.judge(lines(2.0), lines(1.5), shown)
    assert (judged.gain_held_out, judged.ratio_held_out, judged.no_gain) == (None, None, False)
    assert (judged.difference_held_out, judged.ratio_seeds) == (1.5, 3)
    results = Results(run_id="run", outcome=None, verification=judged)
    results.final = Final(candidate="a.py", number=1, sha256="0", evaluation=lines(2.0)["final"])
    told = verdict(results, shown)
    assert (
        "minus LLQ's is 1.500 (90 % interval 1.500 to 1.500, 3 seeds); LLQ's is 0 over all" in told
    )
    assert judgement.judge(lines(0.0), lines(0.0), shown).no_gain is True


def test_what_got_worse_is_named():
    unseen = group(
        times(0.5),
        p99=([400, 500, 420, 480, 450], [300, 400, 310, 350, 340]),
        ttft_mean=([2, 9, 2, 9, 2], [5, 5, 2, 2, 5]),
        ttft_p99=([1, 1, 1, 1, 1], [5, 5, 5, 5, 5]),
        tpot_mean=([0.05, None, 0.05, 0.05, 0.05], [0.01] * 5),
        restarted_share=([0.1, 0.2, 0.1, 0.2, 0.1], [0.0] * 5),
        makespan=([1100.0] * 5, [1000.0] * 5),
    )
    unseen["final"] |= {"p99": 441.0, "ttft_mean": 4.8, "ttft_p99": 1.0, "restarted_share": 0.14}
    unseen["llq"] |= {"p99": 334.0, "ttft_mean": 3.8, "ttft_p99": 5.0, "restarted_share": 0.0}
    judged = judge({}, unseen)
    assert {entry.figure: entry.clear for entry in judged.worse} == {
        "p99": True, "ttft_mean": False, "restarted_share": True, "makespan": True,
    }  # fmt: skip
    p99 = judged.worse[0]
    assert p99.interval[0] > 1
    assert p99.ratio == pytest.approx(1.32, abs=0.02)
    told = lines(judged)
    assert told[0].startswith("p99 got worse: 441 s against LLQ's 334 s (ratio 1.33, 1.28 to 1.35)")
    assert "makespan got worse: 1100 s against LLQ's 1000 s (ratio 1.10, 1.10 to 1.10)" in told
    assert any(
        line.startswith("restarted share got worse: 14.0 % against LLQ's 0.0 % (difference 14.0 %")
        for line in told
    )
    assert any(line.startswith("TTFT is higher, within noise: 4.8 s") for line in told)


def test_every_figure_is_one_that_evaluations_have():
    from openglia.problems.routing.benchmark.loading import load_benchmark
    from openglia.problems.routing.evaluation.scoring import evaluate

    evaluation = evaluate("builtin:llq", load_benchmark("smoke"), seeds=[0, 1])
    figures = {figure.name for figure in PRESENTATION.figures}
    assert figures | {"mean_response_time"} == set(evaluation.statistics.by_seed)
    assert "by_seed" not in evaluation.to_json()
    assert all(len(values) == 2 for values in evaluation.statistics.by_seed.values())
    assert evaluation.statistics.by_seed["makespan"][0] > 0
