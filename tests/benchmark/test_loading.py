"""Benchmark files: what they mean, and that a wrong one is refused in one clear line."""

import json
from dataclasses import asdict

import pytest
import yaml

from openglia.errors import UsageError
from openglia.paths import BENCHMARKS
from openglia.problems.routing import problem
from openglia.problems.routing.benchmark.loading import (
    available,
    load_benchmark,
    resolved,
    to_yaml,
)
from openglia.problems.routing.exchange import cluster_of
from openglia.problems.routing.problem import Routing
from openglia.problems.routing.simulators import SIMULATORS, find, require

# Scores, stored baselines and traces are kept under these.
HASHES = {
    "code": "cc5ed6ccb84a",
    "conversation": "4dd1a8ade651",
    "failures": "2e706dd9cddc",
    "glia-artifact": "ad306b88a9b3",
    "heterogeneous-load": "682411cad3dd",
    "paper": "5ae6099a7056",
    "paper-loose": "94cee7a6b7ab",
    "paper-tight": "b4a411c93640",
    "smoke": "ea7a65cb48f5",
    "stale-signals": "885cf3dae3eb",
    "unequal-replicas": "8fbbbb11da54",
}


@pytest.fixture
def edited(tmp_path):
    """Load paper.yaml after an edit of its mapping."""

    def load(edit):
        values = yaml.safe_load((BENCHMARKS / "paper.yaml").read_text())
        edit(values)
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump(values))
        return load_benchmark(str(path))

    return load


def test_every_shipped_benchmark_is_valid():
    names = available()
    assert set(HASHES) <= set(names)
    hashes = {load_benchmark(name).hash for name in names}
    assert len(hashes) == len(names)


@pytest.mark.parametrize("name", HASHES)
def test_a_shipped_benchmark_stays_what_scores_were_measured_on(name):
    assert load_benchmark(name).hash == HASHES[name]


def test_paper_is_the_papers_setting():
    paper = load_benchmark("paper")
    scheduler = paper.cluster.replica_scheduler
    assert (paper.cluster.replicas, paper.cluster.gpu, paper.cluster.model) == (
        4,
        "A10",
        "Llama-3-8B",
    )
    assert (scheduler.type, scheduler.chunk_size, scheduler.batch_size_cap) == (
        "sarathi",
        8192,
        128,
    )
    assert paper.duration == 1000
    assert paper.seeds == tuple(range(10))
    assert len(paper.held_out_seeds) == 10
    assert not set(paper.seeds) & set(paper.held_out_seeds)
    assert paper.workload["arrivals"]["rate"] == 7.5


def test_tight_and_loose_differ_from_paper_in_memory_only():
    paper = load_benchmark("paper")
    for name, blocks in {"paper-tight": 2048, "paper-loose": 3328}.items():
        other = load_benchmark(name)
        assert other.cluster.replica_scheduler.num_blocks == blocks
        assert other.workload == paper.workload
        assert other.seeds == paper.seeds


def test_held_out_seeds_may_be_absent(edited):
    assert edited(lambda values: values.pop("held_out_seeds")).held_out_seeds == ()


def test_hash_follows_what_decides_a_score(edited):
    same = edited(lambda values: values.update(description="another text", seeds="0-1"))
    assert same.hash == load_benchmark("paper").hash
    whole = edited(lambda values: values.update(duration=1000.0))
    assert whole.hash == same.hash
    other = edited(lambda values: values["workload"]["arrivals"].update(rate=7.6))
    assert other.hash != same.hash


def put(path: str, value):
    """An edit that sets ``a.b.c`` (indices of lists are numbers)."""

    def edit(values):
        *parents, last = path.split(".")
        for key in parents:
            values = values[int(key) if isinstance(values, list) else key]
        values[last] = value

    return edit


