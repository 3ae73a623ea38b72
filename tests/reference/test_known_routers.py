"""Each known router's decision in a situation that is small enough to work out by hand."""

import math
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from openglia.problems.routing.benchmark.definition import Group
from openglia.problems.routing.benchmark.loading import load_benchmark
from openglia.problems.routing.benchmark.workload import generate
from openglia.problems.routing.family.policy import ADMISSION
from openglia.problems.routing.family.rendering import render
from openglia.problems.routing.family.space import ROUTERS
from openglia.problems.routing.reference.references import REFERENCES
from openglia.problems.routing.simulator.dispatch import config_of, replicas_of
from openglia.problems.routing.simulator.engine import simulate
from openglia.problems.routing.simulator.interface import Request
from openglia.problems.routing.simulator.loading import load_router, vidur_modules
from openglia.problems.routing.simulator.timing import ExecutionTimes

BLOCK = 16
FILES = {Path(r.scheduler).stem: Path(r.scheduler) for r in REFERENCES if r.scheduler[0] == "/"}
CLUSTER = load_benchmark("smoke").cluster


class Bench:
    """A router, replicas of a few blocks, and by hand what the engine does."""

    def __init__(self, name: str, *, replicas: int = 2, blocks: int = 100, each=None) -> None:
        """``each``: the blocks of each replica, where they differ."""
        policy = replace(CLUSTER.replica_scheduler, num_blocks=blocks)
        cluster = replace(CLUSTER, replicas=replicas, replica_scheduler=policy)
        if each is not None:
            groups = tuple(Group(replicas=1, gpu=CLUSTER.gpu, num_blocks=own) for own in each)
            cluster = replace(cluster, replicas=len(each), groups=groups)
        with vidur_modules():
            kind = load_router(FILES.get(name, Path(name)))
        self.module = kind.schedule.__globals__
        self.router = kind(config_of(cluster), replicas_of(cluster))
        self.views = self.router._replica_schedulers
        self.count = 0

    def arrive(self, prompt: int, at: float = 0.0) -> Request:
        request = Request(self.count, at, prompt)
        self.count += 1
        self.router.add_request(request)
        return request

    def route(self) -> list[tuple[int, int]]:
        """Replica and id of what is placed; it begins to run at once."""
        placements = self.router.schedule()
        for number, request in placements:
            self.run(number, request)
        return [(number, request.id) for number, request in placements]

    def run(self, number: int, request: Request, produced: int = 0) -> None:
        view = self.views[number]
        known = request.id in view._active
        view.num_active_requests += not known
        view._active[request.id] = request
        request._processed = request.num_prefill_tokens + produced
        view.num_allocated_blocks = sum(
            math.ceil(r.num_processed_tokens / BLOCK) for r in view._active.values()
        )

    def complete(self, number: int, request: Request, output: int) -> None:
        self.run(number, request, output)
        view = self.views[number]
        del view._active[request.id]
        view.num_active_requests -= 1
        view.num_allocated_blocks -= math.ceil(request.num_processed_tokens / BLOCK)
        request.completed = True

    def teach(self, prompt: int, outputs: list[int]) -> None:
        """Let requests complete, one after the other."""
        for output in outputs:
            request = self.arrive(prompt)
            ((number, _),) = self.route()
            self.complete(number, request, output)
        self.router.schedule()

    def occupy(self, number: int, prompt: int, produced: int = 0) -> None:
        """A request that the router did not place itself."""
        self.run(number, Request(1000 + self.count, 0.0, prompt), produced)
        self.count += 1


HOLDING = sorted(set(FILES) - {"look_ahead", "power_of_two"})


def rendered(folder, admission):
    drawn = ROUTERS.sample(random.Random(1), admission=admission, order="arrival")
    file = folder / f"{admission}.py"
    file.write_text(render(replace(drawn, margin=0.1, caution=0)))
    return str(file)


