"""What the gap between the known routers and the clairvoyant consists of, in figures.

Each line of it is a policy on the evaluation seeds: head-room, and the one of ``informed`` with one
piece of knowledge after the other. Two things are said of the workload itself: how much of the
memory inflated outputs take, and a response time that no router can undercut.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import add
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.benchmark.workload import generate
from openglia.problems.routing.reference import informed
from openglia.problems.routing.reference.by_seed import by_seed
from openglia.problems.routing.reference.informed import Knowledge, Known, Secrets
from openglia.problems.routing.simulator.dispatch import MakeRouter
from openglia.problems.routing.simulator.engine import simulate
from openglia.problems.routing.simulator.loading import load_router, vidur_modules
from openglia.problems.routing.simulator.timing import KV_GRANULARITY, ExecutionTimes

_HEAD_ROOM = Path(__file__).parent / "routers" / "head_room.py"


@dataclass(frozen=True)
class Policy:
    """A line: what decides the order, what the memory; without them it is head-room."""

    words: str
    order: Known | None = None
    memory: Known | None = None
    margin: float = 0.0

    def router(self, secrets: Secrets) -> MakeRouter:
        if self.order is None or self.memory is None:
            with vidur_modules():
                return load_router(_HEAD_ROOM)
        order, memory = (Knowledge(known, secrets) for known in (self.order, self.memory))
        return informed.router(order, memory, self.margin)


def _knowing(words: str, order: Known, memory: Known, margin: float) -> Policy:
    return Policy(f"knows {words}", order, memory, margin)


# The uninformed policy's margin is the best of 0.03, 0.05, 0.07 and 0.1, in hindsight.
POLICIES = (
    Policy("head-room"),
    _knowing("what any router may know", "nothing", "nothing", 0.05),
    _knowing("the length before inflation", "length", "length", 0.05),
    _knowing("the output of what has passed the mean output", "late", "late", 0.02),
    _knowing("which are inflated", "inflation", "inflation", 0.05),
    _knowing("which are inflated, for the order alone", "inflation", "nothing", 0.05),
    _knowing("which are inflated, for the memory alone", "nothing", "inflation", 0.05),
    _knowing("all outputs, for the order alone", "everything", "nothing", 0.05),
    _knowing("all outputs, for the memory alone", "nothing", "everything", 0.02),
    _knowing("all outputs", "everything", "everything", 0.02),
)
UNINFORMED, LENGTH, LATE, INFLATION = POLICIES[1:5]
FOR_ORDER, FOR_MEMORY, ALL = POLICIES[-3:]


def measure(policy: Policy, benchmark: Benchmark) -> dict[str, list[float]]:
    """A policy on the evaluation seeds; each figure seed by seed.

    Returns:
        ``mean`` response time in seconds, that ``of_inflated`` and ``of_others``, and the share of
        requests ``restarted``.
    """
    return _columns(partial(_simulate, policy), benchmark)


def facts(benchmark: Benchmark) -> dict[str, list[float]]:
    """What is true of the traces whatever the router; each figure seed by seed.

    Returns:
        ``inflated``, a share of the requests, their share of the ``memory`` (tokens held, summed
        over iterations), and ``alone``, the mean of ``seconds_alone``.
    """
    return _columns(_facts, benchmark)


def _columns(
    figures: Callable[[Benchmark, int], dict[str, float]], benchmark: Benchmark
) -> dict[str, list[float]]:
    found = by_seed(figures, benchmark)
    return {name: [seed[name] for seed in found] for name in found[0]}


def _simulate(policy: Policy, benchmark: Benchmark, seed: int) -> dict[str, float]:
    secrets = Secrets.of(benchmark, seed)
    times = ExecutionTimes.load(benchmark.cluster)
    trace = generate(benchmark, seed)
    records = simulate(benchmark.cluster, trace, policy.router(secrets), times).records
    response = np.subtract(records.completed_at, records.arrived_at)
    return {
        "mean": float(response.mean()),
        "of_inflated": float(response[secrets.inflated].mean()),
        "of_others": float(response[~secrets.inflated].mean()),
        "restarted": float(np.greater(records.num_restarts, 0).mean()),
    }


def _facts(benchmark: Benchmark, seed: int) -> dict[str, float]:
    secrets, trace = Secrets.of(benchmark, seed), generate(benchmark, seed)
    prompts = np.array(trace.num_prefill_tokens)
    held = prompts * secrets.outputs + secrets.outputs * (secrets.outputs + 1) / 2
    times = ExecutionTimes.load(benchmark.cluster)
    alone = seconds_alone(times, trace.num_prefill_tokens, trace.num_decode_tokens)
    return {
        "inflated": float(secrets.inflated.mean()),
        "memory": float(held[secrets.inflated].sum() / held.sum()),
        "alone": float(alone.mean()),
    }


def seconds_alone(
    times: ExecutionTimes, prompts: Sequence[int], outputs: Sequence[int]
) -> NDArray[np.float64]:
    """Response times of requests that each have a replica of their own, s.

    No router can undercut them: company makes no batch shorter, and nothing runs before it arrives.
    """
    sizes = range(max(map(add, prompts, outputs)))  # tokens in the cache
    decode = [times.decode_seconds[1, -(-held // KV_GRANULARITY)] for held in sizes]
    until = np.concatenate([[0.0], np.cumsum(decode)])  # of decodes with fewer tokens in the cache
    first = np.add(prompts, 1)
    prefill = np.array([times.seconds(prompt, 0, 0, [(0, prompt)]) for prompt in prompts])
    alone: NDArray[np.float64] = prefill + until[np.add(prompts, outputs)] - until[first]
    return alone
