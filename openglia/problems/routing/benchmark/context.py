"""The context limit: what of a request's lengths a model takes."""

import numpy as np
from numpy.typing import NDArray

Lengths = tuple[NDArray[np.int64], NDArray[np.int64]]  # prompts and outputs, in tokens

# An output leaves at least this much of the context to its prompt.
MIN_PROMPT_ROOM = 16  # tokens


def cut(prompts: NDArray[np.int64], outputs: NDArray[np.int64], max_tokens: int) -> Lengths:
    """Outputs that leave room for a prompt, then prompts that fit beside them; none below 1."""
    outputs = np.minimum(outputs, max_tokens - MIN_PROMPT_ROOM)
    prompts = np.minimum(prompts, max_tokens - outputs)
    return np.maximum(prompts, 1), np.maximum(outputs, 1)