@pytest.mark.parametrize("each", [(40, 400), (400, 40)])
@pytest.mark.parametrize("name", [*HOLDING, "of the family"])
def test_each_replica_has_a_memory_of_its_own(name, each, tmp_path):
    names = [name]
    if name == "of the family":
        names = [rendered(tmp_path, one) for one in ADMISSION.options if one not in ("none", "cap")]
        assert len(names) == 4
    for one in names:
        bench = Bench(one, each=each)
        for _ in range(100):
            bench.arrive(16 * 5)
        placed = [number for number, _ in bench.route()]
        taken = {blocks: 5 * placed.count(number) for number, blocks in enumerate(each)}
        assert 0 < taken[40] <= 40, one
        assert 5 * taken[40] <= taken[400] <= 400, one


def test_power_of_two_never_takes_the_fullest_and_looks_at_two_alone():
    bench = Bench("power_of_two", replicas=3)
    random.seed(1)
    for number, load in enumerate((0, 1, 2)):
        for _ in range(load):
            bench.occupy(number, 16)
    taken = []
    for _ in range(60):
        bench.arrive(16)
        taken += [number for number, _ in bench.router.schedule()]
    assert set(taken) == {0, 1}
    assert 10 < taken.count(1) < 30  # a third: where replica 0 is not drawn


def test_the_expert_commits_what_is_there_and_lets_all_wait_behind_what_does_not_fit():
    bench = Bench("expert")  # 100 blocks, of which it commits 93
    bench.occupy(0, 160, produced=640)  # 50 blocks
    bench.occupy(1, 16 * 30)
    bench.occupy(1, 16)  # 31 blocks, two in flight
    first, second = bench.arrive(16 * 43), bench.arrive(16 * 62)
    third = bench.arrive(16 * 64)
    # 50 + 43 are within the limit and there is one in flight; 31 + 62 too, on the other; then none.
    assert bench.route() == [(0, first.id), (1, second.id)]
    assert bench.router._request_queue == [third]


def test_the_expert_does_not_count_the_output_to_come():
    bench = Bench("expert", replicas=1)
    bench.occupy(0, 16, produced=16 * 91)  # 92 blocks: of its prompt it is one
    bench.arrive(17)
    assert bench.route() == []
    bench.arrive(16)
    assert len(bench.route()) == 1


def brute_peak(there: list[tuple[float, float]]) -> float:
    """Step by step: what requests hold that produce a token each until they end."""
    last = int(max(left for _, left in there))
    return max(sum(held + step for held, left in there if left >= step) for step in range(last + 1))


@pytest.mark.parametrize("seed", range(5))
def test_the_peak_of_future_memory_is_that_of_a_simulation(seed):
    drawn = random.Random(seed)
    there = [(drawn.randint(1, 300), drawn.randint(1, 200)) for _ in range(drawn.randint(1, 9))]
    assert Bench("past_future").module["peak"](there) == brute_peak(there)
    held, left = np.array(there, dtype=float).T
    assert Bench("smallest_volume").module["peak"](held, left) == brute_peak(there)


@pytest.mark.parametrize(("output", "fits"), [(150, True), (400, False)])
def test_past_future_counts_with_outputs_longer_than_what_was_produced(output, fits):
    bench = Bench("past_future", replicas=1, blocks=40)  # 640 tokens, 608 of them usable
    bench.teach(16, [10] * 90)  # not longer than 100
    running, other = bench.arrive(16), bench.arrive(16)
    bench.route()
    bench.run(0, running, produced=100)  # with half a block it holds 124
    bench.complete(0, other, output)
    bench.router.schedule()
    bench.router._sorted = [output]
    bench.arrive(176)
    # With 150: 50 steps on, 174 + 234 tokens. With 400: 300 steps on, 424 + 484.
    assert bool(bench.route()) == fits


