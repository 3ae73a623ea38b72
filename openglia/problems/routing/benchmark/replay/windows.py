"""Seeds of a replayed trace: seed k is the k-th window of the trace's own time.

A window is as long as the benchmark's full duration, in seconds as they are replayed, and begins
where the one before ends, from the first arrival on. So no two of them overlap, and held-out seeds
come from a later part of the trace. A shorter duration gives the beginning of each window.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from openglia.errors import UsageError
from openglia.problems.routing.benchmark.context import cut
from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.benchmark.replay.reading import Recording, recording
from openglia.problems.routing.benchmark.trace import MICROSECONDS, Trace
from openglia.problems.routing.seeds import format_seeds

KINDS = ("evaluation", "held-out")  # of seeds


@dataclass(frozen=True)
class Span:
    """Rows of a recording, first to last, exclusive; ``start`` in microseconds as replayed."""

    start: float
    first: int
    last: int


def span(found: Recording, benchmark: Benchmark, seed: int) -> Span:
    """The rows of a seed's window.

    Raises:
        UsageError: the trace ends before, or has no request there.
    """
    width = benchmark.full_duration or benchmark.duration
    scale = benchmark.workload["trace"]["rate_scale"]
    start = seed * width * MICROSECONDS
    end = start + benchmark.duration * MICROSECONDS
    first, last = np.searchsorted(found.at, [start * scale, end * scale], side="left")
    if first < last:
        return Span(start, int(first), int(last))
    where = f"benchmark {benchmark.name}, seed {seed}: "
    begins = f"its window, from {seed * width:g} s on for {benchmark.duration:g} s"
    if first < len(found.at):
        raise UsageError(f"{where}no request arrives in {begins}; leave the seed out")
    lasts = found.seconds / scale
    raise UsageError(
        f"{where}{begins}, lies behind the trace's last request, which arrives at {lasts:g} s: "
        f"seeds 0-{int(lasts // width)} have one; name those, or a shorter duration"
    )


def window(benchmark: Benchmark, seed: int) -> Trace:
    """The requests of a seed, with lengths cut to the context limit.

    Raises:
        UsageError: see ``span`` and ``reading.recording``.
    """
    spec = benchmark.workload["trace"]
    found = recording(spec)
    part = span(found, benchmark, seed)
    rows = slice(part.first, part.last)
    times = np.rint(found.at[rows] / spec["rate_scale"] - part.start) / MICROSECONDS
    prompts, outputs = cut(
        found.prompts[rows].astype(np.int64),
        found.outputs[rows].astype(np.int64),
        benchmark.cluster.max_tokens,
    )
    return Trace(times.tolist(), prompts.tolist(), outputs.tolist())


def account(benchmark: Benchmark) -> dict[str, Any] | None:
    """What is replayed, and what was made of it; None where nothing is.

    Raises:
        UsageError: the file is not what it was, or a seed has no window with requests in it.
    """
    spec = benchmark.workload.get("trace")
    if spec is None:
        return None
    found = recording(spec)
    seeds = dict(zip(KINDS, (benchmark.seeds, benchmark.held_out_seeds), strict=True))
    return {
        "file": spec["file"],
        "sha256": spec["sha256"],
        "rows": found.rows,
        "requests": len(found.at),
        "first_arrival": found.first,
        "seconds": found.seconds,
        "dropped_without_output": found.without_output,
        "dropped_without_prompt": found.without_prompt,
        "put_in_order": found.unsorted,
        "rate_scale": spec["rate_scale"],
        "max_tokens": benchmark.cluster.max_tokens,
        "windows": {name: _used(found, benchmark, those) for name, those in seeds.items() if those},
    }


def _used(found: Recording, benchmark: Benchmark, seeds: Sequence[int]) -> dict[str, Any]:
    limit = benchmark.cluster.max_tokens
    spans = [span(found, benchmark, seed) for seed in seeds]
    shortened = 0
    for part in spans:
        rows = slice(part.first, part.last)
        lengths = (found.prompts[rows].astype(np.int64), found.outputs[rows].astype(np.int64))
        kept = cut(*lengths, limit)
        shortened += int(((kept[0] < lengths[0]) | (kept[1] < lengths[1])).sum())
    width = benchmark.full_duration or benchmark.duration
    return {
        "seeds": format_seeds(list(seeds)),
        "from": min(seeds) * width,
        "to": (max(seeds) + 1) * width,
        "requests": [part.last - part.first for part in spans],
        "cut_to_context": shortened,
    }


def told(account: dict[str, Any]) -> list[str]:
    """An account as lines for people."""
    scale = account["rate_scale"]
    rate = account["requests"] / max(account["seconds"], 1e-6)
    first = (
        f"trace {Path(account['file']).name} (SHA-256 {account['sha256'][:12]}…): "
        f"{account['requests']:,} requests in {account['seconds']:,.6g} s, {rate:.3g}/s"
    )
    lines = [first + ("" if scale == 1 else f", replayed at {scale:g} times the rate")]
    changes = [
        f"times count from its first arrival, {account['first_arrival']}",
        *_counted(account["dropped_without_output"], "without an output (failed requests) dropped"),
        *_counted(account["dropped_without_prompt"], "without a prompt dropped"),
        *_counted(account["put_in_order"], "that came after a later one put in order of arrival"),
    ]
    lines.append("; ".join(changes))
    for name, used in account["windows"].items():
        counts = used["requests"]
        most = "" if min(counts) == max(counts) else f" to {max(counts):,}"
        line = (
            f"{name} seeds {used['seeds']}: windows from {used['from']:,.6g} s to "
            f"{used['to']:,.6g} s with {min(counts):,}{most} requests each"
        )
        if used["cut_to_context"]:
            share = f"{used['cut_to_context']:,} of {sum(counts):,}"
            line += f"; {share} are cut to the context of {account['max_tokens']:,} tokens"
        lines.append(line)
    return lines


def _counted(number: int, words: str) -> list[str]:
    return [f"{number:,} row{'s' if number > 1 else ''} {words}"] if number else []
