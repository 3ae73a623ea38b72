"""The final verification: fresh processes, held-out seeds, figures that no agent ever sees.

The final router, the stub and the baselines are measured on the held-out seeds; one seed of each
kind is run twice; and where Vidur is installed a few seeds are repeated on it and compared with
the embedded simulator request by request.
"""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from openglia import paths
from openglia.errors import OpenGliaError
from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.benchmark.evaluation import Evaluation, evaluate

VIDUR_SEEDS = 2  # held-out seeds repeated on Vidur: it takes about 40 s for one of the paper's

# Compared request by request; the same names in both simulators' request_metrics.csv.
_COLUMNS = ("completed_at", "replica_id")

Say = Callable[[str], None]


def measure_held_out(
    benchmark: Benchmark, simulator: str, final: Path | None, say: Say
) -> dict[str, dict[str, Any]]:
    """JSON lines on the held-out seeds, by name: the baselines, ``stub``, and ``final``."""
    from openglia.problems.routing.benchmark.baselines import measure_baselines

    seeds = benchmark.held_out_seeds
    say("verification: the baselines on the held-out seeds")
    measured = measure_baselines(benchmark, seeds=seeds, simulator=simulator)
    found = {name: _paired_json(evaluation) for name, evaluation in measured.items()}
    files = {"stub": paths.STUB} | ({} if final is None else {"final": final})
    for name, path in files.items():
        say(f"verification: {name} on the held-out seeds")
        evaluation = evaluate(str(path), benchmark, seeds=seeds, simulator=simulator)
        found[name] = _paired_json(evaluation)
    fill_ratios(found)
    return found


def fill_ratios(results: Mapping[str, dict[str, Any]]) -> None:
    """Give every clean result its ``ratio_to_llq`` where LLQ is among the results."""
    llq = results.get("llq", {})
    if llq.get("status") != "ok":
        return
    for result in results.values():
        if result["status"] == "ok" and result.get("ratio_to_llq") is None:
            result["ratio_to_llq"] = result["mean_response_time"] / llq["mean_response_time"]
            result.pop("ratio_note", None)


def check_repeats(
    benchmark: Benchmark, simulator: str, final: Path, recorded: Mapping[str, Any], say: Say
) -> dict[str, Any]:
    """Whether the final router does the same thing again.

    Returns:
        ``deterministic``: one held-out (or, if there is none, evaluation) seed run twice gave
        every request the same replica and completion time. ``recorded``: the first evaluation
        seed gave the mean response time of the record. ``reason`` if one of them is not true.
    """
    say("verification: the same seeds again")
    seed = (benchmark.held_out_seeds or benchmark.seeds)[0]
    known = benchmark.seeds[0]
    reasons = []
    with tempfile.TemporaryDirectory(prefix="openglia-") as temporary:
        runs = [Path(temporary) / name for name in ("first", "second")]
        for run in runs:
            _clean(str(final), benchmark, [seed], simulator, run)
        difference = largest_difference(runs[0], runs[1], seed)
        deterministic = difference["equal"]
        again = _clean(str(final), benchmark, [known], simulator, runs[0])
    if not deterministic:
        reasons.append(f"seed {seed} run twice: {difference['requests_differing']} requests differ")
    before = dict(zip(recorded["seeds"], recorded["per_seed"], strict=True)).get(known)
    same = before == again["per_seed"][0]
    if not same:
        reasons.append(f"seed {known}: {again['per_seed'][0]!r} s, and {before!r} s in the record")
    return {
        "deterministic": deterministic and same,
        "reason": "; ".join(reasons) or None,
    }


def compare_with_vidur(benchmark: Benchmark, final: Path, say: Say) -> dict[str, Any]:
    """Repeat a few seeds of the final router on Vidur, and compare with the embedded simulator.

    With execution times from Vidur's own tables both must give every request the same completion
    time, to the last bit; with the analytic ones the means are only set side by side.

    Returns:
        ``seeds``, ``execution_times`` of the embedded simulator, ``equal``, ``required`` (whether
        equality was), ``requests``, ``requests_differing``, ``largest_difference`` in seconds,
        ``mean_response_time`` of each, ``agrees``.
    """
    seeds = list((benchmark.held_out_seeds or benchmark.seeds)[:VIDUR_SEEDS])
    named = ", ".join(map(str, seeds))
    say(f"verification: the final router on Vidur, seeds {named} (about 40 s a seed)")
    with tempfile.TemporaryDirectory(prefix="openglia-") as temporary:
        folders = {name: Path(temporary) / name for name in ("embedded", "vidur")}
        results = {
            name: _clean(str(final), benchmark, seeds, name, folder)
            for name, folder in folders.items()
        }
        per_seed = [
            largest_difference(folders["embedded"], folders["vidur"], seed) for seed in seeds
        ]
    times = str(results["embedded"]["execution_times"])
    required = times.startswith("vidur-tables")
    equal = all(seed["equal"] for seed in per_seed)
    return {
        "seeds": seeds,
        "execution_times": times,
        "required": required,
        "equal": equal,
        "requests": sum(seed["requests"] for seed in per_seed),
        "requests_differing": sum(seed["requests_differing"] for seed in per_seed),
        "largest_difference": max(seed["largest_difference"] for seed in per_seed),
        "mean_response_time": {
            name: result["mean_response_time"] for name, result in results.items()
        },
        "agrees": equal or not required,
    }


def largest_difference(first: Path, second: Path, seed: int) -> dict[str, Any]:
    """Two simulations of one seed, request by request; differences in seconds."""
    import numpy as np
    import pandas as pd

    tables = [
        pd.read_csv(folder / f"seed_{seed}" / "request_metrics.csv", float_precision="round_trip")
        .set_index("Request Id")
        .sort_index()
        for folder in (first, second)
    ]
    times = [table["completed_at"].to_numpy() for table in tables]
    if len(times[0]) != len(times[1]):
        raise OpenGliaError(f"seed {seed} has {len(times[0])} and then {len(times[1])} requests")
    differing = np.zeros(len(times[0]), dtype=bool)
    for column in _COLUMNS:
        differing |= tables[0][column].to_numpy() != tables[1][column].to_numpy()
    return {
        "requests": len(differing),
        "requests_differing": int(differing.sum()),
        "largest_difference": float(np.abs(times[0] - times[1]).max(initial=0.0)),
        "equal": not differing.any(),
    }


def _paired_json(evaluation: Evaluation) -> dict[str, Any]:
    """The JSON line with the figures of each seed, which comparing in pairs needs."""
    line = evaluation.to_json()
    if evaluation.statistics is not None:
        line["by_seed"] = {name: list(v) for name, v in evaluation.statistics.by_seed.items()}
    return line


def _clean(
    scheduler: str, benchmark: Benchmark, seeds: list[int], simulator: str, folder: Path
) -> dict[str, Any]:
    result = evaluate(
        scheduler, benchmark, seeds=seeds, simulator=simulator, output_dir=folder
    ).to_json()
    if result["status"] != "ok":
        raise OpenGliaError(
            f"the final router failed on the {simulator} simulator when it was repeated: "
            f"{result['reason']}"
        )
    return result
