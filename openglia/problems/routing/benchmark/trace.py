"""A request trace, and the CSV file that Vidur replays. Without NumPy: every worker loads this."""

from dataclasses import dataclass
from pathlib import Path

from openglia.errors import OpenGliaError

HEADER = "arrived_at,num_prefill_tokens,num_decode_tokens"

MICROSECONDS = 1_000_000  # in a second: the resolution of arrival times


@dataclass(frozen=True)
class Trace:
    """The requests of one simulation, in order of arrival; lists of equal length n."""

    arrived_at: list[float]  # seconds, whole microseconds, ascending
    num_prefill_tokens: list[int]  # prompt length, >= 1
    num_decode_tokens: list[int]  # output length, >= 1: never shown to a router

    def __len__(self) -> int:
        return len(self.arrived_at)


def read_trace(path: Path) -> Trace:
    """Read a trace in Vidur's format; lengths are cut to whole numbers.

    Raises:
        OpenGliaError: it is not one.
    """
    try:
        header, *lines = path.read_text().split() or [""]
        is_table = header == HEADER and {line.count(",") for line in lines} == {2}
        values = list(map(float, ",".join(lines).split(","))) if is_table else []
        trace = Trace(values[0::3], list(map(int, values[1::3])), list(map(int, values[2::3])))
    except (OSError, ValueError, OverflowError) as error:
        raise OpenGliaError(f"the trace {path} cannot be read: {error}") from error
    if not trace:
        raise OpenGliaError(
            f"the trace {path} must have the columns {HEADER}, and requests; if it has none, use "
            f"a longer duration or other seeds, or raise workload.arrivals.rate"
        )
    return trace


def to_csv(trace: Trace) -> str:
    """The trace as text; a reader gets back exactly the trace's numbers."""
    ticks = [round(time * MICROSECONDS) for time in trace.arrived_at]
    rows = zip(ticks, trace.num_prefill_tokens, trace.num_decode_tokens, strict=True)
    lines = [
        f"{tick // MICROSECONDS}.{tick % MICROSECONDS:06d},{prompt},{output}"
        for tick, prompt, output in rows
    ]
    return "\n".join([HEADER, *lines, ""])
