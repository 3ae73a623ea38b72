"""Request traces, drawn from a benchmark's workload and a seed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Trace:
    """The requests of one simulation, in order of arrival; arrays of equal length n."""

    arrived_at: NDArray[np.float64]  # seconds, whole microseconds, ascending
    num_prefill_tokens: NDArray[np.int64]  # prompt length, >= 1
    num_decode_tokens: NDArray[np.int64]  # output length, >= 1: never shown to a router

    def __len__(self) -> int:
        return len(self.arrived_at)
