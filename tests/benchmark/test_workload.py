"""Traces: reproducible to the byte, of the stated distributions, exact through a CSV file."""

import hashlib
import io
from copy import deepcopy
from dataclasses import astuple, replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from openglia.errors import OpenGliaError, UsageError
from openglia.problems.routing.benchmark import workload
from openglia.problems.routing.benchmark.loading import load_benchmark
from openglia.problems.routing.benchmark.trace import Trace, to_csv
from openglia.problems.routing.benchmark.workload import trace_file


def generate(benchmark, seed):
    """A trace of arrays, to calculate with."""
    return Trace(*map(np.array, astuple(workload.generate(benchmark, seed))))


@pytest.fixture(scope="module")
def paper():
    return load_benchmark("paper")


@pytest.fixture(scope="module")
def long(paper):
    """Thirty times the paper's duration, for statistics."""
    return generate(replace(paper, duration=30_000.0), 1)


def changed(benchmark, edit):
    spec = deepcopy(benchmark.workload)
    edit(spec)
    return replace(benchmark, workload=spec)


def test_same_seed_same_bytes(paper, tmp_path):
    first = trace_file(paper, 3, tmp_path / "a").read_bytes()
    assert trace_file(paper, 3, tmp_path / "b").read_bytes() == first
    assert trace_file(paper, 4, tmp_path / "a").read_bytes() != first


def test_traces_are_the_ones_that_were_published(paper):
    # If this fails because traces are now drawn differently on purpose, raise TRACE_FORMAT in
    # definition.py, so that stored baselines are not compared with scores on other traces.
    digest = hashlib.sha256(to_csv(generate(paper, 0)).encode()).hexdigest()
    assert digest.startswith("c9c9e61ab3831cca")


@pytest.mark.parametrize("seed", range(10))
def test_csv_gives_back_exactly_the_trace(paper, seed):
    trace = generate(paper, seed)
    table = pd.read_csv(io.StringIO(to_csv(trace)))  # as Vidur reads it
    assert list(table.columns) == ["arrived_at", "num_prefill_tokens", "num_decode_tokens"]
    np.testing.assert_array_equal(table["arrived_at"], trace.arrived_at)
    np.testing.assert_array_equal(table["num_prefill_tokens"], trace.num_prefill_tokens)
    np.testing.assert_array_equal(table["num_decode_tokens"], trace.num_decode_tokens)
    lines = to_csv(trace).splitlines()[1:]
    assert [float(line.split(",")[0]) for line in lines] == trace.arrived_at.tolist()


@pytest.mark.parametrize("seed", range(10))
def test_trace_is_in_bounds(paper, seed):
    trace = generate(paper, seed)
    assert (np.diff(trace.arrived_at) >= 0).all()
    assert trace.arrived_at[0] >= 0
    assert trace.arrived_at[-1] < paper.duration
    assert trace.num_prefill_tokens.min() >= 1
    assert trace.num_decode_tokens.min() >= 4
    assert trace.num_decode_tokens.max() <= 8176
    assert (trace.num_prefill_tokens + trace.num_decode_tokens).max() <= 8192


def test_shorter_duration_is_a_prefix(paper):
    whole, part = generate(paper, 5), generate(replace(paper, duration=60.0), 5)
    count = len(part)
    assert count == (whole.arrived_at < 60).sum()
    for name in ("arrived_at", "num_prefill_tokens", "num_decode_tokens"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[:count])


def test_arrivals_and_lengths_do_not_shift_each_other(paper):
    base = generate(paper, 2)
    slower = generate(changed(paper, lambda spec: spec["arrivals"].update(rate=5.0)), 2)
    count = len(slower)
    np.testing.assert_array_equal(slower.num_prefill_tokens, base.num_prefill_tokens[:count])
    np.testing.assert_allclose(slower.arrived_at, 1.5 * base.arrived_at[:count], atol=2e-6)
    longer = generate(changed(paper, lambda spec: spec["lengths"]["output"].update(scale=250)), 2)
    np.testing.assert_array_equal(longer.arrived_at, base.arrived_at)
    kept = base.num_prefill_tokens + longer.num_decode_tokens < 8192
    np.testing.assert_array_equal(longer.num_prefill_tokens[kept], base.num_prefill_tokens[kept])


def test_gaps_are_log_normal_with_the_stated_mean(long):
    gaps = np.diff(long.arrived_at)
    gaps = gaps[gaps > 1e-4]  # below, rounding to microseconds shows
    # Truncated on the left, so compare quantiles with those of the truncated distribution.
    model = stats.lognorm(s=2, scale=np.exp(-2) / 7.5)
    assert model.mean() == pytest.approx(1 / 7.5)
    low = model.cdf(1e-4)
    for q in (0.1, 0.5, 0.9):
        assert np.quantile(gaps, q) == pytest.approx(model.ppf(low + q * (1 - low)), rel=0.03)


