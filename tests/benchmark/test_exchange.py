"""What harness and workers tell each other, also where a router wrote something else."""

from pathlib import Path

import pytest

from openglia.problems.routing.benchmark.loading import load_benchmark
from openglia.problems.routing.exchange import FAILURE, JOB, Failure, Job, Summary
from openglia.problems.routing.vidur.task import OBSERVED, Observed, Task

DEEP = b"[" * 50_000


@pytest.mark.parametrize("name", ["paper", "code"])
def test_a_job_is_read_as_it_was_written(tmp_path, name):
    benchmark = load_benchmark(name)
    job = Job(
        scheduler="builtin:llq",
        cluster=benchmark.cluster,
        limits=benchmark.limits,
        traces={7: Path("/t/7.csv"), 0: Path("/t/0.csv")},
        output_dir=tmp_path / "out",
        resolution=0.5,
        request_metrics=False,
    )
    job.write(tmp_path / JOB)
    again = Job.read(tmp_path / JOB)
    assert again == job
    assert list(again.traces) == [7, 0]


@pytest.mark.parametrize(
    "message",
    [
        Summary(
            seed=3, requests=9, end_time=0.1 + 0.2, router_calls=18, router_seconds=1e-7,
            engine_seconds=2.5, kv_use_mean=None, execution_times="analytic:0",
        ),
        Failure(rule="exception", reason="a reason", detail="line 1\nline 2", seed=0),
        Task(
            arguments=["--seed", "3"], router_file="/r.py", memory_mb=512,
            router_call_mean_ms=50.0, resolution=None,
        ),
        Observed(
            requests=[[0, 20, 1 / 3]], router_calls=2, router_seconds=0.1, engine_seconds=0.2,
            end_time=0.1 + 0.2, kv_use_mean=0.7, series=[],
        ),
    ],
    ids=lambda message: type(message).__name__,
)  # fmt: skip
def test_a_message_is_read_as_it_was_written(tmp_path, message):
    message.write(tmp_path)
    assert type(message).read(tmp_path) == message


@pytest.mark.parametrize(
    "told", [b"", b"{", b"\xff", b"null", b"[]", b"{}", b'{"rule": "crash"}', DEEP]
)
def test_what_is_no_message_is_none(tmp_path, told):
    assert Failure.decoded(told) is None
    assert Failure.read(tmp_path) is None
    assert Observed.read(tmp_path) is None
    (tmp_path / FAILURE).write_bytes(told)
    (tmp_path / OBSERVED).write_bytes(told)
    assert Failure.read(tmp_path) is None
    assert Observed.read(tmp_path) is None


def test_a_failure_can_be_printed_and_is_of_bounded_length():
    told = Failure(rule="r" * 99, reason="a\nb \ud800 " + "c" * 9999, detail="\udfff\n" * 9999)
    failure = Failure.decoded(told.encoded())
    for text in (failure.rule, failure.reason, failure.detail):
        text.encode()  # a lone surrogate has no encoding
        assert len(text) <= 4096
    assert failure.reason.startswith("a b ? ccc")
    assert "\n" not in failure.reason
