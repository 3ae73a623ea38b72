"""The formats of recorded traces: which columns hold what, and what a time is.

Sources: Vidur's ``processed_traces``; the schemas of Azure's LLM inference datasets of 2023 and
2024, of BurstGPT's README, and of Mooncake's traces (FAST '25). Whether a file has rows of JSON or
of delimited text, the reader sees for itself.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

Unit = Literal["timestamp", "s", "ms", "us", "ns"]

MICROSECONDS: dict[str, float] = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}


@dataclass(frozen=True)
class Format:
    """Names of the three columns that are read."""

    time: str  # of arrival
    prompt: str  # tokens
    output: str  # tokens
    unit: Unit  # timestamp: a date and a time of day, in UTC where no zone is named

    @property
    def columns(self) -> tuple[str, str, str]:
        """In the order time, prompt, output."""
        return self.time, self.prompt, self.output


FORMATS = {
    "vidur": Format("arrived_at", "num_prefill_tokens", "num_decode_tokens", "s"),
    "azure": Format("TIMESTAMP", "ContextTokens", "GeneratedTokens", "timestamp"),
    "burstgpt": Format("Timestamp", "Request tokens", "Response tokens", "s"),
    "mooncake": Format("timestamp", "input_length", "output_length", "ms"),
}


def fitting(header: Collection[str]) -> str | None:
    """The name of the format whose columns a header has; None: of none."""
    return next((name for name, one in FORMATS.items() if set(one.columns) <= set(header)), None)
