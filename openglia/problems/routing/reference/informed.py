"""One policy with more or less knowledge of the output lengths: what is each piece worth?

The policy is much like the clairvoyant's: the smallest expected total (prompt plus output) first,
to the replica with the lowest expected peak of memory, admitted while that peak fits. All that
differs is what is known of a request's output, as the probability that it runs h tokens longer. It
runs in this process on the embedded engine, as no evaluation would accept it.

An output is a length, and with a small probability it is inflated to a multiple of that. So there
are two secrets, independent of each other, and both together are the output:

- ``nothing``: neither. What the policy knows is what any router may know: the distribution of
  outputs, which it is given exactly, and what each request has produced so far.
- ``inflation``: which requests are inflated.
- ``length``: the length before inflation.
- ``late``: the output, once the request has produced more than the mean output.
- ``everything``: both secrets.
"""

from bisect import insort
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.benchmark.workload import generate
from openglia.problems.routing.simulator.dispatch import MakeRouter
from openglia.problems.routing.simulator.interface import (
    BaseGlobalScheduler,
    Replica,
    Request,
    SimulationConfig,
)

Array = NDArray[np.float64]
Whole = NDArray[np.int64]
Known = Literal["nothing", "inflation", "length", "late", "everything"]

AHEAD: Whole = np.unique(np.geomspace(1, 8192, 48).round().astype(np.int64))  # h, tokens
_SAMPLE_SECONDS, _SAMPLE_SEED = 20_000.0, 2**31  # of arrivals that make up the distribution

_samples: dict[str, tuple[Whole, Whole]] = {}  # by benchmark


@dataclass(frozen=True)
class Secrets:
    """Of a benchmark's workload, and of one trace: what no router is told."""

    outputs: Whole  # tokens, by request
    lengths: Whole  # before inflation
    factor: int  # of inflation
    share: float  # of the requests, inflated
    all_outputs: Whole  # a large sample, sorted
    plain_outputs: Whole  # those not inflated
    inflated_outputs: Whole

    @classmethod
    def of(cls, benchmark: Benchmark, seed: int) -> "Secrets":
        """Of the trace of ``seed``."""
        outputs, lengths = _twice(benchmark, seed)
        name, long = benchmark.name, replace(benchmark, duration=_SAMPLE_SECONDS)
        if name not in _samples:
            _samples[name] = _twice(long, _SAMPLE_SEED)
        drawn, plain = _samples[name]
        inflated = drawn != plain
        return cls(
            outputs=outputs,
            lengths=lengths,
            factor=benchmark.workload["lengths"]["inflation"]["factor"],
            share=float(inflated.mean()),
            all_outputs=np.sort(drawn),
            plain_outputs=np.sort(drawn[~inflated]),
            inflated_outputs=np.sort(drawn[inflated]),
        )

    @property
    def inflated(self) -> NDArray[np.bool_]:
        """Which requests are, one entry each."""
        inflated: NDArray[np.bool_] = np.not_equal(self.outputs, self.lengths)
        return inflated


def _twice(benchmark: Benchmark, seed: int) -> tuple[Whole, Whole]:
    """The outputs of a trace with inflation and without: each has a random stream of its own."""
    workload = dict(benchmark.workload)
    inflation = {**workload["lengths"]["inflation"], "output_share": 0.0}
    workload["lengths"] = {**workload["lengths"], "inflation": inflation}
    without = replace(benchmark, workload=workload)
    both = (generate(b, seed).num_decode_tokens for b in (benchmark, without))
    with_it, plain = (np.array(outputs, dtype=np.int64) for outputs in both)
    return with_it, plain


