"""Several schedulers on the same seeds: a table, and its files."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openglia.errors import UsageError
from openglia.files import write_atomically, write_json
from openglia.measuring.pairs import compare
from openglia.presenting.objective import Objective
from openglia.presenting.score import Keys
from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.benchmark.objectives import OBJECTIVES
from openglia.problems.routing.evaluation.measuring import BUILTIN, Evaluation
from openglia.problems.routing.evaluation.scoring import evaluate
from openglia.problems.routing.evaluation.tables import comparison_table
from openglia.problems.routing.hooks import ROUTER, Hook
from openglia.problems.routing.simulators import Simulator
from openglia.tables import markdown

Progress = Callable[[str, int, int], None]  # scheduler, seeds done, seeds in all

_COLUMNS = (
    "name",
    "status",
    "reason",
    "scheduler",
    "mean_response_time",
    "interval_low",
    "interval_high",
    "ratio_to_first",
    "ratio_to_first_low",
    "ratio_to_first_high",
    "seeds_won",
    "ratio_to_llq",
    "ratio_to_fcfs",
    "p50",
    "p90",
    "p99",
    "ttft_mean",
    "ttft_p99",
    "tpot_mean",
    "queue_time_mean",
    "restarted_share",
    "kv_use_mean",
)


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The rows of a comparison: evaluations in JSON form with a name, and paired figures.

    ``paired`` of a row compares its objective with the first scheduler's: geometric-mean ratio (or
    mean difference, where a zero leaves no ratio) with interval, and seeds won; None for the first
    itself and where one of the two failed.
    """

    benchmark: Benchmark
    rows: list[dict[str, Any]]

    @property
    def objective(self) -> Objective:
        return OBJECTIVES[self.benchmark.objective]

    @property
    def ok(self) -> bool:
        return all(row["status"] == "ok" for row in self.rows)


def compare_schedulers(
    schedulers: Sequence[str],
    benchmark: Benchmark,
    *,
    seeds: Sequence[int] | None = None,
    simulator: str | Simulator = "auto",
    hook: Hook = ROUTER,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Compared:
    """Evaluate the schedulers on the same seeds; a lone one is compared with the yardstick.

    Args:
        schedulers: paths, or names of baselines such as ``llq`` (``builtin:llq`` is the same).
    """
    named = [_resolved(scheduler, hook) for scheduler in schedulers]
    if len(named) == 1:
        named.insert(0, f"{BUILTIN}{hook.yardstick}")
    evaluations: list[tuple[str, Evaluation]] = []
    for label, scheduler in zip(_labels(named), named, strict=True):

        def say(done: int, total: int, label: str = label) -> None:
            if progress is not None:
                progress(label, done, total)

        evaluation = evaluate(
            scheduler,
            benchmark,
            seeds=seeds,
            simulator=simulator,
            hook=hook,
            jobs=jobs,
            progress=say,
        )
        evaluations.append((label, evaluation))
    first = evaluations[0][1]
    rows = [
        {
            "name": label,
            **evaluation.to_json(),
            "paired": _paired(evaluation, first, OBJECTIVES[benchmark.objective]),
        }
        for label, evaluation in evaluations
    ]
    return Compared(benchmark=benchmark, rows=rows)


def cells(compared: Compared) -> list[list[str]]:
    """The table, header first."""
    table = comparison_table(compared.rows, compared.objective)
    table[0] += ["to the first", "90 % interval", "seeds won"]
    for row, line in zip(compared.rows, table[1:], strict=True):
        paired = row["paired"]
        if paired is None:
            line += ["", "", ""]
            continue
        low_high = paired["interval"]
        apart = "" if "ratio" in paired else " apart"
        line += [
            f"{paired.get('ratio', paired.get('difference')):.3f}{apart}",
            "" if low_high is None else f"{low_high[0]:.3f} to {low_high[1]:.3f}",
            f"{paired['won']} of {paired['seeds']}",
        ]
    return table


def write(compared: Compared, folder: Path) -> list[Path]:
    """Write comparison.csv, comparison.json and comparison.md; return their paths."""
    benchmark = compared.benchmark
    paths = [folder / f"comparison.{ending}" for ending in ("csv", "json", "md")]
    write_atomically(paths[0], _csv(compared))
    write_json(
        paths[1],
        {
            "benchmark": benchmark.name,
            "benchmark_hash": benchmark.hash,
            "rows": compared.rows,
        },
    )
    title = f"# Comparison on `{benchmark.name}` (hash `{benchmark.hash}`)"
    note = (
        f"Seeds {', '.join(str(seed) for seed in compared.rows[0]['seeds'])}; "
        f'{compared.rows[0]["simulator"]} simulator. "To the first" is the geometric mean, over '
        f"seeds, of the ratio of {compared.objective.words}s; {compared.objective.direction}."
    )
    write_atomically(paths[2], f"{title}\n\n{note}\n\n{markdown(cells(compared))}")
    return paths


def _resolved(scheduler: str, hook: Hook) -> str:
    if scheduler in hook.builtins:
        return f"{BUILTIN}{scheduler}"
    if scheduler.startswith(BUILTIN) or Path(scheduler).is_file():
        return scheduler
    raise UsageError(
        f"no scheduler {scheduler!r}: neither a file nor one of {', '.join(hook.builtins)}"
    )


def _labels(schedulers: Sequence[str]) -> list[str]:
    """File names, or whole paths where two names are the same."""
    short = [
        scheduler.removeprefix(BUILTIN) if scheduler.startswith(BUILTIN) else Path(scheduler).name
        for scheduler in schedulers
    ]
    return [
        name if short.count(name) == 1 else scheduler
        for name, scheduler in zip(short, schedulers, strict=True)
    ]


def _paired(
    evaluation: Evaluation, first: Evaluation, objective: Objective
) -> dict[str, Any] | None:
    if evaluation is first or evaluation.statistics is None or first.statistics is None:
        return None
    paired = compare(evaluation.statistics.per_seed, first.statistics.per_seed)
    return {
        paired.measure: paired.value,
        "interval": None if paired.interval is None else list(paired.interval),
        "won": paired.lower if objective.lower_is_better else paired.higher,
        "seeds": paired.cases,
    }


def _csv(compared: Compared) -> str:
    stream = io.StringIO()
    more = [name for name in compared.benchmark.metrics if name not in _COLUMNS]
    more += ["violation"] if compared.benchmark.constraints else []
    writer = csv.DictWriter(stream, [*_COLUMNS, *more], extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in compared.rows:
        low, high = row.get("interval") or (None, None)
        paired = row["paired"] or {}
        paired_low, paired_high = paired.get("interval") or (None, None)
        writer.writerow(
            row
            | {
                "interval_low": low,
                "interval_high": high,
                "ratio_to_first": paired.get("ratio"),
                "ratio_to_first_low": paired_low if "ratio" in paired else None,
                "ratio_to_first_high": paired_high if "ratio" in paired else None,
                "seeds_won": paired.get("won"),
                "violation": Keys().of(row).violation,
            }
        )
    return stream.getvalue()