@pytest.mark.parametrize(
    ("edit", "key", "reason"),
    [
        (put("speed", 3), "speed", "is not a key here"),
        (put("cluster.gpus", 3), "cluster.gpus", "is not a key here; known: replicas, gpu"),
        (put("cluster.replicas", -4), "cluster.replicas", "must be at least 1, not -4"),
        (put("cluster.replicas", 2.5), "cluster.replicas", "must be a whole number, not 2.5"),
        (put("cluster.replicas", True), "cluster.replicas", "must be a whole number, not True"),
        (put("cluster.replicas", "4"), "cluster.replicas", "must be a whole number, not '4'"),
        (put("cluster.profile", "measured"), "cluster.profile", "must be one of analytic, vidur"),
        (put("cluster.gpu", "B9000"), "cluster.gpu", "B9000"),
        (put("cluster.model", "Llama-9"), "cluster.model", "Llama-9"),
        (put("cluster.replica_scheduler.type", "orca"), "cluster.replica_scheduler.type", "one of"),
        (
            put("cluster.replica_scheduler.max_tokens_in_batch", 4096),
            "cluster.replica_scheduler.max_tokens_in_batch",
            "is not a key here",
        ),
        (
            put("cluster.replica_scheduler.num_blocks", 512),
            "cluster.replica_scheduler.num_blocks",
            "do not hold a request of max_tokens 8192",
        ),
        (
            put(
                "cluster.replica_scheduler",
                {"type": "vllm", "num_blocks": 2400, "max_tokens_in_batch": 4096},
            ),
            "cluster.replica_scheduler.max_tokens_in_batch",
            "must be at least max_tokens (8192)",
        ),
        (put("cluster.groups", 4), "cluster.groups", "must be a list, not 4"),
        (put("cluster.groups", [{"replicas": 3}]), "cluster.groups", "hold 3 replicas"),
        (
            put("cluster.groups", [{"replicas": 4, "num_blocks": 300}]),
            "cluster.groups[0].num_blocks",
            "300 blocks of 16 tokens, less the watermark, do not hold a request",
        ),
        (put("cluster.memory_margin", 1), "cluster.memory_margin", "must be below 1, not 1"),
        (put("cluster.signals", {"delay": -1}), "cluster.signals.delay", "must be at least 0"),
        (put("cluster.signals", {"delay": 1e-3}), "cluster.signals.delay", "0 or at least 0.01"),
        (
            put("cluster.signals", {"delay": 1, "own_placements": "yes"}),
            "cluster.signals.own_placements",
            "must be true or false, not 'yes'",
        ),
        (
            put("cluster.failures", [{"replica": 4, "at": 1, "duration": 1}]),
            "cluster.failures[0].replica",
            "there are replicas 0 to 3, not 4",
        ),
        (
            put(
                "cluster.failures",
                [{"replica": 1, "at": 9, "duration": 1}, {"replica": 1, "at": 1, "duration": 8}],
            ),
            "cluster.failures[0].at",
            "replica 1 must have come back, which it does at 9",
        ),
        (put("cluster", [1]), "cluster", "must be a mapping, not [1]"),
        (put("cluster", None), "cluster", "is missing"),
        (put("duration", -1), "duration", "must be above 0, not -1"),
        (put("duration", float("nan")), "duration", "must be finite"),
        (put("duration", "long"), "duration", "must be a number, not 'long'"),
        (put("workload.arrivals.rate", 0), "workload.arrivals.rate", "must be above 0"),
        (put("workload.arrivals.process", "poisson"), "workload.arrivals.sigma", "not a key"),
        (
            put("workload.arrivals.bursts", {"every": 10, "last": 10, "factor": 2}),
            "workload.arrivals.bursts.last",
            "must be below every",
        ),
        (
            put("workload.lengths.prompt.0.share", 0.5),
            "workload.lengths.prompt",
            "must add up to 1",
        ),
        (put("workload.lengths.prompt.1.mu", "x"), "workload.lengths.prompt[1].mu", "a number"),
        (put("workload.lengths.prompt", []), "workload.lengths.prompt", "at least one entry"),
        (put("workload.lengths.output.maximum", 3), "workload.lengths.output.maximum", "minimum"),
        (
            put("workload.lengths", {"distribution": "file", "file": "/etc/passwd", "sha256": "0"}),
            "workload.lengths.file",
            "inside Vidur's checkout",
        ),
        (put("seeds", "9-0"), "seeds", "is not a range"),
        (put("seeds", [0, 1, 1]), "seeds", "names a seed twice"),
        (put("seeds", [-1]), "seeds", "is not a list of seeds"),
        (put("seeds", 1.5), "seeds", "is not a list of seeds"),
        (put("held_out_seeds", [9]), "held_out_seeds", "seed 9 is an evaluation seed too"),
        (put("objective", "p99"), "objective", "must be one of mean_response_time"),
        (put("objective", ["goodput"]), "objective", "must be one of mean_response_time"),
        (put("objective", "goodput"), "objective", "goodput needs slo, such as {ttft: 5"),
        (put("slo", {}), "slo", "needs ttft or tpot"),
        (put("slo", {"ttft": 0}), "slo.ttft", "must be above 0"),
        (put("constraints", [{"metric": "p99_ttft"}]), "constraints[0]", "either at_most or"),
        (
            put("constraints", [{"metric": "p98_ttft", "at_most": 1}]),
            "constraints[0].metric",
            "must be one of",
        ),
        (
            put("constraints", [{"metric": "p99_ttft", "at_most": 1, "relative_to": "LLQ"}]),
            "constraints[0].relative_to",
            "'LLQ' is none of this file's baselines",
        ),
        (
            put("constraints", [{"metric": "goodput", "at_least": 1}]),
            "constraints[0].metric",
            "goodput needs slo",
        ),
        (put("baselines", ["best"]), "baselines", "'best' is none of"),
        (put("baselines", "llq"), "baselines", "must be a list"),
        (put("limits.memory_mb", 0), "limits.memory_mb", "must be at least 1"),
        (put("description", " "), "description", "must be a text"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(edited, edit, key, reason):
    with pytest.raises(UsageError) as caught:
        edited(edit)
    message = str(caught.value)
    assert "\n" not in message
    assert "mine.yaml: " in message
    assert f"{key}: " in message
    assert reason in message


def test_unknown_name_says_what_there_is():
    with pytest.raises(UsageError, match=r"no benchmark 'papre'; there are .*paper"):
        load_benchmark("papre")
    with pytest.raises(UsageError, match="no benchmark"):
        load_benchmark("../benchmarks/paper")


@pytest.mark.parametrize("text", ["a: [", "- 1", "", "\x00"])
def test_what_is_no_mapping_is_refused(tmp_path, text):
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"broken\.yaml: (is not YAML|must be a mapping)"):
        load_benchmark(str(path))


def test_a_byte_order_mark_and_windows_lines_are_read(tmp_path):
    path = tmp_path / "windows.yaml"
    path.write_bytes("\ufeffextends: smoke\r\ndescription: für uns\r\n".encode())
    assert load_benchmark(str(path)).description == "für uns"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"description: f\xfcr uns", "is not UTF-8 text (byte 0xfc in line 1)"),
        ("extends: smoke".encode("utf-16"), "is not UTF-8 text"),
        (b"extends: smoke\nduration: 2024-13-41\n", "is not YAML"),
        (b"[" * 5000, "is not YAML"),
        (b"extends: smoke\nduration: !!int x\n", "is not YAML"),
    ],
)
def test_what_is_no_yaml_text_is_refused_in_one_line(tmp_path, content, reason):
    path = tmp_path / "broken.yaml"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        load_benchmark(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def extending(folder, text):
    path = folder / "mine.yaml"
    path.write_text(f"extends: {text}")
    return load_benchmark(str(path))


def test_what_belongs_to_the_former_kind_is_not_inherited(tmp_path):
    smoke = load_benchmark("smoke")
    vllm = "cluster: {replica_scheduler: {type: vllm, max_tokens_in_batch: 8192}}"
    scheduler = extending(tmp_path, f"smoke\n{vllm}").cluster.replica_scheduler
    assert (scheduler.type, scheduler.chunk_size, scheduler.max_tokens_in_batch) == (
        "vllm",
        None,
        8192,
    )
    assert scheduler.num_blocks == smoke.cluster.replica_scheduler.num_blocks

    poisson = extending(tmp_path, "smoke\nworkload: {arrivals: {process: poisson}}")
    assert poisson.workload == smoke.workload | {
        "arrivals": smoke.workload["arrivals"] | {"process": "poisson", "sigma": None}
    }

    file = "lengths: {distribution: file, file: a.csv, sha256: abc}"
    expected = {"distribution": "file", "file": "a.csv", "sha256": "abc"}
    assert extending(tmp_path, f"smoke\nworkload: {{{file}}}").workload["lengths"] == expected
    shift = f"workload: {{shift: {{{file}}}}}"
    shifted = extending(tmp_path, f"heterogeneous-load\n{shift}").workload["shift"]
    assert shifted["lengths"] == expected

    fitted = "{distribution: fitted, prompt: [{share: 1, mu: 5, sigma: 1}],"
    fitted += " output: {shape: 1, scale: 9, minimum: 1, maximum: 90}}"
    back = extending(tmp_path, f"conversation\nworkload: {{lengths: {fitted}}}")
    assert back.workload["lengths"]["output"]["maximum"] == 90


def test_the_same_kind_named_again_changes_nothing(tmp_path):
    same = "cluster: {replica_scheduler: {type: sarathi}}\nworkload: {arrivals: {rate: 7.5}}"
    assert extending(tmp_path, f"paper\n{same}").hash == load_benchmark("paper").hash


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("cluster: {replica_scheduler: {type: vllm}}", "max_tokens_in_batch: is missing"),
        (
            "cluster: {replica_scheduler: {type: vllm, max_tokens_in_batch: 8192, chunk_size: 9}}",
            "chunk_size: is not a key here",
        ),
        ("cluster: {replica_scheduler: {type: [1]}}", "type: must be one of sarathi, vllm"),
        ("workload: {lengths: {distribution: file}}", "file: is missing"),
        ("workload: {arrivals: {process: null}}", "process: is missing"),
    ],
)
def test_what_a_changed_kind_needs_is_still_asked_for(tmp_path, text, reason):
    with pytest.raises(UsageError, match=reason):
        extending(tmp_path, f"smoke\n{text}")


