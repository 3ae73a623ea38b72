"""How long a batch takes: the sum over operators that Vidur's ``ExecutionTime`` takes.

The sums are taken left to right as Vidur takes them, with double precision and in milliseconds, so
that results agree to the last bit. What depends on one size alone is added up beforehand.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import ArrayLike, NDArray

from openglia.benchmark.definition import Cluster
from openglia.errors import OpenGliaError
from openglia.hardware import catalogue, roofline
from openglia.paths import CACHE

Array = NDArray[np.float64]

KV_GRANULARITY = roofline.KV_GRANULARITY
TOKEN_GRANULARITY = 8  # the linear operators are looked up at the next multiple of it
BATCHING_OVERHEAD = 0.1  # of attention, for grouped-query models, with two requests or more


class Operators(Protocol):
    """Times in milliseconds of one layer's operators (``roofline.OperatorTimes``, or tables)."""

    def linear(self, operator: str, num_tokens: ArrayLike, /) -> Array: ...
    def attn_prefill(self, kv_cache_size: ArrayLike, chunk: ArrayLike, /) -> Array: ...
    def attn_decode(self, batch_size: ArrayLike, kv_cache_size: ArrayLike, /) -> Array: ...


@dataclass(frozen=True)
class Tables:
    """The predictions of Vidur's trained models, as ``openglia.vidur.predictors`` exports them.

    Arrays are indexed by tokens; attention by ``[batch, kv // 64]`` and ``[kv // 64, chunk]``.
    """

    arrays: Mapping[str, Array]

    def linear(self, operator: str, num_tokens: ArrayLike, /) -> Array:
        times: Array = self.arrays[operator][np.asarray(num_tokens)]
        return times

    def attn_prefill(self, kv_cache_size: ArrayLike, chunk: ArrayLike, /) -> Array:
        row = np.asarray(kv_cache_size) // KV_GRANULARITY
        times: Array = self.arrays["attn_prefill"][row, np.asarray(chunk)]
        return times

    def attn_decode(self, batch_size: ArrayLike, kv_cache_size: ArrayLike, /) -> Array:
        column = np.asarray(kv_cache_size) // KV_GRANULARITY
        times: Array = self.arrays["attn_decode"][np.asarray(batch_size), column]
        return times


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
    max_batch_size: int
    max_kv_cache_size: int
    max_batch_tokens: int
    _decode_rows: dict[int, list[float]] = field(default_factory=dict, repr=False)
    _prefill_rows: dict[int, list[float]] = field(default_factory=dict, repr=False)

    @classmethod
    def load(cls, cluster: Cluster) -> Self:
        """Vidur's tables for ``cluster`` where setup has made them, else its analytic profile.

        Raises:
            OpenGliaError: the tables are damaged, or absent and the profile is not analytic.
        """
        digest = roofline.profile_hash(cluster)
        path = CACHE / "tables" / f"{digest}.npz"
        if path.exists():
            try:
                with np.load(path, allow_pickle=False) as archive:
                    arrays = {name: archive[name] for name in archive.files}
                return cls.of(cluster, Tables(arrays), f"vidur-tables:{digest}")
            except (OSError, ValueError, LookupError, EOFError, BadZipFile) as error:
                raise OpenGliaError(
                    f"the execution-time tables {path} cannot be used ({error}); "
                    f"delete the file and run ./setup.sh again"
                ) from error
        if cluster.profile != "analytic":
            raise OpenGliaError(
                f"profile {cluster.profile!r} needs tables trained with Vidur, and {path} does "
                f"not exist; run ./setup.sh where Vidur can be had, or use profile: analytic"
            )
        return cls.analytic(cluster)

    @classmethod
    def analytic(cls, cluster: Cluster) -> Self:
        """The analytic profile of ``cluster``, read directly, without a trained model between."""
        gpu, model = catalogue.gpu(cluster.gpu), catalogue.model(cluster.model)
        digest = roofline.profile_hash(cluster)
        return cls.of(cluster, roofline.operator_times(gpu, model), f"analytic:{digest}")

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
            max_batch_size=scheduler.batch_size_cap,
            max_kv_cache_size=cluster.max_tokens,
            max_batch_tokens=max(limit or 0, scheduler.batch_size_cap),
        )

    def __post_init__(self) -> None:
        exact = np.arange(1, self.max_batch_tokens + 1)
        rounded = -(-exact // TOKEN_GRANULARITY) * TOKEN_GRANULARITY
        linear = self.operators.linear
        projections = linear("attn_pre_proj", rounded) + linear("attn_post_proj", rounded)
        before_attention = projections + linear("attn_rope", rounded)
        before_attention = before_attention + linear("attn_kv_cache_save", exact)
        mlp = linear("mlp_up_proj", rounded) + linear("mlp_down_proj", rounded)
        mlp = mlp + linear("mlp_act", rounded)
        if self.post_attn_norm:
            mlp = mlp + linear("post_attention_layernorm", rounded)
        # One entry per number of tokens in the batch; entry 0 is never read.
        self._before_attention: list[float] = [0.0, *before_attention.tolist()]
        self._norm: list[float] = [0.0, *linear("input_layernorm", rounded).tolist()]
        self._mlp: list[float] = [0.0, *mlp.tolist()]
        self._add: list[float] = [0.0, *linear("add", rounded).tolist()]
        self._batching = 1.0 + (BATCHING_OVERHEAD if self.grouped_query else 0.0)
        self.decode_rows = DecodeRows(self)

    def prepare(self) -> None:
        """Work out ahead what every simulation will need, for processes forked from this one."""
        for decodes in range(1, self.max_batch_size + 1):
            self.decode_rows[decodes]

    def seconds(
        self, num_tokens: int, decodes: int, mean_kv: int, prefills: list[tuple[int, int]]
    ) -> float:
        """Time of a batch of ``num_tokens``.

        ``decodes`` of its requests decode; they hold ``mean_kv`` tokens on average, rounded down.
        ``prefills`` are pairs of tokens processed before and tokens in this batch.
        """
        attention = self._before_attention[num_tokens]
        if decodes:
            attention += self._decode_row(decodes)[-(-mean_kv // KV_GRANULARITY)]
        if prefills:
            attention += self._prefill(prefills)
        attention += self._norm[num_tokens]
        block = attention + self._mlp[num_tokens] + self._add[num_tokens]
        return block * self.num_layers * 1e-3

    def _decode_row(self, decodes: int) -> list[float]:
        """Attention of ``decodes`` decoding requests in ms, by their mean KV size over 64."""
        row = self._decode_rows.get(decodes)
        if row is None:
            sizes = np.arange(0, self.max_kv_cache_size + KV_GRANULARITY, KV_GRANULARITY)
            times = self.operators.attn_decode(np.full_like(sizes, decodes), sizes)
            row = (times * (self._batching if decodes > 1 else 1.0)).tolist()
            self._decode_rows[decodes] = row
        return row

    def _prefill(self, prefills: list[tuple[int, int]]) -> float:
        if len(prefills) == 1:
            ((size, chunk),) = prefills
            cached = -(-size // KV_GRANULARITY)
        else:  # several prompts count as one: their caches add up, their chunks as squares
            cached = sum([-(-size // KV_GRANULARITY) for size, _ in prefills])
            chunk = round(math.sqrt(sum([tokens * tokens for _, tokens in prefills])))
        row = self._prefill_rows.get(cached)
        if row is None:
            chunks = np.arange(1, self.max_batch_tokens + 1)
            sizes = np.full_like(chunks, cached * KV_GRANULARITY)
            row = [0.0, *self.operators.attn_prefill(sizes, chunks).tolist()]
            self._prefill_rows[cached] = row
        return row[chunk] * self._batching if len(prefills) > 1 else row[chunk]


class DecodeRows(dict[int, list[float]]):
    """Times in seconds of batches in which n requests decode and nothing else happens, by n.

    A row is indexed by the requests' mean number of tokens, rounded down, then up to a multiple of
    64, divided by 64. It is worked out when it is first asked for.
    """

    def __init__(self, times: ExecutionTimes) -> None:
        super().__init__()
        self._times = times

    def __missing__(self, decodes: int) -> list[float]:
        times = self._times
        row = self[decodes] = [
            times.seconds(decodes, decodes, index * KV_GRANULARITY, [])
            for index in range(len(times._decode_row(decodes)))
        ]
        return row
