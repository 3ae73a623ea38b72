"""``openglia trace``: describe a recorded trace, and write a benchmark that replays it."""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import yaml

from openglia.commands.progress import ProgressLine
from openglia.errors import UsageError, shown
from openglia.files import folder_for_output, write_atomically
from openglia.presenting import drawing
from openglia.problems.refusals import validated
from openglia.problems.routing.benchmark import length_copies
from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.benchmark.loading import available, load_benchmark
from openglia.problems.routing.benchmark.replay import describing, reading, source, windows
from openglia.problems.routing.benchmark.replay.describing import Suggestion
from openglia.problems.routing.benchmark.replay.formats import FORMATS, fitting
from openglia.problems.routing.benchmark.replay.model import TraceFile
from openglia.problems.routing.benchmark.replay.reading import Recording
from openglia.problems.routing.evaluation.sizing import LOADED, UNLOADED, Size, size
from openglia.problems.routing.presentation.trace_plot import trace_plot
from openglia.problems.routing.seeds import format_seeds
from openglia.quantities import seconds
from openglia.tables import aligned

LEAST_REPLICAS = 2  # below there is nothing to route
LITTLE = 2.0  # times the unloaded mean response time, below which a router can gain little
DRIFT = 0.15  # of the requests of a window, from which on it is said


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a trace, plain or gzip")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument(
        "--format", choices=list(FORMATS), help="(default: the one whose columns the file has)"
    )
    kinds.add_argument(
        "--columns",
        metavar="LIST",
        help="of a file in none of the formats, such as time=ts,prompt=in,output=out,unit=ms "
        "(unit of the times: s, ms, us, ns or timestamp)",
    )
    parser.add_argument(
        "--benchmark",
        default="paper",
        metavar="NAME",
        help="whose GPU, model and limits the new one takes over (default: %(default)s)",
    )
    parser.add_argument(
        "--window", type=seconds, metavar="TIME", help="of a seed (default: by the trace's length)"
    )
    parser.add_argument(
        "--rate-scale",
        type=float,
        default=1.0,
        metavar="X",
        help="2 replays the same requests in half the time (default: 1)",
    )
    parser.add_argument(
        "--replicas", type=int, metavar="N", help="(default: measured with LLQ in one window)"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("trace"),
        metavar="DIR",
        help="where the benchmark and the plot go (default: ./%(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON line only")


def run(arguments: argparse.Namespace) -> int:
    file: Path = arguments.file.expanduser().resolve()
    name = file.name.split(".")[0] or "trace"
    target = folder_for_output(arguments.output) / f"{name}.yaml"
    if target.exists():
        raise UsageError(f"{target} is there already; remove it, or name another --output")
    base = load_benchmark(arguments.benchmark)
    spec = _spec(file, arguments)
    found = reading.recording(spec)
    served = _served(found)
    told = describing.describe(found, spec["rate_scale"])
    suggested = describing.suggest(found, spec["rate_scale"], arguments.window)
    benchmark = replace(
        base,
        name=name,
        duration=suggested.duration,
        full_duration=suggested.duration,
        workload={"trace": spec},
        seeds=suggested.seeds,
        held_out_seeds=suggested.held_out_seeds,
    )
    sized = None if arguments.replicas else _sized(benchmark, suggested)
    replicas = arguments.replicas or max(sized.replicas if sized else 0, LEAST_REPLICAS)
    text = _text(arguments.benchmark, benchmark, replicas, told, sized)
    write_atomically(target, text)
    account = windows.account(load_benchmark(str(target)))
    assert account is not None
    plot = target.with_suffix(".png")
    write_atomically(plot, drawing.png(trace_plot(found, suggested, spec["rate_scale"], file.name)))
    if arguments.json:
        line = {**told, "account": account, "replicas": replicas, "benchmark": str(target)}
        print(json.dumps(line, allow_nan=False))
        return 0
    print("\n".join([*windows.told(account), *_described(told), *_drift(account)]))
    print(f"\n{aligned(describing.table(told))}\n")
    print(f"replicas: {replicas}{_why(sized, arguments)}")
    if served:
        print(f"its lengths are kept for {', '.join(served)}, which needs no Vidur for them now")
    print(f"\nWritten: {target}, {plot}.\nDiscover for it: ./run.sh --benchmark {target}")
    return 0


