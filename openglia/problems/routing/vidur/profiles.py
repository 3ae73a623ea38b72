"""Writes an analytic profile in the format of Vidur's own profiles: ``mlp.csv``, ``attention.csv``.

Vidur's random forest predicts a step function between the rows it is trained on, so the grids are
dense where times bend: small batches, short prompts.
"""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from openglia import paths
from openglia.errors import OpenGliaError
from openglia.problems.routing import repository
from openglia.problems.routing.benchmark import artifact, catalogue
from openglia.problems.routing.benchmark.definition import Cluster
from openglia.problems.routing.hardware.roofline import (
    KV_GRANULARITY,
    max_tokens_in_batch,
    operator_times,
)
from openglia.problems.routing.vidur.command import ATTENTION_FILE, COMPUTE_FILE

# Vidur reads these from mlp.csv by the number of tokens in the batch.
COMPUTE_OPERATORS = (
    "attn_pre_proj",
    "attn_post_proj",
    "attn_rope",
    "mlp_up_proj",
    "mlp_down_proj",
    "mlp_act",
    "input_layernorm",
    "post_attention_layernorm",
    "add",
)


def write(cluster: Cluster, commit: str, folder: Path) -> None:
    """Write both files for ``cluster``'s GPU and model into ``folder``.

    Raises:
        OpenGliaError: the benchmark asks for a measured profile, and it cannot be had.
    """
    if cluster.profile == "vidur":
        _copy_measured(cluster, commit, folder)
        return
    if cluster.profile == artifact.NAME:
        for path in artifact.taken(*artifact_files(cluster)):
            shutil.copy(path, folder)
        return
    compute(cluster).to_csv(folder / COMPUTE_FILE, index=False)
    attention(cluster).to_csv(folder / ATTENTION_FILE, index=False)


def artifact_files(cluster: Cluster) -> list[str]:
    """The profile in the Glia authors' repository, where Vidur's own layout has it."""
    model = catalogue.model(cluster.model).vidur_name
    place = f"data/profiling/compute/{artifact.DEVICE}/{model}"
    return [f"{place}/{name}" for name in (COMPUTE_FILE, ATTENTION_FILE)]


def _copy_measured(cluster: Cluster, commit: str, folder: Path) -> None:
    """Take the profile that Vidur ships from Git's objects: it is not checked out."""
    device = catalogue.gpu(cluster.gpu).vidur_device
    place = f"data/profiling/compute/{device}/{catalogue.model(cluster.model).vidur_name}"
    for name in (COMPUTE_FILE, ATTENTION_FILE):
        try:
            content = repository.git_bytes(
                paths.VIDUR, "cat-file", "blob", f"{commit}:{place}/{name}"
            )
        except OpenGliaError:
            raise OpenGliaError(
                f"Vidur's measured profile {place}/{name} cannot be had from this repository; "
                "set up from upstream, or use `profile: analytic` in the benchmark"
            ) from None
        (folder / name).write_bytes(content)


def compute(cluster: Cluster) -> pd.DataFrame:
    """Rows by number of tokens. Vidur rounds a batch's tokens up to a multiple of 8."""
    model = catalogue.model(cluster.model)
    times = operator_times(catalogue.gpu(cluster.gpu), model)
    tokens = np.arange(8, max_tokens_in_batch(cluster) + 8, 8)
    columns = {
        "num_tokens": tokens,
        "n_head": model.num_q_heads,
        "n_kv_head": model.num_kv_heads,
        "n_embd": model.embedding_dim,
        "n_expanded_embd": model.mlp_hidden_dim,
        "use_gated_mlp": model.use_gated_mlp,
        "vocab_size": model.vocab_size,
        "num_tensor_parallel_workers": 1,
    }
    for operator in COMPUTE_OPERATORS:
        columns[f"time_stats.{operator}.median"] = _each(partial(times.linear, operator), tokens)
    return pd.DataFrame(columns)


def attention(cluster: Cluster) -> pd.DataFrame:
    """Rows by chunk and cached tokens for prefills, by batch and cached tokens for decodes.

    The time to save keys and values is read from the same rows, by their number of tokens.
    """
    model = catalogue.model(cluster.model)
    times = operator_times(catalogue.gpu(cluster.gpu), model)
    longest = max_tokens_in_batch(cluster)
    cached = np.arange(0, cluster.max_tokens + 1, KV_GRANULARITY)

    chunk, before = _pairs(_prefill_chunks(longest), cached[:: _stride(len(cached), 32)])
    possible = chunk + before <= longest
    chunk, before = chunk[possible], before[possible]
    batch, context = _pairs(_batches(cluster.replica_scheduler.batch_size_cap), cached)

    save = partial(times.linear, "attn_kv_cache_save")

    def rows(size: np.ndarray, kv: np.ndarray, chunks: np.ndarray) -> pd.DataFrame:
        saved = np.maximum(size, chunks)
        return pd.DataFrame(
            {
                "batch_size": size,
                "kv_cache_size": kv,
                "prefill_chunk_size": chunks,
                "n_embd": model.embedding_dim,
                "n_q_head": model.num_q_heads,
                "n_kv_head": model.num_kv_heads,
                "block_size": cluster.replica_scheduler.block_size,
                "num_tensor_parallel_workers": 1,
                "time_stats.attn_kv_cache_save.median": _each(save, saved),
                "time_stats.attn_prefill.median": _each(times.attn_prefill, kv, chunks),
                "time_stats.attn_decode.median": _each(times.attn_decode, size, kv),
            }
        )

    prefills = rows(np.ones_like(chunk), before, chunk)
    decodes = rows(batch, context, np.zeros_like(batch))
    return pd.concat([prefills, decodes], ignore_index=True)


def _each(time: Callable[..., float], *sizes: np.ndarray) -> list[float]:
    return [time(*row) for row in zip(*(column.tolist() for column in sizes), strict=True)]


def _prefill_chunks(longest: int) -> np.ndarray:
    """Every length up to 64, then steps of about 3 %, and the longest."""
    chunks = list(range(1, min(64, longest) + 1))
    while chunks[-1] < longest:
        chunks.append(min(longest, int(chunks[-1] * 1.03) + 1))
    return np.array(chunks)


def _batches(cap: int) -> np.ndarray:
    """Every size up to 16, then every fourth, and the cap."""
    return np.array(sorted({*range(1, min(16, cap) + 1), *range(16, cap + 1, 4), cap}))


def _stride(length: int, wanted: int) -> int:
    return max(1, length // wanted)


def _pairs(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    grid = np.meshgrid(first, second, indexing="ij")
    return grid[0].ravel(), grid[1].ravel()