def test_extending_in_a_circle_is_refused(tmp_path):
    (tmp_path / "one.yaml").write_text("extends: two\n")
    (tmp_path / "two.yaml").write_text("extends: one\n")
    with pytest.raises(UsageError, match="extends this file in turn"):
        load_benchmark(str(tmp_path / "one.yaml"))
    (tmp_path / "one.yaml").write_text("extends: nowhere\n")
    with pytest.raises(UsageError, match="there is no benchmark 'nowhere'"):
        load_benchmark(str(tmp_path / "one.yaml"))


def test_own_file_may_extend_a_shipped_one(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("extends: paper\ncluster: {replicas: 8}\nseeds: [3, 5]\n")
    mine = load_benchmark(str(path))
    assert mine.name == "mine"
    assert mine.cluster.replicas == 8
    assert mine.cluster.max_tokens == 8192
    assert mine.seeds == (3, 5)


def test_the_kv_cache_is_what_memory_leaves_beside_the_weights(edited):
    """By hand: Llama-3-8B has 8.03e9 weights of 2 bytes, and takes 2 MiB for a block of 16."""
    blocks = edited(put("cluster.replica_scheduler.num_blocks", "auto")).cluster.replica_scheduler
    assert blocks.num_blocks == int((24e9 * 0.9 - 2 * 8_030_261_248) / 2**21) == 2641
    with_less = {"memory_margin": 0.05, "replica_scheduler.num_blocks": "auto"}

    def edit(values):
        for key, value in with_less.items():
            put(f"cluster.{key}", value)(values)
        values["cluster"]["groups"] = [
            {"replicas": 1}, {"replicas": 2, "gpu": "A100"}, {"replicas": 1, "num_blocks": 900}
        ]  # fmt: skip

    by_gpu = [int((memory * 0.95 - 2 * 8_030_261_248) / 2**21) for memory in (24e9, 80e9)]
    found = edited(edit).cluster.members
    assert [group.num_blocks for group in found] == [by_gpu[0], by_gpu[1], by_gpu[1], 900]
    assert [group.gpu for group in found] == ["A10", "A100", "A100", "A10"]


def test_a_cluster_that_is_plain_after_all_is_the_plain_one(edited):
    """No delay, and groups that are all alike; an absent key has no part in the hash."""

    def edit(values):
        values["cluster"] |= {
            "groups": [{"replicas": 1, "gpu": "A10"}, {"replicas": 3, "num_blocks": 2400}],
            "signals": {"delay": 0},
            "failures": [],
        }

    same = edited(edit)
    assert same.cluster == load_benchmark("paper").cluster
    assert same.hash == HASHES["paper"]


@pytest.mark.parametrize("name", ["failures", "stale-signals", "unequal-replicas"])
def test_what_vidur_does_not_simulate_is_kept_in_full_and_refused_there(name, tmp_path):
    benchmark = load_benchmark(name)
    path = tmp_path / "kept.yaml"
    path.write_text(to_yaml(benchmark))
    assert load_benchmark(str(path)) == benchmark
    told = json.loads(json.dumps(asdict(benchmark)))
    assert resolved(told, path) == benchmark
    assert cluster_of(told["cluster"]) == benchmark.cluster
    require(SIMULATORS["embedded"], benchmark)
    with pytest.raises(UsageError, match=f"{name} has cluster..*, which Vidur does not simulate"):
        require(SIMULATORS["vidur"], benchmark)


def routing(name):
    return Routing(load_benchmark(name), find("embedded"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("unequal-replicas", "replicas 0 to 1: A10, 2641 KV-cache blocks of 16 tokens; replica 2"),
        ("stale-signals", "refreshed every 5 s; its own placements are not seen until then either"),
        ("failures", "replica 1 from 200 to 260 s; replica 3 from 600 to 720 s"),
        ("paper-tight", "4 of Llama-3-8B, each on one A10 with 2048 KV-cache blocks"),
    ],
)
def test_agents_are_told_what_is_particular_about_the_cluster(name, words):
    for told in (routing(name).statement("THE BASELINES"), routing(name).brief()):
        assert words in told
        assert told.index("## The objective") < told.index(words)
        assert told.count("## What is particular about this cluster") == 1
    assert "particular" not in routing("paper").statement("")


def test_a_cluster_beyond_vidur_is_not_confirmed_there_and_that_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(problem, "is_installed", lambda: True)
    late, said = routing("stale-signals"), []
    assert late.confirm(tmp_path / "router.py", said.append) is None
    assert said == ["verification: not on Vidur, which does not simulate this cluster"]
    assert "VIDUR DOES NOT SIMULATE cluster.signals" in late.introduction()[0]
    assert routing("paper").introduction() == []
    results = {"benchmark": {"definition": asdict(late.benchmark)}, "vidur": {"installed": True}}
    assert late.presentation.confirmed(results) == (
        "",
        "Vidur does not simulate cluster.signals: nothing here was confirmed on it.",
    )