def _served(found: Recording) -> list[str]:
    """The benchmarks that draw their lengths from this trace, which are kept for them."""
    digest = length_copies.keep_published(found.prompts, found.outputs)
    if digest is None:
        return []
    loaded = {name: load_benchmark(name).workload for name in available()}
    return [name for name, w in loaded.items() if length_copies.draws_from(w, digest)]


def _spec(file: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """The ``workload.trace`` that the options describe."""
    columns = None if arguments.columns is None else _columns(arguments.columns)
    form = arguments.format
    if columns is None and form is None:
        names = source.header(file)
        form = fitting(names)
        if form is None:
            there = ", ".join(shown(name) for name in names[:8])
            raise UsageError(
                f"{file}: has the columns of no known format ({', '.join(FORMATS)}) but {there}; "
                f"name three of them, such as --columns time=ts,prompt=in,output=out"
            )
    digest = reading.sha256_of(file)
    values = {
        "file": str(file),
        "format": form,
        "columns": columns,
        "sha256": digest,
        "rate_scale": arguments.rate_scale,
    }
    return validated(TraceFile, values, file, ()).model_dump()


def _columns(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(",")]
    if wrong := next((part for part in pairs if not part[1]), None):
        raise UsageError(f"--columns: {shown(wrong[0])} is not of the form time=NAME")
    return {key.strip(): value.strip() for key, _, value in pairs}


def _sized(benchmark: Benchmark, suggested: Suggestion) -> Size:
    """Measured in the evaluation window of the median number of requests."""
    ranked = sorted(suggested.seeds, key=lambda seed: (suggested.counts[seed], seed))
    progress = ProgressLine()
    try:
        return size(
            benchmark,
            ranked[len(ranked) // 2],
            lambda replicas, mean: progress.show(f"{replicas} replicas: {mean:.3g} s"),
        )
    finally:
        progress.clear()


def _described(told: dict[str, Any]) -> list[str]:
    if told["gap_cv"] is None or told["peak_to_mean"] is None:
        return []
    return [
        f"burstiness: the gaps between arrivals vary by {told['gap_cv']:.2f} times their mean "
        f"(Poisson: 1); the busiest {describing.PEAK_SECONDS:g} s have "
        f"{told['peak_to_mean']:.1f} times the mean rate"
    ]


def _drift(account: dict[str, Any]) -> list[str]:
    """A word where the later part of the trace is another load than the first."""
    first, later = (mean(account["windows"][name]["requests"]) for name in windows.KINDS)
    change = later / first - 1
    if abs(change) < DRIFT:
        return []
    words = "more" if change > 0 else "fewer"
    return [
        f"a held-out window has {abs(change):.0%} {words} requests than an evaluation window: what "
        f"is gained under the one load need not be under the other"
    ]


def _measured(sized: Size) -> str:
    means = sized.means
    near = [n for n in (sized.replicas - 1, sized.replicas) if n in means]
    parts = ", ".join(f"{means[n]:.3g} s with {n}" for n in near)
    return f"LLQ's mean response time is {parts}, {sized.unloaded:.3g} s with {UNLOADED}"


def _why(sized: Size | None, arguments: argparse.Namespace) -> str:
    if sized is None:
        return ", as you say"
    words = f" ({_measured(sized)}; up to {LOADED:g} times that is a load worth routing)"
    if sized.replicas < LEAST_REPLICAS:
        factor = 4 * arguments.rate_scale
        words += f"; one would do: --rate-scale {factor:g} makes work for about four"
    elif sized.means[sized.replicas] < LITTLE * sized.unloaded:
        words += f"; little can be gained there: --replicas {sized.replicas - 1} loads them more"
    return words


def _text(
    base: str, benchmark: Benchmark, replicas: int, told: dict[str, Any], sized: Size | None
) -> str:
    """The benchmark's file."""
    trace = benchmark.workload["trace"]
    kept = {key: value for key, value in trace.items() if value is not None}
    values = {
        "extends": base,
        "description": f"{Path(trace['file']).name} replayed, {told['rate']:.3g} requests/s",
        "cluster": {"replicas": replicas},
        "duration": benchmark.duration,
        "workload": {"trace": kept},
        "seeds": format_seeds(benchmark.seeds),
        "held_out_seeds": format_seeds(benchmark.held_out_seeds),
    }
    head = ["Written by openglia trace; environment/benchmarks/README.md documents the keys."]
    if sized is not None:
        head.append(f"Replicas as measured: {_measured(sized)}.")
    comments = "".join(f"# {line}\n" for line in head)
    return comments + yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
