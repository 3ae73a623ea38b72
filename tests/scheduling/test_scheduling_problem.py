"""The second problem at the door: what it says, refuses, measures, and what searches it."""

import re
from dataclasses import asdict, replace
from random import Random

import pytest

from openglia.errors import UsageError
from openglia.presenting.presentation import Presentation
from openglia.problems.problem import Look
from openglia.problems.registry import kind, opened
from openglia.problems.routing.benchmark.definition import Signals
from openglia.problems.routing.benchmark.loading import load_benchmark
from openglia.problems.routing.benchmark.workload import generate
from openglia.problems.routing.hooks import REPLICA_SCHEDULER
from openglia.problems.routing.rules.checking import check
from openglia.problems.routing.rules.unused import uncalled_methods
from openglia.problems.routing.simulator.engine import simulate_calling
from openglia.problems.routing.simulator.loading import resolve_policy, vidur_modules
from openglia.problems.routing.simulator.policy import ReplicaPolicy
from openglia.problems.routing.simulator.scheduled import SchedulersHere
from openglia.problems.routing.simulator.timing import ExecutionTimes
from openglia.problems.routing.simulators import find
from openglia.problems.scheduling.family import policy
from openglia.problems.scheduling.family.task import SCHEDULERS
from openglia.problems.scheduling.presentation import STUB, SchedulingPresentation
from openglia.problems.scheduling.problem import Scheduling

SMOKE = load_benchmark("smoke")
# Memory is short, so that it matters who is admitted and who is evicted.
POLICY = replace(SMOKE.cluster.replica_scheduler, num_blocks=600)
TIGHT = replace(
    SMOKE, name="tight", duration=12.0, cluster=replace(SMOKE.cluster, replica_scheduler=POLICY)
)


@pytest.fixture(scope="module")
def problem():
    return Scheduling(TIGHT, find("embedded"))


def test_it_is_found_by_its_name_and_restored_from_results(problem, tmp_path):
    found = opened("scheduling", "smoke", "embedded")
    assert (found.kind, found.name) == ("scheduling", "smoke")
    assert kind("scheduling").restore(tmp_path, found.describe()).differs(found.describe()) is None
    shown = kind("scheduling").shown(found.describe(), tmp_path)
    assert isinstance(shown, SchedulingPresentation)
    assert shown.options(tmp_path, found.describe())[:2] == ["--problem", "scheduling"]
    assert found.baselines == REPLICA_SCHEDULER.builtins
    assert isinstance(shown, Presentation)


def test_its_words_hold_the_objective_the_figures_and_what_may_be_read(problem):
    told = problem.statement("FIGURES")
    assert "FIGURES" in told
    assert "The **mean response time**" in told
    assert "<!--" not in told
    assert str(problem.working_file.name) in told
    assert "## How to evaluate" not in (brief := problem.brief())
    assert "## A replica: `ReplicaScheduler`" in brief
    assert "## When they are called" in brief
    named = set(re.findall(r"^\| `(?:self\.)?(\w+)", problem.interfaces[0].read_text(), re.M))
    own = {name for name in dir(ReplicaPolicy) if not name.startswith("_")}
    assert named == own | {"__init__", "replica"}


@pytest.mark.parametrize(
    ("cluster", "words"),
    [
        (
            {"replica_scheduler": replace(POLICY, type="vllm", max_tokens_in_batch=8192)},
            "benchmark tight: its replica scheduler is vllm",
        ),
        ({"signals": Signals(delay=1.0)}, "benchmark tight: old signals and failures"),
    ],
)
def test_what_it_is_not_for_is_refused_in_a_line(cluster, words):
    benchmark = replace(TIGHT, cluster=replace(TIGHT.cluster, **cluster))
    with pytest.raises(UsageError) as caught:
        Scheduling(benchmark, find("embedded"))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_stub_is_the_yardstick_and_others_are_not(problem, tmp_path):
    look = Look(TIGHT.seeds[:1])
    stub = problem.measure(STUB, look)
    assert stub["ratio_to_fcfs"] == 1.0
    fcfs = problem.measure_baseline("fcfs", look)
    assert (stub["per_seed"], stub["restarted_share"]) == (
        fcfs["per_seed"],
        fcfs["restarted_share"],
    )
    assert fcfs["restarted_share"] > 0.05
    lines = {name: problem.measure_baseline(name, look) for name in problem.baselines[1:]}
    assert len({line["mean_response_time"] for line in (fcfs, *lines.values())}) == 4
    told = problem.presentation.table({"stub": stub, **lines})
    assert told[0][0] == "scheduler"
    assert "to FCFS" in told[0]
    assert "ratio to FCFS" in problem.told(stub)


