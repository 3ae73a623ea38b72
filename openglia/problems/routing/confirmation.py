"""Two simulations of the same seeds compared request by request: a repetition, or Vidur's."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openglia.errors import OpenGliaError
from openglia.problems.problem import Say
from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.evaluation.scoring import evaluate
from openglia.problems.routing.hooks import ROUTER, Hook

if TYPE_CHECKING:
    from openglia.problems.routing.evaluation.requests import Requests

VIDUR_SEEDS = 2  # held-out seeds repeated on Vidur: it takes about 40 s for one of the paper's

# What both simulators' request_metrics.csv hold under the same names; of two runs of the engine
# everything is compared.
_COLUMNS = ("completed_at", "replica_id")


@dataclass(frozen=True)
class Difference:
    """Two simulations of one seed."""

    requests: int
    differing: int  # in anything that both folders tell
    largest: float  # of the completion times, in seconds
    first: str = ""  # the first request that differs, and what it differs in

    def __str__(self) -> str:
        return f"{self.differing} of {self.requests} requests differ, the first is {self.first}"


def difference(first: Path, second: Path, seed: int) -> Difference:
    """Compare two folders of results on one seed, to the last bit.

    Raises:
        OpenGliaError: they do not hold equally many requests.
    """
    import numpy as np  # late: only a verification needs it

    one, other = _tables([folder / f"seed_{seed}" for folder in (first, second)])
    times = [table["completed_at"] for table in (one, other)]
    if len(times[0]) != len(times[1]):
        raise OpenGliaError(f"seed {seed} has {len(times[0])} and then {len(times[1])} requests")
    unequal = {column: one[column] != other[column] for column in one}
    differing = np.logical_or.reduce(list(unequal.values()))
    largest = float(np.abs(times[0] - times[1]).max(initial=0.0))
    words = ""
    if differing.any():
        index = int(differing.argmax())
        name = next(column for column in reversed(list(one)) if unequal[column][index])
        values = [table[name][index].item() for table in (one, other)]
        words = f"{one['Request Id'][index]}: {name} {values[0]!r} and then {values[1]!r}"
    return Difference(len(differing), int(differing.sum()), largest, words)


def _tables(folders: Sequence[Path]) -> "list[Requests]":
    """By request id: of the engine's own files if each has one, else of what is in both CSV."""
    from openglia.problems.routing.evaluation.requests import read_binary  # late, likewise

    binaries = [folder / "requests.bin" for folder in folders]
    if all(path.exists() for path in binaries):
        return [read_binary(path) for path in binaries]
    import pandas as pd  # late: half a second

    tables = [
        pd.read_csv(folder / "request_metrics.csv")
        .sort_values("Request Id")
        .filter(["Request Id", *_COLUMNS])
        for folder in folders
    ]
    return [{str(name): table[name].to_numpy() for name in table} for table in tables]


def compare_with_vidur(
    benchmark: Benchmark, final: Path, say: Say, hook: Hook = ROUTER
) -> dict[str, Any]:
    """Repeat a few seeds of the final candidate on Vidur, and compare with the embedded simulator.

    With execution times from Vidur's own tables both must give every request the same completion
    time, to the last bit; with the analytic ones the means are only set side by side.

    Returns:
        ``seeds``, ``execution_times`` of the embedded simulator, ``equal``, ``required`` (whether
        equality was), ``requests``, ``requests_differing``, ``largest_difference`` in seconds,
        ``mean_response_time`` of each, ``agrees``, and ``disagreement`` where it is false.

    Raises:
        OpenGliaError: it fails on one of them.
    """
    seeds = list((benchmark.held_out_seeds or benchmark.seeds)[:VIDUR_SEEDS])
    named = ", ".join(map(str, seeds))
    say(f"verification: the final {hook.noun} on Vidur, seeds {named} (about 40 s a seed)")
    with tempfile.TemporaryDirectory(prefix="openglia-") as temporary:
        folders = {name: Path(temporary) / name for name in ("embedded", "vidur")}
        lines = {
            name: _clean(final, benchmark, seeds, name, folder, hook)
            for name, folder in folders.items()
        }
        found = [difference(folders["embedded"], folders["vidur"], seed) for seed in seeds]
    times = str(lines["embedded"]["execution_times"])
    required = times.startswith("vidur-tables")
    differing = sum(seed.differing for seed in found)
    agreement: dict[str, Any] = {
        "seeds": seeds,
        "execution_times": times,
        "required": required,
        "equal": not differing,
        "requests": sum(seed.requests for seed in found),
        "requests_differing": differing,
        "largest_difference": max(seed.largest for seed in found),
        "mean_response_time": {name: line["mean_response_time"] for name, line in lines.items()},
        "agrees": not differing or not required,
    }
    if not agreement["agrees"]:
        agreement["disagreement"] = (
            f"the embedded simulator and Vidur disagree on the final {hook.noun}"
        )
    return agreement


def _clean(
    router: Path, benchmark: Benchmark, seeds: list[int], simulator: str, folder: Path, hook: Hook
) -> dict[str, Any]:
    line = evaluate(
        str(router), benchmark, seeds=seeds, simulator=simulator, output_dir=folder, hook=hook
    ).to_json()
    if line["status"] != "ok":
        raise OpenGliaError(
            f"the final {hook.noun} failed on the {simulator} simulator when it was repeated: "
            f"{line['reason']}"
        )
    return line
