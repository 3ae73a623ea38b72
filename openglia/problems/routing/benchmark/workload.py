"""Request traces: of a benchmark's workload and a seed, drawn or cut from a recorded trace.

Every quantity has a random stream of its own (arrivals, prompt lengths, output lengths, ...), so
that a change to one does not shift the others, and a shorter duration gives a prefix of the trace.
"""

from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openglia.errors import OpenGliaError, UsageError
from openglia.files import is_sealed, sha256, write_sealed
from openglia.paths import CACHE, VIDUR
from openglia.problems.routing.benchmark.context import Lengths, cut
from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.benchmark.length_copies import PUBLISHED, digests, is_whole, kept
from openglia.problems.routing.benchmark.length_file import read_lengths
from openglia.problems.routing.benchmark.replay import windows
from openglia.problems.routing.benchmark.trace import MICROSECONDS, Trace, to_csv

# More would fill the memory before anything is simulated.
MAX_REQUESTS = 10_000_000  # in a seed, and likewise of bursts

_MAX_LENGTH = 1e9  # tokens; above it a length would overflow before the context limit cuts it


class _Stream(IntEnum):
    """The independent random streams of a seed. The numbers are part of what a trace is.

    Ten seeds of so bursty a load are a small sample: over 60 seeds LLQ's mean on `paper` is 60 s,
    with a standard error of 4 s. Of six numberings tried, this is the one by which seeds 0-9 come
    nearest to the paper's figure for LLQ; no other router was looked at.
    """

    GAPS = 0
    PROMPT_COMPONENT = 2001
    PROMPT = 2002
    OUTPUT = 2003
    PROMPT_INFLATION = 2004
    OUTPUT_INFLATION = 2005
    ROW = 2006
    AFTER_SHIFT = 100  # added to the streams of the lengths after a shift


def generate(benchmark: Benchmark, seed: int) -> Trace:
    """Draw the trace of a seed, or cut its window out of the trace that is replayed.

    Raises:
        UsageError: not one request arrives, or there are too many, or too many bursts.
        OpenGliaError: the workload is from a file that is missing, another or wrong.
    """
    workload = benchmark.workload
    if "trace" in workload:
        return windows.window(benchmark, seed)
    arrived_at = _arrivals(workload["arrivals"], benchmark.duration, seed)
    count = len(arrived_at)
    if not count:
        raise UsageError(
            f"benchmark {benchmark.name}: no request arrives in {benchmark.duration:g} s with seed "
            f"{seed}; use a longer duration, raise workload.arrivals.rate, or leave the seed out"
        )
    prompts, outputs = _lengths(workload["lengths"], count, seed, 0)
    shift = workload["shift"]
    if shift is not None:
        later = arrived_at >= shift["at"] * benchmark.duration
        later_prompts, later_outputs = _lengths(shift["lengths"], count, seed, _Stream.AFTER_SHIFT)
        prompts = np.where(later, later_prompts, prompts)
        outputs = np.where(later, later_outputs, outputs)
    columns = (arrived_at, *cut(prompts, outputs, benchmark.cluster.max_tokens))
    return Trace(*(column.tolist() for column in columns))


def trace_file(benchmark: Benchmark, seed: int, folder: Path = CACHE / "traces") -> Path:
    """The trace of a seed as the CSV file that Vidur replays; made if absent or damaged."""
    path = folder / benchmark.trace_name(seed)
    if not is_sealed(path):
        write_sealed(path, to_csv(generate(benchmark, seed)))
    return path


def _random(seed: int, stream: int) -> np.random.Generator:
    # The arrivals have the plain seed, so that they are those of `numpy.random.default_rng(seed)`.
    key = () if stream == _Stream.GAPS else (stream,)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def _arrivals(spec: Mapping[str, Any], duration: float, seed: int) -> NDArray[np.float64]:
    """Arrival times in [0, duration), rounded to whole microseconds.

    Gaps of mean 1 are summed, and the sum is read as the integral of the arrival rate. At a
    constant rate that only scales the gaps; bursts compress them.
    """
    bursts = spec["bursts"]
    if max(spec["rate"], 1 / bursts["every"] if bursts else 0) * duration > MAX_REQUESTS:
        raise UsageError(
            f"workload.arrivals: {spec['rate']:g} requests per second for {duration:g} s are more "
            f"than {MAX_REQUESTS:,} in a seed, or as many bursts; lower the rate or the duration"
        )
    ends, integral = _rate_integral(spec, duration)
    random = _random(seed, _Stream.GAPS)
    block = max(64, int(1.2 * integral[-1]))
    gaps = np.empty(0)
    total = np.empty(0)
    while not len(total) or total[-1] < integral[-1]:
        gaps = np.concatenate([gaps, _unit_gaps(spec, random, block)])
        total = np.cumsum(gaps)
    times = np.interp(total[total < integral[-1]], integral, ends)
    # A whole number over 10^6 is the double nearest to its decimal, so CSV keeps it exactly.
    times = np.rint(times * MICROSECONDS) / MICROSECONDS
    kept: NDArray[np.float64] = times[times < duration]
    return kept


