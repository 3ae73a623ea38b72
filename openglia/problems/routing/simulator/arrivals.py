"""The requests of a trace, as the engine takes them."""

from dataclasses import dataclass
from itertools import pairwise
from math import inf
from operator import add
from typing import Self

from openglia.errors import OpenGliaError
from openglia.problems.routing.benchmark.trace import Trace


@dataclass(frozen=True)
class Arrivals:
    """The trace as plain lists; Vidur's limits on lengths applied."""

    arrived_at: list[float]  # and infinity at the end
    prompts: list[int]
    totals: list[int]

    @classmethod
    def of(cls, trace: Trace, max_tokens: int) -> Self:
        """Of ``trace``, on a cluster whose context limit is ``max_tokens``.

        Raises:
            OpenGliaError: the trace is not in order, or an output leaves no room for a prompt.
        """
        arrived_at = [*trace.arrived_at, inf]
        in_order = all(earlier <= later for earlier, later in pairwise([0.0, *arrived_at]))
        if not in_order or (trace and arrived_at[-2] == inf):
            raise OpenGliaError("a trace must be in order of arrival, from time 0 on")
        prompts = [tokens if tokens > 1 else 1 for tokens in trace.num_prefill_tokens]
        outputs = [tokens if tokens > 1 else 1 for tokens in trace.num_decode_tokens]
        # What exceeds the context limit is cut from the prompt.
        prompts = [
            prompt if prompt + output <= max_tokens else max_tokens - output
            for prompt, output in zip(prompts, outputs, strict=True)
        ]
        if min(prompts, default=1) < 1:
            raise OpenGliaError(
                f"the trace has an output that leaves no room for a prompt in the context of "
                f"{max_tokens} tokens; raise max_tokens of the cluster or shorten the outputs"
            )
        return cls(arrived_at, prompts, list(map(add, prompts, outputs)))
