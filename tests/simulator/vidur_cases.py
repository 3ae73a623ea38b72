"""Cases on which the engine is compared with Vidur: clusters, traces, routers, and both runs."""

import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from openglia import paths
from openglia.problems.routing.benchmark.definition import Cluster, ReplicaScheduler
from openglia.problems.routing.benchmark.trace import Trace, to_csv
from openglia.problems.routing.exchange import cluster_of
from openglia.problems.routing.hooks import REPLICA_SCHEDULER, policy_file
from openglia.problems.routing.simulator.engine import simulate, simulate_calling
from openglia.problems.routing.simulator.failures import RouterFailureError
from openglia.problems.routing.simulator.loading import load_router, resolve_policy, vidur_modules
from openglia.problems.routing.simulator.routers import ROUTERS
from openglia.problems.routing.simulator.scheduled import SchedulersHere

HERE = Path(__file__).resolve().parent
STUB = paths.ENVIRONMENT / "stubs" / "ai_replica_scheduler_stub.py"
RECORDINGS = HERE / "recordings"

FIELDS = (
    "completed_at",
    "first_token_at",
    "scheduled_at",
    "routed_at",
    "num_restarts",
    "replica_id",
)

POLICIES = (
    *(f"builtin:{name}" for name in REPLICA_SCHEDULER.builtins if name != "fcfs"),
    *("stub.py", "watching.py"),
)

# All cases share one profile, so that one small set of tables serves them.
MAX_TOKENS = 2048
CAP = 32
SARATHI = ReplicaScheduler(type="sarathi", num_blocks=400, batch_size_cap=CAP, chunk_size=512)
VLLM = ReplicaScheduler(
    type="vllm", num_blocks=400, batch_size_cap=CAP, max_tokens_in_batch=MAX_TOKENS
)


def cluster(scheduler: ReplicaScheduler, replicas: int) -> Cluster:
    return Cluster(
        replicas=replicas,
        gpu="A10",
        model="Llama-3-8B",
        max_tokens=MAX_TOKENS,
        replica_scheduler=scheduler,
    )


@dataclass(frozen=True)
class Case:
    """One simulation. ``router`` is a built-in's name or a file of tests/simulator/routers.

    ``policy`` likewise is the scheduler of the replicas, and a file of tests/simulator/policies.
    """

    name: str
    cluster: Cluster
    trace: Trace
    router: str
    seed: int
    policy: str | None = None

    @property
    def policy_file(self) -> Path | None:
        if self.policy is None or self.policy.startswith("builtin:"):
            return self.policy and policy_file(self.policy)
        return STUB if self.policy == "stub.py" else HERE / "policies" / self.policy

    @property
    def router_file(self) -> Path | None:
        return HERE / "routers" / self.router if self.router.endswith(".py") else None


def recorded_case(entry: dict, results: Mapping[str, np.ndarray]) -> Case:
    """The case of an entry of ``cases.json``, with its trace from ``results.npz``."""
    columns = ("arrived_at", "num_prefill_tokens", "num_decode_tokens")
    trace = Trace(*(results[f"{entry['name']}/{column}"].tolist() for column in columns))
    return Case(
        entry["name"],
        cluster_of(entry["cluster"]),
        trace,
        entry["router"],
        entry["seed"],
        entry.get("policy"),
    )


def draw_trace(rng: np.random.Generator, count: int, rate: float, prompts=120, outputs=90) -> Trace:
    """Bursty arrivals with ties, heavy-tailed lengths, some prompts longer than a chunk."""
    gaps = rng.lognormal(0.0, 1.5, count) / rate
    gaps[rng.random(count) < 0.15] = 0.0  # ties
    prompt = np.clip(rng.lognormal(np.log(prompts), 1.0, count).astype(np.int64), 1, 1500)
    output = np.clip(rng.lognormal(np.log(outputs), 0.9, count).astype(np.int64), 1, 540)
    return Trace(np.round(np.cumsum(gaps), 6).tolist(), prompt.tolist(), output.tolist())


def random_case(number: int, seed: int) -> Case:
    """A small case drawn from ``seed``; many are short of memory."""
    rng = np.random.default_rng([seed, number])
    choose = random.Random(f"{seed}-{number}")
    scheduler = replace(
        choose.choice([SARATHI, SARATHI, VLLM]),
        num_blocks=choose.choice([134, 140, 160, 250, 400]),
        watermark_blocks_fraction=choose.choice([0.0, 0.01, 0.05]),
    )
    if scheduler.type == "sarathi":
        scheduler = replace(scheduler, chunk_size=choose.choice([16, 48, 64, 200, 512, 2048]))
    routers = [*ROUTERS, *sorted(path.name for path in (HERE / "routers").glob("*.py"))]
    trace = draw_trace(
        rng,
        choose.choice([1, 20, 60, 120, 120]),
        choose.choice([2.0, 8.0, 40.0]),
        choose.choice([20, 120, 400]),
        choose.choice([3, 90, 250]),
    )
    router = choose.choice(routers)
    replicas = choose.randint(1, 6)
    return Case(f"random-{seed}-{number}", cluster(scheduler, replicas), trace, router, number)