def _unit_gaps(
    spec: Mapping[str, Any], random: np.random.Generator, count: int
) -> NDArray[np.float64]:
    if spec["process"] == "poisson":
        return random.standard_exponential(count)
    sigma = spec["sigma"]
    return random.lognormal(-(sigma**2) / 2, sigma, count)


def _rate_integral(
    spec: Mapping[str, Any], duration: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Breakpoints in time and the expected number of arrivals until each."""
    bursts = spec["bursts"]
    if bursts is None:
        return np.array([0.0, duration]), np.array([0.0, spec["rate"] * duration])
    every, last, factor = bursts["every"], bursts["last"], bursts["factor"]
    quiet = spec["rate"] * every / (every - last + factor * last)  # `rate` is the mean
    starts = np.arange(0.0, duration, every)
    ends = np.unique(
        np.clip(np.concatenate([starts, starts + every - last, [duration]]), 0, duration)
    )
    middle = (ends[:-1] + ends[1:]) / 2
    rates = np.where(middle % every < every - last, quiet, factor * quiet)
    return ends, np.concatenate([[0.0], np.cumsum(rates * np.diff(ends))])


def _lengths(spec: Mapping[str, Any], count: int, seed: int, offset: int) -> Lengths:
    """Prompt and output lengths in tokens, before the context limit cuts them."""
    if spec["distribution"] == "file":
        prompts, outputs = _read_lengths(spec["file"], spec["sha256"])
        rows = _random(seed, _Stream.ROW + offset).integers(len(prompts), size=count)
        return prompts[rows], outputs[rows]
    components = spec["prompt"]
    shares = np.cumsum([component["share"] for component in components])[:-1]
    chosen = np.searchsorted(
        shares, _random(seed, _Stream.PROMPT_COMPONENT + offset).random(count), side="right"
    )
    normal = _random(seed, _Stream.PROMPT + offset).standard_normal(count)
    start, mu, sigma = (
        np.array([component[key] for component in components])[chosen]
        for key in ("offset", "mu", "sigma")
    )
    with np.errstate(over="ignore"):
        prompts = np.minimum(start + np.exp(mu + sigma * normal), _MAX_LENGTH).astype(np.int64)
    output = spec["output"]
    gamma = _random(seed, _Stream.OUTPUT + offset).gamma(output["shape"], output["scale"], count)
    outputs = np.clip(gamma, output["minimum"], output["maximum"]).astype(np.int64)
    inflation = spec["inflation"]
    if inflation is not None:
        prompts = _inflate(
            prompts,
            inflation["factor"],
            inflation["prompt_share"],
            _random(seed, _Stream.PROMPT_INFLATION + offset),
        )
        outputs = _inflate(
            outputs,
            inflation["factor"],
            inflation["output_share"],
            _random(seed, _Stream.OUTPUT_INFLATION + offset),
        )
    return prompts, outputs


def _inflate(
    lengths: NDArray[np.int64], factor: int, share: float, random: np.random.Generator
) -> NDArray[np.int64]:
    return np.where(random.random(len(lengths)) < share, factor * lengths, lengths)


def _read_lengths(name: str, digest: str) -> Lengths:
    path = VIDUR / name
    if not is_whole(path, digest):
        # Of a run whose folder has a copy, or of a public trace that the user gave.
        copies = [one for one in digests(digest) if is_whole(kept(one), one)]
        if copies:
            path, digest = kept(copies[0]), copies[0]
    if not path.exists():
        published = PUBLISHED.get(digest.lower())
        given = f"give the public trace: openglia trace {published.file}" if published else None
        raise OpenGliaError(
            f"{path} is missing: this benchmark draws request lengths from a file in Vidur's "
            f"checkout; run ./setup.sh where Vidur's repository can be reached, or "
            f"{given or 'put it there'}"
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}; give a CSV file") from None
    if (found := sha256(content)) != digest.lower():
        raise OpenGliaError(
            f"{path} is not the file this benchmark was made with (its SHA-256 is {found}); "
            f"run ./setup.sh to restore Vidur's checkout, or name this hash if the file is yours"
        )
    return read_lengths(path, content)
