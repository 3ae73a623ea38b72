"""An analytic profile: how long each operator of a model takes on a GPU.

The roofline model (Williams, Waterman, Patterson, CACM 2009): an operator takes a fixed launch
overhead plus the longer of its arithmetic at the effective rate and its memory traffic at the
effective bandwidth. Operators are those that Vidur profiles, one transformer layer each, fp16,
without tensor parallelism. Matrix products count their weights, inputs and outputs once.
"""

from dataclasses import asdict, dataclass
from typing import Any

from openglia.files import canonical_json, sha256
from openglia.problems.routing.benchmark import catalogue
from openglia.problems.routing.benchmark.catalogue import Gpu, Model
from openglia.problems.routing.benchmark.definition import Cluster

BYTES = 2  # per element: fp16

# Raise it when a formula below, the training grid or what the tables hold changes.
PROFILE_FORMAT = 1

# The one setting of Vidur's random forest that is trained; by the names of its configuration.
GRID_POINT = {
    "num_estimators": 250,
    "max_depth": 16,
    "min_samples_split": 2,
    "k_fold_cv_splits": 2,
}

KV_GRANULARITY = 64  # tokens; the step of the KV-cache sizes that Vidur predicts times for

LINEAR_OPERATORS = (
    "attn_pre_proj",
    "attn_post_proj",
    "attn_rope",
    "attn_kv_cache_save",
    "mlp_up_proj",
    "mlp_down_proj",
    "mlp_act",
    "input_layernorm",
    "post_attention_layernorm",
    "add",
)


@dataclass(frozen=True)
class OperatorTimes:
    """Times in milliseconds of one layer's operators."""

    gpu: Gpu
    model: Model

    def linear(self, operator: str, num_tokens: int) -> float:
        """Time of one of ``LINEAR_OPERATORS`` over ``num_tokens`` tokens of a batch.

        Raises:
            KeyError: ``operator`` is not one of them.
        """
        tokens = float(num_tokens)
        model = self.model
        width = model.embedding_dim
        match operator:
            case "attn_pre_proj":  # queries, keys and values
                return self._product(tokens, width, self._q_dim + 2 * self._kv_dim)
            case "attn_post_proj":
                return self._product(tokens, self._q_dim, width)
            case "mlp_up_proj":
                return self._product(tokens, width, self._up_dim)
            case "mlp_down_proj":
                return self._product(tokens, model.mlp_hidden_dim, width)
            case "attn_rope":  # reads and writes queries and keys
                return self._elementwise(tokens, 2 * (self._q_dim + self._kv_dim))
            case "attn_kv_cache_save":  # reads and writes keys and values
                return self._elementwise(tokens, 2 * 2 * self._kv_dim)
            case "mlp_act":  # reads the up projection's outputs, writes the hidden layer
                return self._elementwise(tokens, self._up_dim + model.mlp_hidden_dim)
            case "input_layernorm" | "post_attention_layernorm":
                return self._elementwise(tokens, 2 * width)
            case "add":  # the residual: reads two, writes one
                return self._elementwise(tokens, 3 * width)
        raise KeyError(operator)

    def attn_prefill(self, kv_cache_size: int, prefill_chunk_size: int) -> float:
        """Causal attention of a prompt's chunk over itself and the tokens cached before it."""
        cached, chunk = float(kv_cache_size), float(prefill_chunk_size)
        # A token of the chunk sees the cache, itself, and half of the other tokens on average.
        pairs = chunk * (cached + (chunk + 1) / 2)
        elements = 2 * chunk * self._q_dim + 2 * (cached + chunk) * self._kv_dim
        return self._time(4 * pairs * self._q_dim, elements)

    def attn_decode(self, batch_size: int, kv_cache_size: int) -> float:
        """Attention of ``batch_size`` new tokens, each over ``kv_cache_size`` cached ones."""
        batch, cached = float(batch_size), float(kv_cache_size)
        elements = 2 * batch * self._q_dim + 2 * batch * cached * self._kv_dim
        return self._time(4 * batch * cached * self._q_dim, elements)

    @property
    def _q_dim(self) -> int:
        return self.model.num_q_heads * self.model.head_dim

    @property
    def _kv_dim(self) -> int:
        return self.model.num_kv_heads * self.model.head_dim

    @property
    def _up_dim(self) -> int:
        """Outputs of the up projection: a gated MLP computes the gate along with it."""
        return (2 if self.model.use_gated_mlp else 1) * self.model.mlp_hidden_dim

    def _time(self, flops: float, elements: float) -> float:
        arithmetic = flops / (self.gpu.effective_tflops * 1e9)
        memory = elements * BYTES / (self.gpu.effective_bandwidth_gb_s * 1e6)
        return self.gpu.launch_overhead_us * 1e-3 + max(arithmetic, memory)

    def _product(self, tokens: float, inputs: int, outputs: int) -> float:
        elements = inputs * outputs + tokens * (inputs + outputs)
        return self._time(2 * tokens * inputs * outputs, elements)

    def _elementwise(self, tokens: float, elements: int) -> float:
        """``elements`` are read or written per token; the arithmetic on them never decides."""
        return self._time(0.0, tokens * elements)


def operator_times(gpu: Gpu, model: Model) -> OperatorTimes:
    """The analytic profile of ``model`` on ``gpu``."""
    return OperatorTimes(gpu, model)


def max_tokens_in_batch(cluster: Cluster) -> int:
    """The most tokens that one batch of the replica scheduler can hold."""
    scheduler = cluster.replica_scheduler
    limit = scheduler.chunk_size if scheduler.type == "sarathi" else scheduler.max_tokens_in_batch
    return max(limit or 0, cluster.max_tokens)


def profile_hash(cluster: Cluster) -> str:
    """12 hexadecimal digits over everything that decides a cluster's execution times.

    Raises:
        UsageError: the catalogue lacks the cluster's GPU or model.
    """
    gpu = asdict(catalogue.gpu(cluster.gpu))
    model = asdict(catalogue.model(cluster.model))
    for entry in (gpu, model):
        for words in ("source", "effective_source"):
            entry.pop(words, None)
    parts: dict[str, Any] = {
        "format": PROFILE_FORMAT,
        "gpu": gpu,
        "model": model,
        "profile": cluster.profile,
        "max_tokens": cluster.max_tokens,
        "max_tokens_in_batch": max_tokens_in_batch(cluster),
        "batch_size_cap": cluster.replica_scheduler.batch_size_cap,
        "block_size": cluster.replica_scheduler.block_size,
        "grid_point": GRID_POINT,
        "kv_granularity": KV_GRANULARITY,
    }
    return sha256(canonical_json(parts))[:12]
