"""Figures against independent computations."""

import math
import warnings
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from openglia.measuring.bootstrap import bootstrap_interval
from openglia.measuring.pairs import compare
from openglia.problems.routing.evaluation.requests import InvalidResultError, read_requests
from openglia.problems.routing.evaluation.statistics import summarise

TRACE = "arrived_at,num_prefill_tokens,num_decode_tokens\n0.000000,10,3\n0.500000,20,1\n"


def rows(**changes):
    """Two requests; 0 is restarted once, 1 has a single output token."""
    columns = {
        "Request Id": [0, 1],
        "request_e2e_time": [4.0, 1.5],
        "request_num_restarts": [1, 0],
        "request_num_prefill_tokens": [10, 20],
        "request_num_decode_tokens": [3, 1],
        "arrived_at": [0.0, 0.5],
        "routed_at": [0.0, 1.0],
        "scheduled_at": [0.5, 1.0],
        "first_token_at": [1.0, 2.0],
        "completed_at": [4.0, 2.0],
    }
    return pd.DataFrame(columns | changes)


@pytest.fixture
def read(tmp_path):
    def read(table):
        (tmp_path / "trace.csv").write_text(TRACE)
        table.to_csv(tmp_path / "request_metrics.csv", index=False)
        requests = read_requests(tmp_path / "request_metrics.csv", tmp_path / "trace.csv")
        return pd.DataFrame(requests)

    return read


def test_figures_of_two_requests_by_hand(read):
    figures = summarise([read(rows())])
    assert figures.mean_response_time == 2.75
    assert figures.interval is None
    assert figures.per_seed == (2.75,)
    assert figures.p50 == 2.75
    assert figures.p90 == pytest.approx(1.5 + 0.9 * 2.5)
    assert figures.ttft_mean == pytest.approx((1.0 + 1.5) / 2)
    assert figures.tpot_mean == pytest.approx(3.0 / 2)  # of request 0 alone
    assert figures.queue_time_mean == pytest.approx(0.25)
    assert figures.restarted_share == 0.5


def test_seeds_weigh_alike_in_the_mean_and_requests_in_percentiles(read):
    one = read(rows())
    many = pd.concat([one] * 10, ignore_index=True).assign(request_e2e_time=10.0)
    figures = summarise([one, many])
    assert figures.mean_response_time == (2.75 + 10.0) / 2
    assert figures.per_seed == (2.75, 10.0)
    assert figures.p50 == 10.0


def test_no_output_of_two_tokens_leaves_tpot_undefined(read):
    single = read(rows()).assign(request_num_decode_tokens=1)
    assert summarise([single]).tpot_mean is None


def test_percentiles_agree_with_a_sorted_list(read):
    rng = np.random.default_rng(7)
    values = rng.exponential(size=1001)
    table = pd.concat([read(rows())] * 501, ignore_index=True)[:1001]
    figures = summarise([table.assign(request_e2e_time=values)])
    ordered = sorted(values)
    assert figures.p50 == ordered[500]
    assert figures.p90 == ordered[900]
    assert figures.p99 == ordered[990]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"arrived_at": [0.0, 0.6]}, "does not hold the requests of the trace"),
        ({"request_num_decode_tokens": [2, 1]}, "does not hold the requests of the trace"),
        ({"completed_at": [4.0, math.nan]}, "was not routed"),
        ({"completed_at": [4.0, 1.9]}, "was not routed"),
        ({"routed_at": [0.0, 0.4]}, "was not routed"),
        ({"request_e2e_time": [4.0, 1.4]}, "is not the time from arrival to completion"),
    ],
)
def test_what_is_no_result_is_refused(read, changes, reason):
    with pytest.raises(InvalidResultError, match=reason):
        read(rows(**changes))


def test_missing_requests_columns_and_files_are_refused(read, tmp_path):
    with pytest.raises(InvalidResultError, match="holds 1 requests, the trace 2"):
        read(rows()[:1])
    with pytest.raises(InvalidResultError, match="has no column routed_at"):
        read(rows().drop(columns="routed_at"))
    with pytest.raises(InvalidResultError, match="cannot be read"):
        read_requests(tmp_path / "absent.csv", tmp_path / "trace.csv")


def test_rows_come_in_order_of_arrival(read):
    assert read(rows()[::-1])["request_e2e_time"].tolist() == [4.0, 1.5]


def test_interval_of_three_values_lies_in_their_exact_bootstrap_distribution():
    values = [10.0, 12.0, 17.0]
    means = sorted(sum(sample) / 3 for sample in product(values, repeat=3))
    low, high = bootstrap_interval(values)
    assert means[0] <= low < np.mean(values) < high <= means[-1]


def test_interval_covers_the_mean_about_nine_times_in_ten():
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        low, high = bootstrap_interval(rng.normal(5, 1, size=20))
        covered += low <= 5 <= high
    assert 0.8 < covered / 200 < 0.96


@pytest.mark.parametrize("size", [2, 3, 10, 37])
def test_interval_is_scipy_s(size):
    random = np.random.default_rng(size)
    for spread in (0.02, 0.5, 2.0):
        for values in (random.lognormal(3, spread, size), -random.lognormal(0, spread, size)):
            with warnings.catch_warnings(action="ignore"):  # of the undefined ones
                known = stats.bootstrap(
                    (values,), np.mean, n_resamples=9999, confidence_level=0.9,
                    rng=np.random.default_rng(0),
                ).confidence_interval  # fmt: skip
            found = bootstrap_interval(values.tolist())
            if np.isfinite(known.low) and np.isfinite(known.high):
                assert found == pytest.approx((known.low, known.high), rel=1e-12)
            else:
                assert found is None


def test_interval_is_repeatable_and_undefined_for_one_value():
    values = [3.0, 4.0, 7.0, 5.0]
    assert bootstrap_interval(values) == bootstrap_interval(values)
    assert bootstrap_interval([3.0]) is None
    assert bootstrap_interval([3.0, 3.0]) == (3.0, 3.0)


def test_comparison_is_paired():
    slow = [10.0, 40.0, 90.0, 20.0]
    fast = [5.0, 20.0, 45.0, 25.0]
    result = compare(fast, slow)
    assert result.value == pytest.approx((0.5 * 0.5 * 0.5 * 1.25) ** 0.25)
    assert (result.lower, result.cases) == (3, 4)
    back = compare(slow, fast)
    assert back.value == pytest.approx(1 / result.value)
    assert back.lower == 1
    # The seeds differ by a factor of nine, yet equal ratios leave no doubt.
    same = compare([value / 2 for value in slow], slow)
    assert same.interval == pytest.approx((0.5, 0.5))


def test_interval_of_a_ratio_is_the_same_from_both_sides():
    first, second = [10.0, 12.0, 15.0, 9.0], [11.0, 10.0, 18.0, 12.0]
    low, high = compare(first, second).interval
    back_low, back_high = compare(second, first).interval
    assert (1 / back_high, 1 / back_low) == pytest.approx((low, high), rel=0.02)
