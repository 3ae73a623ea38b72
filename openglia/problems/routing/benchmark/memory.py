"""How many KV-cache blocks a GPU has room for: what ``num_blocks: auto`` stands for.

GPU memory less a margin (activations, the engine's own) less the weights, over what a block takes;
fp16 for both, one GPU per replica. Gigabytes are 10^9 bytes, about what a driver leaves of a GPU
whose maker counts in 2^30.
"""

from openglia.problems.routing.benchmark.catalogue import Gpu, Model

BYTES = 2  # fp16, of a weight and of an element of the cache
MARGIN = 0.1  # of the memory, as vLLM and Vidur leave free by default


def parameters(model: Model) -> int:
    """Weights of a decoder-only transformer whose embedding and output projection are two."""
    width = model.embedding_dim
    heads = (2 * model.num_q_heads + 2 * model.num_kv_heads) * model.head_dim
    mlp = (3 if model.use_gated_mlp else 2) * model.mlp_hidden_dim
    norms = 2 if model.post_attn_norm else 1
    return model.num_layers * width * (heads + mlp + norms) + (2 * model.vocab_size + 1) * width


def kv_blocks(gpu: Gpu, model: Model, block_size: int, margin: float = MARGIN) -> int:
    """Blocks of ``block_size`` tokens; 0 or less: the weights alone do not fit."""
    left = gpu.memory_gb * 1e9 * (1 - margin) - BYTES * parameters(model)
    keys_and_values = 2 * model.num_layers * model.num_kv_heads * model.head_dim
    return int(left // (BYTES * keys_and_values * block_size))
