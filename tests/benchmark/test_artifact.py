"""The Glia authors' own setting: files of their fork by commit and hash, or a line says why."""

import hashlib
import subprocess

import pytest

from openglia.cli import main
from openglia.errors import OpenGliaError, UsageError
from openglia.problems.routing.benchmark import artifact
from openglia.problems.routing.benchmark.loading import load_benchmark
from openglia.problems.routing.benchmark.workload import generate
from openglia.problems.routing.hardware import tables
from openglia.problems.routing.kind import KIND
from openglia.problems.routing.simulator.timing import ExecutionTimes
from openglia.problems.routing.vidur import profiles, provision

TRACE = "arrived_at,num_prefill_tokens,num_decode_tokens\n0.25,9,100\n1.5,20,9000\n999.9,3,3\n"
NAME = "data/processed_traces/sharegpt_7.5.csv"


@pytest.fixture
def fork(tmp_path, monkeypatch):
    """A stand-in for the authors' repository, at the commit that is pinned."""
    place = tmp_path / "fork"
    cluster = load_benchmark("glia-artifact").cluster
    contents = {name: f"{name}\n" for name in profiles.artifact_files(cluster)} | {NAME: TRACE}
    for name, content in contents.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(content)
    identity = ("-c", "user.name=n", "-c", "user.email=e")
    for words in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "all"]):
        subprocess.run(["git", *words], cwd=place, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=place, check=True, capture_output=True)
    monkeypatch.setattr(artifact, "COMMIT", head.stdout.decode().strip())
    monkeypatch.setattr(artifact, "CACHE", tmp_path / "cache")
    monkeypatch.setenv(artifact.VARIABLE, str(place))
    return place


@pytest.fixture
def benchmark(tmp_path):
    """``glia-artifact`` with the stand-in's trace."""
    digest = hashlib.sha256(TRACE.encode()).hexdigest()
    path = tmp_path / "artifact.yaml"
    path.write_text(f"extends: glia-artifact\nworkload: {{trace: {{sha256: {digest}}}}}\n")
    return path


def test_it_is_the_setting_of_the_artifact():
    found = load_benchmark("glia-artifact")
    cluster = found.cluster
    assert (cluster.replicas, cluster.gpu, cluster.model) == (4, "A10", "Llama-3-8B")
    assert (cluster.replica_scheduler.num_blocks, cluster.profile) == (2240, "glia")
    assert (found.duration, found.seeds, found.held_out_seeds) == (1000, (0,), ())
    assert artifact.COMMIT == "2666cb64a622d9b8532791c6fdbe852cf3c1ae7f"


def test_the_trace_is_taken_from_the_repository_once(fork, benchmark):
    trace = generate(load_benchmark(str(benchmark)), 0)
    assert trace.arrived_at == [0.0, 1.25, 999.65]
    assert trace.num_prefill_tokens == [9, 16, 3]  # cut to the context, as everywhere
    assert trace.num_decode_tokens == [100, 8176, 3]
    fork.rename(fork.with_name("gone"))
    assert artifact.taken(NAME)[0].read_text() == TRACE
    assert KIND.open(str(benchmark), "embedded").introduction()[0].startswith("trace sharegpt_7.5")


def test_a_url_is_fetched(fork, benchmark, monkeypatch):
    monkeypatch.setenv(artifact.VARIABLE, f"file://{fork}")
    subprocess.run(["git", "config", "uploadpack.allowFilter", "true"], cwd=fork, check=True)
    assert len(generate(load_benchmark(str(benchmark)), 0)) == 3


def test_another_file_than_the_pinned_one_is_refused(fork):
    with pytest.raises(UsageError, match=r"is not the file that the benchmark was made with"):
        generate(load_benchmark("glia-artifact"), 0)


@pytest.mark.parametrize("where", ["/nowhere/at/all", "commit"])
def test_where_it_cannot_be_had_one_line_says_so(fork, monkeypatch, where, capsys):
    if where == "commit":
        monkeypatch.setattr(artifact, "COMMIT", "0" * 40)
    else:
        monkeypatch.setenv(artifact.VARIABLE, where)
    assert main(["evaluate", "builtin:llq", "--benchmark", "glia-artifact"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert f"{NAME} cannot be had from " in line
    assert "name a copy of the repository with OPENGLIA_GLIA_REPO" in line
    said: list[str] = []
    provision._take_artifact(said.append)
    assert len(said) == 1 and said[0].startswith("not for the benchmark glia-artifact: ")
    assert {cluster.profile for cluster in provision.clusters()} == {"analytic"}


def test_the_profile_is_what_the_predictors_are_trained_on(fork, tmp_path):
    cluster = load_benchmark("glia-artifact").cluster
    profiles.write(cluster, "no commit of Vidur's", tmp_path)
    place = "data/profiling/compute/a10/meta-llama/Meta-Llama-3-8B"
    for name in ("mlp.csv", "attention.csv"):
        assert (tmp_path / name).read_text() == f"{place}/{name}\n"
    assert "glia" in {cluster.profile for cluster in provision.clusters()}


def test_without_tables_a_line_says_what_is_missing(fork, benchmark, monkeypatch, tmp_path):
    monkeypatch.setattr(tables, "folder", lambda: tmp_path / "none")
    with pytest.raises(OpenGliaError, match="OPENGLIA_GLIA_REPO"):
        ExecutionTimes.load(load_benchmark(str(benchmark)).cluster)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("cluster: {gpu: A100}", "cluster.profile: the Glia authors' profile is of the A10"),
        ("workload: {trace: {sha256: null}}", "workload.trace.sha256: is missing"),
        ("workload: {trace: {repository: other}}", "workload.trace.repository: must be one of gli"),
    ],
)
def test_wrong_keys_are_named(tmp_path, text, reason):
    path = tmp_path / "mine.yaml"
    path.write_text(f"extends: glia-artifact\n{text}\n")
    with pytest.raises(UsageError) as caught:
        load_benchmark(str(path))
    assert reason in str(caught.value)


def test_a_trace_of_ones_own_replaces_it_whole(tmp_path):
    (tmp_path / "own.csv").write_text(TRACE)
    path = tmp_path / "mine.yaml"
    path.write_text("extends: glia-artifact\nworkload: {trace: {file: own.csv, format: vidur}}\n")
    assert load_benchmark(str(path)).workload["trace"]["repository"] is None