def test_outputs_follow_the_stated_distribution(long):
    outputs = long.num_decode_tokens
    gamma = stats.gamma(1.45, scale=190)
    plain = outputs[outputs < 770]
    # 5 % are inflated, and then below 770 only if the draw was below 77.
    share = 0.95 * gamma.cdf(770) + 0.05 * gamma.cdf(77)
    assert len(plain) / len(outputs) == pytest.approx(share, abs=0.005)
    median = np.median(outputs)
    assert 0.95 * gamma.cdf(median) + 0.05 * gamma.cdf(median / 10) == pytest.approx(0.5, abs=0.01)
    assert (outputs > 770).mean() == pytest.approx(0.05 * gamma.sf(77), abs=0.004)


def test_prompts_follow_the_stated_distribution(long):
    prompts = long.num_prefill_tokens
    small, large = stats.lognorm(1.0, scale=np.exp(3.1)), stats.lognorm(0.7, scale=np.exp(6.6))

    def below(length):
        return 0.8 * small.cdf(length - 3) + 0.2 * large.cdf(length - 3)

    for length in (20, 33, 100, 500):
        expected = 0.95 * below(length) + 0.05 * below(length / 10)
        assert (prompts < length).mean() == pytest.approx(expected, abs=0.006)


def test_prompts_and_outputs_are_independent(long):
    free = long.num_prefill_tokens < 4000  # the context limit ties the rest to their outputs
    together = stats.spearmanr(long.num_prefill_tokens[free], long.num_decode_tokens[free])
    assert abs(together.statistic) < 0.02


def test_poisson_counts(paper):
    poisson = changed(paper, lambda s: s["arrivals"].update(process="poisson", sigma=None))
    gaps = np.diff(generate(replace(poisson, duration=10_000.0), 0).arrived_at)
    assert stats.kstest(gaps, "expon", args=(0, 1 / 7.5)).pvalue > 0.001


def test_bursts_keep_the_mean_and_have_the_stated_factor(paper):
    bursts = {"every": 100.0, "last": 20.0, "factor": 4.0}
    steady = changed(
        paper,
        lambda s: s["arrivals"].update(process="poisson", sigma=None, bursts=bursts),
    )
    times = generate(replace(steady, duration=20_000.0), 0).arrived_at
    assert len(times) / 20_000 == pytest.approx(7.5, rel=0.02)
    inside = (times % 100 >= 80).sum() / 20
    outside = (times % 100 < 80).sum() / 80
    assert inside / outside == pytest.approx(4, rel=0.03)


def test_shift_changes_the_second_part_only(paper):
    def shift(spec):
        lengths = deepcopy(spec["lengths"])
        lengths["output"].update(minimum=5, maximum=5)
        lengths["inflation"] = None
        spec["shift"] = {"at": 0.5, "lengths": lengths}

    base, shifted = generate(paper, 0), generate(changed(paper, shift), 0)
    later = base.arrived_at >= 500
    assert 0 < later.sum() < len(later)
    np.testing.assert_array_equal(shifted.arrived_at, base.arrived_at)
    np.testing.assert_array_equal(shifted.num_decode_tokens[~later], base.num_decode_tokens[~later])
    assert (shifted.num_decode_tokens[later] == 5).all()


def from_file(paper, name, digest):
    def edit(spec):
        spec["lengths"] = {"distribution": "file", "file": name, "sha256": digest}

    return changed(paper, edit)


def test_lengths_from_a_file_are_drawn_in_pairs(paper, tmp_path, monkeypatch):
    monkeypatch.setattr(workload, "VIDUR", tmp_path)
    content = "arrived_at,num_prefill_tokens,num_decode_tokens\n0.0,10,1\n4.3,20,2\n9.1,9000,3\n"
    (tmp_path / "some.csv").write_text(content)
    digest = hashlib.sha256(content.encode()).hexdigest()
    trace = generate(from_file(paper, "some.csv", digest), 0)
    pairs, counts = np.unique(
        np.stack([trace.num_prefill_tokens, trace.num_decode_tokens]), axis=1, return_counts=True
    )
    assert pairs.T.tolist() == [[10, 1], [20, 2], [8189, 3]]
    np.testing.assert_allclose(counts / len(trace), 1 / 3, atol=0.03)


