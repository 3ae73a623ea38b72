"""A router that knows every output length: outside the rules, and only to see how much is left.

It serves the smallest total (prompt plus output) first and places a request only where the KV cache
of the replica will hold all of its requests to their ends. It shows what knowledge of the lengths
is worth to a sensible policy; it is not a proof that no router does better. It runs in this process
on the embedded engine, because no evaluation would accept it.
"""

from bisect import insort
from operator import add

import numpy as np
from numpy.typing import NDArray

from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.benchmark.trace import Trace
from openglia.problems.routing.benchmark.workload import generate
from openglia.problems.routing.evaluation.measuring import Evaluation
from openglia.problems.routing.evaluation.requests import Requests
from openglia.problems.routing.evaluation.statistics import summarise
from openglia.problems.routing.reference.by_seed import by_seed
from openglia.problems.routing.simulator.dispatch import MakeRouter
from openglia.problems.routing.simulator.engine import simulate
from openglia.problems.routing.simulator.interface import (
    BaseGlobalScheduler,
    Replica,
    Request,
    SimulationConfig,
)
from openglia.problems.routing.simulator.results import REQUEST_COLUMNS
from openglia.problems.routing.simulator.timing import ExecutionTimes
from openglia.problems.routing.simulators import find

Array = NDArray[np.float64]


def measure(benchmark: Benchmark) -> Evaluation:
    """Its figures on the evaluation seeds, on the embedded engine, without limits or fence."""
    return Evaluation(
        scheduler="clairvoyant",
        benchmark=benchmark.name,
        benchmark_hash=benchmark.hash,
        simulator=find("embedded"),
        seeds=benchmark.seeds,
        full=True,
        wall_seconds=0.0,
        statistics=summarise(by_seed(_simulate, benchmark)),
        execution_times=ExecutionTimes.load(benchmark.cluster).source,
    )


def _simulate(benchmark: Benchmark, seed: int) -> Requests:
    trace = generate(benchmark, seed)
    times = ExecutionTimes.load(benchmark.cluster)
    records = simulate(benchmark.cluster, trace, router(trace), times).records
    return dict(zip(REQUEST_COLUMNS, map(np.array, records.columns()), strict=True))


def router(trace: Trace) -> MakeRouter:
    """A clairvoyant router for the requests of ``trace``."""
    totals = list(map(add, trace.num_prefill_tokens, trace.num_decode_tokens))

    class ClairvoyantRouter(BaseGlobalScheduler):
        def __init__(self, config: SimulationConfig, replicas: dict[int, Replica]) -> None:
            super().__init__(config, replicas)
            policy = config.cluster_config.replica_scheduler_config
            self._capacity = {  # tokens
                number: replica._config.num_blocks * policy.block_size
                for number, replica in self._replica_schedulers.items()
            }
            self._batch_size_cap = policy.batch_size_cap
            self._padding = policy.block_size / 2  # tokens lost in a request's last block, mean
            self._waiting: list[tuple[int, int, Request]] = []  # total, id, request
            self._placed: dict[int, list[Request]] = {replica: [] for replica in replicas}

        def schedule(self) -> list[tuple[int, Request]]:
            for request in self._request_queue:
                insort(self._waiting, (totals[request.id], request.id, request))
            self._request_queue.clear()
            if not self._waiting:
                return []
            state = {replica: self._state(replica) for replica in self._placed}
            placements: list[tuple[int, Request]] = []
            for _, _, request in self._waiting:
                admitting = [
                    (peak, replica)
                    for replica in state
                    if len(self._placed[replica]) < self._batch_size_cap
                    and (peak := self._peak(*_with(state[replica], self._sizes(request))))
                    <= self._capacity[replica]
                ]
                if not admitting:
                    break
                _, replica = min(admitting)
                state[replica] = _with(state[replica], self._sizes(request))
                self._placed[replica].append(request)
                placements.append((replica, request))
            del self._waiting[: len(placements)]
            return placements

        def _state(self, replica: int) -> tuple[Array, Array]:
            running = [request for request in self._placed[replica] if not request.completed]
            self._placed[replica] = running
            sizes = np.array([self._sizes(request) for request in running], dtype=np.float64)
            return tuple(sizes.reshape(-1, 2).T)  # type: ignore[return-value]

        def _sizes(self, request: Request) -> tuple[float, float]:
            """Tokens that the request holds now, and those that it has still to produce."""
            held = max(request.num_processed_tokens, request.num_prefill_tokens)
            return held + self._padding, max(totals[request.id] - held, 0)

        def _peak(self, held: Array, remaining: Array) -> float:
            """Most tokens that requests advancing in step will ever hold together."""
            order = np.argsort(remaining)
            alive = np.cumsum(held[order][::-1])[::-1]  # of those not finished before each end
            count = np.arange(len(held), 0, -1)
            return float(np.max(alive + count * remaining[order]))

    return ClairvoyantRouter


def _with(state: tuple[Array, Array], sizes: tuple[float, float]) -> tuple[Array, Array]:
    return np.append(state[0], sizes[0]), np.append(state[1], sizes[1])
