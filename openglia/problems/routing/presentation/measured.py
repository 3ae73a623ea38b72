"""One seed simulated again for what a score does not hold: each request, and the replicas in time.

The final router and LLQ serve one evaluation seed on the embedded simulator: the one on which
LLQ's mean is the median, because single seeds differ much in their load. What the plots need is
kept in ``plots/measured.json``; it is measured again only when its key changes.
"""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from openglia.errors import OpenGliaError
from openglia.files import sha256, write_json
from openglia.presenting.presentation import RunData
from openglia.presenting.score import Case
from openglia.presenting.tolerant import at, text
from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.evaluation import measuring
from openglia.problems.routing.hooks import ROUTER, Hook
from openglia.problems.routing.presentation.keys import KEYS
from openglia.problems.routing.scored_on import restore

FORMAT = 1
SAMPLES = 240  # points in time over the benchmark's duration
QUANTILES = 400  # steps of the distribution of response times


class NotMeasured(Exception):  # noqa: N818 - an expected ending, said to the reader
    """Why there is nothing to draw; one line."""


def measure(run: RunData, hook: Hook = ROUTER) -> Mapping[str, Any]:
    """Quantiles and time series of the final candidate and the yardstick.

    Returns:
        {"key", "seed", "routers": {"final"|yardstick: {"requests", "mean", "quantiles": seconds at
        shares 0..1 in equal steps, "series": {"time": s, "kv_mean", "kv_min", "kv_max": share of
        the blocks over replicas, "router_queue", "replica_queue": requests}}}}

    Raises:
        NotMeasured: with the reason.
    """
    if run.final_source is None:
        raise NotMeasured("there is no final_scheduler.py")
    benchmark = _benchmark(run)
    seed = median_seed(KEYS.of(at(run.results, "baselines", hook.yardstick, "evaluation")).by_case)
    if seed is None or seed not in benchmark.seeds:
        seed = benchmark.seeds[0]
    key = {
        "format": FORMAT,
        "scheduler": sha256(run.final_source),
        "benchmark": benchmark.hash,
        "seed": seed,
    }
    kept = run.folder / "plots" / "measured.json"
    found = _kept(kept)
    if isinstance(found, Mapping) and found.get("key") == key:
        return found
    schedulers = {
        hook.yardstick: f"builtin:{hook.yardstick}",
        "final": str((run.folder / "final_scheduler.py").resolve()),
    }
    with tempfile.TemporaryDirectory(prefix="openglia-report-") as temporary:
        measured = {
            "key": key,
            "seed": seed,
            "routers": {
                name: _simulate(scheduler, benchmark, seed, Path(temporary) / name, hook)
                for name, scheduler in schedulers.items()
            },
        }
    write_json(kept, measured)
    return measured


def median_seed(means: Mapping[Case, float]) -> int | None:
    """The seed whose mean is the median, the lower one of two; None if there is none."""
    ranked = sorted((mean, seed) for seed, mean in means.items() if isinstance(seed, int))
    return ranked[(len(ranked) - 1) // 2][1] if ranked else None


def _kept(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return None


def _benchmark(run: RunData) -> Benchmark:
    """The benchmark that the run was scored on."""
    if not all(text(run.results, "benchmark", key) for key in ("name", "hash")):
        raise NotMeasured("results.json does not name the benchmark")
    try:
        return restore(run.folder, run.results)
    except OpenGliaError as error:
        raise NotMeasured(str(error)) from error


def _simulate(
    scheduler: str, benchmark: Benchmark, seed: int, folder: Path, hook: Hook
) -> dict[str, Any]:
    try:
        outcome = measuring.measure(
            scheduler,
            benchmark,
            seeds=(seed,),
            simulator="embedded",
            output_dir=folder,
            hook=hook,
            jobs=1,
            resolution=benchmark.duration / SAMPLES,
        ).to_json()
    except OpenGliaError as error:
        raise NotMeasured(str(error)) from error
    if outcome.get("status") != "ok":
        raise NotMeasured(f"seed {seed} could not be simulated again: {outcome.get('reason')}")
    here = folder / f"seed_{seed}"
    return {
        **requests(here / "request_metrics.csv"),
        "series": series(here / "replica_metrics.csv.gz"),
    }


def requests(path: Path) -> dict[str, Any]:
    """Number, mean and quantiles of the response times in a request_metrics.csv, in seconds."""
    times = pd.read_csv(path, usecols=["request_e2e_time"])["request_e2e_time"].to_numpy()
    shares = np.linspace(0, 1, QUANTILES + 1)
    return {
        "requests": len(times),
        "mean": float(times.mean()),
        "quantiles": [round(float(value), 4) for value in np.quantile(times, shares)],
    }


def series(path: Path) -> dict[str, list[float]]:
    """Use of KV-cache blocks and lengths of the queues over time, from a replica_metrics.csv.gz."""
    rows = pd.read_csv(path)

    def over_time(column: str) -> pd.DataFrame:
        wide = rows.pivot_table(index="time", columns="replica_id", values=column, aggfunc="last")
        return wide.ffill().fillna(0)

    waiting = over_time("num_pending_requests")
    use = over_time("memory_usage_percent").drop(columns=-1) / 100
    columns = {
        "time": waiting.index.to_series(),
        "kv_mean": use.mean(axis="columns"),
        "kv_min": use.min(axis="columns"),
        "kv_max": use.max(axis="columns"),
        "router_queue": waiting[-1],
        "replica_queue": waiting.drop(columns=-1).sum(axis=1),
    }
    return {name: [round(float(v), 4) for v in column] for name, column in columns.items()}