def test_past_future_serves_in_order_of_arrival():
    bench = Bench("past_future", replicas=1, blocks=40)
    bench.teach(16, [100])
    first = bench.arrive(16 * 20, at=1.0)
    bench.arrive(16 * 20, at=2.0)
    bench.arrive(1, at=3.0)  # would fit, and waits
    assert bench.route() == [(0, first.id)]


def test_nested_wait_fills_the_memory_with_requests_in_balance():
    fluid = Bench("nested_wait").module["fluid"]
    stages = fluid([100, 40], 50.0, 9000.0)
    # Of 100 tokens 64 are spent in the first stage, with 82 tokens held on average, 36 in the
    # second with 132; 40 in the first with 70.
    areas = (64 * 82 + 40 * 70) / 2, 36 * 132 / 2
    rate = 9000 / sum(areas)
    assert stages[0] == pytest.approx((rate * 52, areas[0] / 52))
    assert stages[1] == pytest.approx((rate * 18, areas[1] / 18))
    assert [count for count, _ in stages[2:]] == [0] * 6


def test_nested_wait_closes_the_first_stage_at_its_threshold_and_for_a_later_one_in_excess():
    router = Bench("nested_wait").router
    tokens = 5000  # of which the buffer is 250
    router._stages = {tokens: [(5.0, 100.0), (3.0, 200.0)]}
    assert router.takes_in([4, 3], tokens) and not router.takes_in([5, 3], tokens)
    assert router.takes_in([4, 4], tokens)  # 200 tokens in excess: the buffer has them
    assert not router.takes_in([4, 5], tokens)  # 400: 150 over it, so 1.5 requests less
    assert router.takes_in([2, 5], tokens)
    assert router.takes_in([4, 0], tokens)  # what a later stage leaves is not lent


def test_the_smallest_volume_need_not_be_the_shortest_prompt():
    bench = Bench("smallest_volume", blocks=400)
    bench.teach(20, [2000] * 60)  # (60 x 2000 + 10 x 256) / 70 = 1751 tokens
    bench.teach(250, [5] * 60)  # (60 x 5 + 10 x 256) / 70 = 41
    short, long = bench.arrive(20), bench.arrive(250)
    placed = bench.route()
    assert [request for _, request in placed] == [long.id, short.id]
    assert placed[0][0] != placed[1][0]  # to the one with the least volume to come


def test_the_smallest_volume_waits_where_memory_is_not_to_fit_until_the_ends():
    bench = Bench("smallest_volume", replicas=1, blocks=40)  # 640 tokens
    bench.teach(20, [100] * 1000)  # so 102 tokens are expected of each
    placed = [bench.arrive(20) for _ in range(6)]
    # Five end with 5 x (20 + 8 + 102) = 648 tokens; four fit.
    assert [request for _, request in bench.route()] == [r.id for r in placed[:4]]


def test_a_tail_aware_order_is_between_arrival_and_size():
    bench = Bench("tail_aware")
    boosted, scale = bench.module["boosted"], bench.module["SCALE"]
    assert boosted(10.0, 1.0) == pytest.approx(10 + scale * math.log(1 - math.exp(-1)))
    assert boosted(0.0, 40.0) == pytest.approx(0.0, abs=1e-9)  # long: it counts when it comes
    # A hundredth of the mean size goes before the mean one unless that came long enough before.
    lead = scale * (math.log(1 - math.exp(-1)) - math.log(1 - math.exp(-0.01)))
    for wait, long_first in ((lead - 1, False), (lead + 1, True)):
        assert (boosted(0.0, 1.0) < boosted(wait, 0.01)) == long_first


def test_tail_aware_takes_sizes_over_the_mean_prompt():
    bench = Bench("tail_aware", replicas=1, blocks=100)
    bench.module["SCALE"] = 60
    old, new = bench.arrive(900, at=0.0), bench.arrive(100, at=60.0)
    # Sizes 1.8 and 0.2: boosts of 11 and 102 s.
    assert [request for _, request in bench.route()] == [new.id]
    assert bench.router._request_queue == [old]