def test_a_missing_or_other_file_of_lengths_is_named(paper, tmp_path, monkeypatch):
    monkeypatch.setattr(workload, "VIDUR", tmp_path)
    with pytest.raises(OpenGliaError, match=r"absent\.csv is missing.*setup\.sh"):
        generate(from_file(paper, "absent.csv", "0" * 64), 0)
    (tmp_path / "other.csv").write_text("arrived_at,num_prefill_tokens,num_decode_tokens\n0,1,1\n")
    with pytest.raises(OpenGliaError, match=r"other\.csv is not the file"):
        generate(from_file(paper, "other.csv", "0" * 64), 0)


NAMES = b"num_prefill_tokens,num_decode_tokens"


def lengths(paper, folder, monkeypatch, content):
    """The prompts and outputs that a file of lengths stands for."""
    monkeypatch.setattr(workload, "VIDUR", folder)
    (folder / "mine.csv").write_bytes(content)
    trace = generate(from_file(paper, "mine.csv", hashlib.sha256(content).hexdigest()), 0)
    return set(zip(trace.num_prefill_tokens, trace.num_decode_tokens, strict=True))


@pytest.mark.parametrize(
    ("content", "pairs"),
    [
        (b"\xef\xbb\xbf" + NAMES + b"\n374,44\n", {(374, 44)}),
        (NAMES + b"\r\n374,44\r\n396,16\r\n", {(374, 44), (396, 16)}),
        (NAMES + b"\r374,44\r396,16", {(374, 44), (396, 16)}),
        (NAMES + b"\n\n374,44\n  \n396,16\n\n", {(374, 44), (396, 16)}),
        (b" num_prefill_tokens , num_decode_tokens\n 374.0 , 4.4e1\n", {(374, 44)}),
        (
            b"num_decode_tokens,why,num_prefill_tokens\n44,,374\n16,nan,396\n",
            {(374, 44), (396, 16)},
        ),
        (b'"num_prefill_tokens","num_decode_tokens"\n"374","44"\n', {(374, 44)}),
    ],
)
def test_lengths_as_people_save_them_are_read_right(paper, tmp_path, monkeypatch, content, pairs):
    assert lengths(paper, tmp_path, monkeypatch, content) == pairs


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (NAMES + b"\n374,44\n396,\n", "line 3, column num_decode_tokens: the cell is empty"),
        (NAMES + b"\n374,44\n,16\n", "line 3, column num_prefill_tokens: the cell is empty"),
        (NAMES + b"\n374,44\n396\n", "line 3, column num_decode_tokens: the cell is empty"),
        (NAMES + b"\n374,44\n,\n", "line 3, column num_prefill_tokens: the cell is empty"),
        *[
            (
                NAMES + b"\n\n374," + cell + b"\n",
                f"line 3, column num_decode_tokens: '{cell.decode()}'",
            )
            for cell in (
                b"-1",
                b"0",
                b"inf",
                b"-inf",
                b"nan",
                b"NA",
                b"4.5",
                b"ten",
                b"1e30",
                b"0x1F",
            )
        ],
        (NAMES + b"\n374,44,1\n", "Expected 2 fields in line 2, saw 3"),
        (b"prompt,output\n374,44\n", "line 1: there is no column num_prefill_tokens but 'prompt'"),
        (b"374,44\n396,16\n", "line 1: there is no column num_prefill_tokens but '374'"),
        (NAMES + b",num_decode_tokens\n1,2,3\n", "two columns num_decode_tokens"),
        (NAMES.replace(b",", b";") + b"\n374;44\n", "separated by semicolons"),
        (NAMES.replace(b",", b"\t") + b"\n374\t44\n", "separated by tabs"),
        (NAMES + b"\n", "no lengths"),
        (b"", "is empty"),
        (b"\xef\xbb\xbf \n", "is empty"),
        ("num_prefill_tokens,num_decode_tokens\n1,2\n".encode("utf-16"), "is not UTF-8 text"),
        (NAMES + b"\n1\x00,2\n", "is not a text file"),
    ],
)
def test_wrong_lengths_are_refused_in_one_line(paper, tmp_path, monkeypatch, content, reason):
    with pytest.raises(UsageError) as caught:
        lengths(paper, tmp_path, monkeypatch, content)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'mine.csv'}: ")
    assert reason in message
    assert "\n" not in message


def test_a_folder_is_no_file_of_lengths(paper, tmp_path, monkeypatch):
    monkeypatch.setattr(workload, "VIDUR", tmp_path)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(UsageError, match=r"folder\.csv: cannot be read: Is a directory"):
        generate(from_file(paper, "folder.csv", "0" * 64), 0)
