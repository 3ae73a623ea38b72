"""How long a batch takes: the sum over operators that Vidur's ``ExecutionTime`` takes.

The sums are taken left to right as Vidur takes them, with double precision and in milliseconds, so
that results agree to the last bit. What depends on one size alone is added up beforehand.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Protocol, Self

from openglia.errors import OpenGliaError
from openglia.problems.routing.benchmark import catalogue
from openglia.problems.routing.benchmark.definition import Cluster
from openglia.problems.routing.hardware import roofline, tables

KV_GRANULARITY = roofline.KV_GRANULARITY
TOKEN_GRANULARITY = 8  # the linear operators are looked up at the next multiple of it
BATCHING_OVERHEAD = 0.1  # of attention, for grouped-query models, with two requests or more


class Operators(Protocol):
    """Times in milliseconds of one layer's operators (analytic, or Vidur's tables)."""

    def linear(self, operator: str, num_tokens: int, /) -> float: ...
    def attn_prefill(self, kv_cache_size: int, chunk: int, /) -> float: ...
    def attn_decode(self, batch_size: int, kv_cache_size: int, /) -> float: ...


@dataclass
class ExecutionTimes:
    """Times of whole batches on one replica, in seconds.

    ``source`` says where they come from: ``vidur-tables:HASH`` or ``analytic:HASH``.
    """

    source: str
    operators: Operators
    num_layers: int
    grouped_query: bool  # fewer KV heads than query heads
    post_attn_norm: bool
    max_batch_tokens: int
    each: "tuple[ExecutionTimes, ...]" = ()  # by replica, where the cluster has groups

    @classmethod
    def load(cls, cluster: Cluster) -> Self:
        """Vidur's tables for ``cluster`` where setup has made them, else its analytic profile.

        Raises:
            OpenGliaError: the tables are damaged, or absent and the profile is not analytic.
        """
        if cluster.groups:
            return cls._of_groups(cluster, cls.load)
        digest = roofline.profile_hash(cluster)
        path = tables.path(digest)
        if path.exists():
            return cls.of(cluster, tables.Tables.read(path), f"vidur-tables:{digest}")
        if cluster.profile != "analytic":
            raise OpenGliaError(
                f"profile {cluster.profile!r} needs tables trained with Vidur, and {path} does "
                f"not exist; run ./setup.sh where Vidur (for profile glia also the Glia authors' "
                f"fork, or OPENGLIA_GLIA_REPO) can be had, or use profile: analytic"
            )
        return cls.analytic(cluster)

    @classmethod
    def analytic(cls, cluster: Cluster) -> Self:
        """The analytic profile of ``cluster``, read directly, without a trained model between."""
        if cluster.groups:
            return cls._of_groups(cluster, cls.analytic)
        gpu, model = catalogue.gpu(cluster.gpu), catalogue.model(cluster.model)
        digest = roofline.profile_hash(cluster)
        return cls.of(cluster, roofline.operator_times(gpu, model), f"analytic:{digest}")

    @classmethod
    def _of_groups(cls, cluster: Cluster, make: "Callable[[Cluster], Self]") -> Self:
        """Those of the first replica, and of ``each``; ``source`` names all."""
        gpus = dict.fromkeys(group.gpu for group in cluster.groups)
        times = {gpu: make(replace(cluster, gpu=gpu, groups=())) for gpu in gpus}
        each = tuple(times[member.gpu] for member in cluster.members)
        source = " and ".join(dict.fromkeys(found.source for found in times.values()))
        return replace(each[0], source=source, each=each)

    @classmethod
    def of(cls, cluster: Cluster, operators: Operators, source: str) -> Self:
        """Batch times of ``cluster`` from the times of its operators."""
        scheduler = cluster.replica_scheduler
        model = catalogue.model(cluster.model)
        limit = (
            scheduler.chunk_size if scheduler.type == "sarathi" else scheduler.max_tokens_in_batch
        )
        return cls(
            source=source,
            operators=operators,
            num_layers=model.num_layers,
            grouped_query=model.num_q_heads > model.num_kv_heads,
            post_attn_norm=model.post_attn_norm,
            max_batch_tokens=max(limit or 0, scheduler.batch_size_cap),
        )

    def __post_init__(self) -> None:
        def linear(operator: str) -> list[float]:
            last = self.max_batch_tokens + TOKEN_GRANULARITY
            steps = range(TOKEN_GRANULARITY, last, TOKEN_GRANULARITY)
            return [0.0, *(self.operators.linear(operator, tokens) for tokens in steps)]

        mlp = ["mlp_up_proj", "mlp_down_proj", "mlp_act"]
        if self.post_attn_norm:
            mlp.append("post_attention_layernorm")
        # By the number of tokens over 8, rounded up.
        self._projections = _sums(*map(linear, ("attn_pre_proj", "attn_post_proj", "attn_rope")))
        self._norm = linear("input_layernorm")
        self._mlp = _sums(*map(linear, mlp))
        self._add = linear("add")
        self._batching = 1.0 + (BATCHING_OVERHEAD if self.grouped_query else 0.0)
        self.decode_seconds = DecodeSeconds(self)

    def seconds(
        self, num_tokens: int, decodes: int, mean_kv: int, prefills: list[tuple[int, int]]
    ) -> float:
        """Time of a batch of ``num_tokens``.

        ``decodes`` of its requests decode; they hold ``mean_kv`` tokens on average, rounded down.
        ``prefills`` are pairs of tokens processed before and tokens in this batch.
        """
        step = -(-num_tokens // TOKEN_GRANULARITY)
        attention = self._projections[step]
        attention += self.operators.linear("attn_kv_cache_save", num_tokens)
        if decodes:
            kv = -(-mean_kv // KV_GRANULARITY) * KV_GRANULARITY
            time = self.operators.attn_decode(decodes, kv)
            attention += time * self._batching if decodes > 1 else time
        if prefills:
            attention += self._prefill(prefills)
        attention += self._norm[step]
        block = attention + self._mlp[step] + self._add[step]
        return block * self.num_layers * 1e-3

    def _prefill(self, prefills: list[tuple[int, int]]) -> float:
        if len(prefills) == 1:
            ((size, chunk),) = prefills
            return self.operators.attn_prefill(-(-size // KV_GRANULARITY) * KV_GRANULARITY, chunk)
        # Several prompts count as one: their caches add up, their chunks as squares.
        cached = sum([-(-size // KV_GRANULARITY) for size, _ in prefills]) * KV_GRANULARITY
        chunk = round(math.sqrt(sum([tokens * tokens for _, tokens in prefills])))
        return self.operators.attn_prefill(cached, chunk) * self._batching


def _sums(*columns: list[float]) -> list[float]:
    """Sums by row, left to right: Python's ``sum`` would make up for what rounding loses."""
    return [reduce(add, row) for row in zip(*columns, strict=True)]


class DecodeSeconds(dict[tuple[int, int], float]):
    """Times in seconds of batches in which n requests decode and nothing else happens.

    By n and the requests' mean number of tokens, rounded down, then up to a multiple of 64, divided
    by 64. Worked out when first asked for.
    """

    def __init__(self, times: ExecutionTimes) -> None:
        super().__init__()
        self._times = times

    def __missing__(self, key: tuple[int, int]) -> float:
        decodes, index = key
        time = self[key] = self._times.seconds(decodes, decodes, index * KV_GRANULARITY, [])
        return time