def brute_end(running, waiting, capacity, prompt_cost, cached_cost) -> float:
    """Iteration by iteration; each list holds [tokens held, tokens to come]."""
    now, prefill = 0.0, 0.0
    running, waiting = [list(r) for r in running], [list(w) for w in waiting]
    last = waiting[-1]
    while True:
        while waiting and (
            not running or sum(held for held, _ in running) + waiting[0][0] <= capacity
        ):
            prefill += waiting[0][0]
            running.append(waiting.pop(0))
        held = sum(tokens for tokens, _ in running)
        now += 1 + cached_cost * (held + len(running) / 2) + prompt_cost * prefill
        prefill = 0.0
        for request in running:
            request[0] += 1
            request[1] -= 1
        if last in running and last[1] <= 0:
            return now
        running = [request for request in running if request[1] > 0]


@pytest.mark.parametrize("seed", range(4))
def test_the_look_ahead_is_a_simulation_in_steps(seed):
    drawn = random.Random(seed)
    bench = Bench("look_ahead", replicas=1, blocks=30)
    bench.module["CACHED_TOKEN"] = 0.001
    outputs = [40] * 7 + [90] * 3
    bench.router._outputs, bench.router._longer = sorted(outputs), [0]
    for output in sorted(outputs, reverse=True):
        bench.router._longer.append(bench.router._longer[-1] + output)
    bench.router._mean = 55
    running = []
    for produced in (drawn.randint(0, 54), drawn.randint(55, 89)):
        prompt = drawn.randint(20, 80)
        request = Request(produced, 0.0, prompt)
        bench.run(0, request, produced)
        request.is_prefill_complete = True
        bench.router._prompts[request] = prompt
        expected = 55 if produced < 55 else 90  # the mean, or that of the longer ones
        running.append((prompt + produced, expected - produced))
    newcomers = [bench.arrive(drawn.randint(100, 300)) for _ in range(3)]
    waiting = [(request.num_prefill_tokens, 55) for request in newcomers]
    assert bench.router.end_of_last(0, newcomers) == pytest.approx(
        brute_end(running, waiting, 480, bench.module["PROMPT_TOKEN"], 0.001), rel=1e-6
    )


def test_look_ahead_takes_the_replica_where_the_request_ends_first():
    bench = Bench("look_ahead", blocks=30)
    bench.occupy(0, 300)  # leaves no room for the request until it ends
    bench.occupy(1, 16)
    bench.occupy(1, 16)  # more requests, but room
    request = bench.arrive(200)
    assert bench.route() == [(1, request.id)]


def test_projected_memory_is_a_mean_over_the_outputs_that_were_longer():
    module = Bench("projection").module
    past = np.array([10, 20, 30, 2000])
    found = module["tokens_ahead"](np.array([115.0, 50.0]), np.array([15, 0]), past)
    # The first runs on with 20, 30 or 2000 as likely, the second with any of the four.
    for ahead, tokens in zip(module["AHEAD"], found, strict=True):
        stays = [np.mean([output > a + ahead for output in past if output > a]) for a in (15, 0)]
        assert tokens == pytest.approx(stays[0] * (115 + ahead) + stays[1] * (50 + ahead))


@pytest.mark.parametrize("name", FILES)
def test_every_known_router_serves_a_small_load_to_its_end(name):
    benchmark = replace(load_benchmark("smoke"), duration=15.0)
    policy = replace(CLUSTER.replica_scheduler, num_blocks=1000)  # tight
    cluster = replace(CLUSTER, replica_scheduler=policy)
    trace = generate(benchmark, 1)
    random.seed(0)
    with vidur_modules():
        times = ExecutionTimes.analytic(cluster)
        records = simulate(cluster, trace, load_router(FILES[name]), times).records
    assert records.completed == len(trace)
    assert records.num_decode_tokens == trace.num_decode_tokens