class Knowledge:
    """What is known of the outputs, at one of the levels of the module."""

    def __init__(self, known: Known, secrets: Secrets) -> None:
        self.known = known
        self._secrets = secrets
        self._mean = float(secrets.all_outputs.mean())
        self._any = _survival(secrets.all_outputs)
        self._plain = _survival(secrets.plain_outputs)
        self._inflated = _survival(secrets.inflated_outputs)
        expected = {
            "nothing": np.full(len(secrets.outputs), self._mean),
            "late": np.full(len(secrets.outputs), self._mean),
            "inflation": np.where(
                secrets.inflated, secrets.inflated_outputs.mean(), secrets.plain_outputs.mean()
            ),
            "length": secrets.lengths * (self._mean / secrets.plain_outputs.mean()),
            "everything": secrets.outputs.astype(float),
        }
        self.expected: Array = expected[known]  # tokens, by request

    def stays(self, ids: Whole, produced: Whole) -> Array:
        """P(runs h tokens longer), by h and request."""
        until = produced + AHEAD[:, None]
        if self.known == "everything":
            return (self._secrets.outputs[ids] > until).astype(float)
        if self.known == "inflation":
            of_inflated = _ratio(self._inflated, until, produced)
            of_plain = _ratio(self._plain, until, produced)
            return np.where(self._secrets.inflated[ids], of_inflated, of_plain)
        if self.known == "length":  # past it, the request is inflated, and so its end is known
            length, output = self._secrets.lengths[ids], self._secrets.outputs[ids]
            later = np.where(produced >= length, 1.0, self._secrets.share)
            longest = np.where(produced >= length, output, length * self._secrets.factor)
            return np.where(length > until, 1.0, later * (longest > until))
        stays = _ratio(self._any, until, produced)
        if self.known == "late":
            sure = self._secrets.outputs[ids] > until
            stays = np.where(produced > self._mean, sure, stays)
        return stays


def _survival(outputs: Whole) -> Array:
    """P(output > n) for n = 0, 1, ...; never 0, so that it can be a condition."""
    counts = np.bincount(outputs, minlength=2 * int(AHEAD[-1]) + 2)
    return np.maximum(1 - np.cumsum(counts) / len(outputs), 1e-9)


def _ratio(survival: Array, until: Whole, produced: Whole) -> Array:
    ratio: Array = survival[np.minimum(until, len(survival) - 1)] / survival[produced]
    return ratio


def router(order: Knowledge, memory: Knowledge, margin: float) -> MakeRouter:
    """The policy: ``order`` decides who goes first, ``memory`` where and whether it fits.

    ``margin`` is the share of the memory that an admission leaves free; it may be negative.
    """

    class InformedRouter(BaseGlobalScheduler):
        def __init__(self, config: SimulationConfig, replicas: dict[int, Replica]) -> None:
            super().__init__(config, replicas)
            policy = config.cluster_config.replica_scheduler_config
            self._usable = {  # tokens
                number: (1 - margin) * replica._config.num_blocks * policy.block_size
                for number, replica in self._replica_schedulers.items()
            }
            self._padding = policy.block_size / 2  # tokens lost in a request's last block, mean
            self._batch_size_cap = policy.batch_size_cap
            self._waiting: list[tuple[float, int, Request]] = []  # expected total, id, request
            self._placed: dict[int, list[tuple[Request, int]]] = {r: [] for r in replicas}
            self._tokens = {replica: np.zeros(len(AHEAD)) for replica in replicas}

        def schedule(self) -> list[tuple[int, Request]]:
            for request in self._request_queue:
                total = request.num_prefill_tokens + order.expected[request.id]
                insort(self._waiting, (total, request.id, request))
            self._request_queue.clear()
            self._look()
            placements: list[tuple[int, Request]] = []
            for _, number, request in self._waiting:
                prompt = request.num_prefill_tokens
                stays = memory.stays(np.array([number]), np.array([0]))[:, 0]
                its = stays * (prompt + self._padding + AHEAD)
                admitting = [
                    (peak, replica)
                    for replica, tokens in self._tokens.items()
                    if len(self._placed[replica]) < self._batch_size_cap
                    and (
                        (peak := float((tokens + its).max())) <= self._usable[replica]
                        or not self._placed[replica]
                    )
                ]
                if not admitting:
                    break
                _, replica = min(admitting)
                self._tokens[replica] = self._tokens[replica] + its
                self._placed[replica].append((request, prompt))
                placements.append((replica, request))
            del self._waiting[: len(placements)]
            return placements

        def _look(self) -> None:
            """Project the memory of the replicas where something has completed."""
            for number, replica in self._replica_schedulers.items():
                placed = self._placed[number]
                if replica.num_pending_requests + replica.num_active_requests == len(placed):
                    continue
                placed = self._placed[number] = [p for p in placed if not p[0].completed]
                ids = np.array([request.id for request, _ in placed], dtype=np.int64)
                held = np.array(
                    [max(r.num_processed_tokens, r.num_prefill_tokens) for r, _ in placed],
                    dtype=np.int64,
                )
                produced = held - np.array([prompt for _, prompt in placed], dtype=np.int64)
                then = held + self._padding + AHEAD[:, None]
                self._tokens[number] = (memory.stays(ids, produced) * then).sum(axis=1)

    return InformedRouter