def test_apart_from_the_engine_it_does_the_same_and_a_router_is_no_candidate(problem, tmp_path):
    scheduler = tmp_path / "scheduler.py"
    scheduler.write_text(SCHEDULERS.render(SCHEDULERS.sample(Random(3), admission="learned")))
    look = Look(TIGHT.held_out_seeds[:1])
    beside = problem.measure(scheduler, look, output=tmp_path / "beside")
    apart = problem.measure_isolated(scheduler, look, tmp_path / "apart")
    if isinstance(apart, str):
        pytest.skip(apart)
    assert beside["status"] == apart["status"] == "ok"
    assert beside["by_seed"] == apart["by_seed"]
    case = look.cases[0]
    assert problem.difference(tmp_path / "beside", tmp_path / "apart", case) is None
    router = "class AIGlobalScheduler:\n    def schedule(self): return []\n"
    scheduler.write_text(router)
    refused = problem.measure(scheduler, look)
    assert refused["rule"] == "rules"
    assert "class AIReplicaScheduler(ReplicaPolicy)" in refused["reason"]


def test_the_rules_speak_of_a_scheduler():
    source = STUB.read_text()
    assert check(source, hook=REPLICA_SCHEDULER) == []
    assert uncalled_methods(source, REPLICA_SCHEDULER) == []
    bad = source + "\n    def help(self):\n        return open('x')\n"
    (violation,) = check(bad, hook=REPLICA_SCHEDULER)
    assert violation.message == "`open` is not available to a scheduler: a scheduler has no files"
    (unused,) = uncalled_methods(bad, REPLICA_SCHEDULER)
    assert "admit when a batch has room for a prompt" in unused


def test_every_scheduler_of_the_family_obeys_the_rules_and_says_its_choices():
    random = Random(5)
    drawn = [SCHEDULERS.explore(number, random) for number in range(16)]
    drawn += [SCHEDULERS.neighbour(point, random, 0.3) for point in drawn]
    for point in drawn:
        source = SCHEDULERS.render(point)
        assert check(source, hook=REPLICA_SCHEDULER) == [], point
        assert uncalled_methods(source, REPLICA_SCHEDULER) == []
        assert all(len(line) <= 100 for line in source.splitlines())
        assert policy.VICTIM.means(point.victim) in SCHEDULERS.explain(point)
        unused = asdict(point).keys() - SCHEDULERS.settings(point).keys()
        assert all(not asdict(point)[name] for name in unused)
    assert len({SCHEDULERS.render(point) for point in drawn}) > 16
    plain = {"order": "arrival", "resume": "first", "admission": "none", "victim": "youngest"}
    short = SCHEDULERS.render(SCHEDULERS.sample(random, **plain, overtaking="no"))
    assert "learn" not in short
    assert "AGE_WEIGHT" not in short


def test_one_of_each_choice_completes_every_request(tmp_path):
    random = Random(9)
    trace = generate(TIGHT, 0)
    times = ExecutionTimes.analytic(TIGHT.cluster)
    restarts = set()
    for number, victim in enumerate(policy.VICTIM.options):
        fixed = {"victim": victim, "admission": policy.ADMISSION.options[number % 4]}
        file = tmp_path / f"{victim}.py"
        file.write_text(SCHEDULERS.render(SCHEDULERS.sample(random, **fixed)))
        with vidur_modules():
            make = resolve_policy(str(file))
            calls = SchedulersHere(TIGHT.cluster, make, len(trace), None)
            records = simulate_calling(calls, TIGHT.cluster, trace, times, None).records
        assert records.completed == len(trace)
        restarts.add(sum(records.num_restarts))
    assert len(restarts) > 3