def named_cases() -> list[Case]:
    """The cases that are recorded: each router, each replica scheduler, each kind of stress."""
    starved = {"num_blocks": 140}
    long_prompts = replace(SARATHI, chunk_size=64)
    narrow = replace(SARATHI, chunk_size=16, num_blocks=200)  # decodes alone can fill a chunk
    rng = np.random.default_rng(20260101)
    cases = []

    def add(name, scheduler, replicas, router, trace):
        cases.append(Case(name, cluster(scheduler, replicas), trace, router, len(cases)))

    for base in (SARATHI, VLLM):
        kind = base.type
        for router in (*ROUTERS, "hold_back.py", "reorder.py"):
            name = f"{kind}-{router.removesuffix('.py')}"
            add(name, base, 3, router, draw_trace(rng, 150, 12.0))
        for router in ("llq", "reorder.py"):
            name = f"{kind}-starved-{router.removesuffix('.py')}"
            add(name, replace(base, **starved), 2, router, draw_trace(rng, 150, 8.0, 150, 250))
        burst = draw_trace(rng, 120, 8.0)
        burst = replace(burst, arrived_at=[0.0] * 40 + [1.5] * 40 + [1.6] * 40)
        add(f"{kind}-burst", replace(base, num_blocks=200), 4, "llq", burst)
        # Equal requests at equal times: every batch of every replica ends in a tie.
        equal = Trace([0.5] * 40 + [2.0] * 40, [100] * 80, [60] * 80)
        add(f"{kind}-ties", replace(base, num_blocks=160), 4, "round_robin", equal)
        too_long = replace(draw_trace(rng, 20, 8.0), num_prefill_tokens=[1500] * 20)
        add(f"{kind}-stuck", replace(base, num_blocks=80), 2, "llq", too_long)
    add("sarathi-chunks", long_prompts, 2, "llq", draw_trace(rng, 150, 6.0, 400, 60))
    add("sarathi-narrow", narrow, 2, "llq", draw_trace(rng, 150, 6.0, 60, 120))
    return cases


def scheduling_cases(seed: int, draws: int) -> list[Case]:
    """Each scheduler on random cases of Sarathi, most short of memory; the router is LLQ."""
    cases = []
    for number in range(draws):
        case = random_case(number, seed)
        scheduler = replace(
            case.cluster.replica_scheduler,
            type="sarathi",
            num_blocks=(134, 160, 250)[number % 3],
            chunk_size=(512, 64, 16, 200)[number % 4],
            max_tokens_in_batch=None,
        )
        own = replace(case.cluster, replica_scheduler=scheduler, replicas=1 + number % 2)
        rng = np.random.default_rng([seed, number])
        trace = draw_trace(rng, 50, (4.0, 12.0)[number % 2], 150, 250)
        for policy in POLICIES:
            name = f"{policy.removeprefix('builtin:').removesuffix('.py')}-{number}"
            cases.append(Case(name, own, trace, "llq", number, policy))
    return cases


def run_engine(case: Case, times) -> dict:
    """The engine's results in the form of ``vidur_process``."""
    random.seed(case.seed)
    np.random.seed(case.seed)
    with vidur_modules():
        file = case.router_file
        router = load_router(file) if file else ROUTERS[case.router]
        try:
            if case.policy:
                make = resolve_policy(str(case.policy_file))
                calls = SchedulersHere(case.cluster, make, len(case.trace), None)
                simulation = simulate_calling(calls, case.cluster, case.trace, times, None)
            else:
                simulation = simulate(case.cluster, case.trace, router, times)
        except RouterFailureError as failure:
            return {"error": f"{failure.rule}: {failure.reason}"}
    records = simulation.records
    return {name: getattr(records, name) for name in FIELDS} | {"end_time": simulation.end_time}


def run_vidur(cases: list[Case], commit: str, tables: Path | None = None) -> list[dict]:
    """Vidur's results, by ``tables`` or by the trained predictors of the cases' one profile."""
    from openglia.problems.routing.vidur import command, predictors, tree

    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        tree.compose(place, None, commit)
        jobs = []
        for number, case in enumerate(cases):
            file = place / f"{number}.csv"
            file.write_text(to_csv(case.trace))
            router = case.router_file
            words = command.arguments(
                case.cluster, "ai" if router else case.router, file, place / "out", case.seed
            )
            words.append("--no-metrics_config_write_metrics")
            jobs.append(
                {
                    "words": words,
                    "router": str(router) if router else None,
                    "policy": str(case.policy_file) if case.policy else None,
                    "seed": case.seed,
                }
            )
        results = place / "results.json"
        subprocess.run(
            [
                *(sys.executable, "-P", str(HERE / "vidur_process.py"), str(results)),
                *([str(tables)] if tables else []),
            ],
            input=json.dumps(jobs),
            text=True,
            cwd=place if tables else predictors.folder(cases[0].cluster),
            env=predictors.simulation_environment(place),
            check=True,
        )
        found: list[dict] = json.loads(results.read_text())
        return found
