"""RESULTS.md: the tables, and what can be read from them. Every figure in it is measured."""

from collections.abc import Iterable, Sequence
from typing import Any

from openglia.problems.routing.reference.gap_words import section
from openglia.problems.routing.reference.references import (
    CLAIRVOYANT,
    HEAD_ROOM,
    LLQ,
    OBJECTIVES,
    REFERENCES,
)
from openglia.problems.routing.reference.reproduce import Gap, Table
from openglia.problems.routing.seeds import format_seeds
from openglia.tables import markdown

PLOT = "routers.png"
_OVER = 1.02  # a mean response time within 2 % of another's is called level with it


def render(tables: Sequence[Table], gaps: Sequence[Gap]) -> str:
    """The Markdown. ``PLOT`` is the name of the plot beside it."""
    by_name = {table.benchmark.name: table for table in tables}
    measured = [table for table in tables if table.rows]
    lines = [
        "# Known routers, measured",
        "",
        "Written by `openglia reproduce`; do not edit. Every router but the clairvoyant obeys the "
        "rules that agents' routers obey. Mean response time in seconds with its 90 % bootstrap "
        "interval over seeds; ratios are geometric means of the seeds' ratios, with the 90 % "
        "interval of the pairs; p99 and TTFT (mean) in seconds, over all requests; restarted: the "
        "share of requests that were evicted at least once; own time: of the router per call, in "
        "milliseconds, on the machine that measured.",
        "",
        f"![Mean response time over LLQ's, router by router, on each benchmark]({PLOT})",
        "",
        "## What they are",
        "",
        *(f"- **{r.label}**: {r.what}" for r in (*REFERENCES, CLAIRVOYANT)),
        "",
        "## What can be read from the tables",
        "",
        *(f"- {sentence}" for table in measured for sentence in _findings(table)),
        "",
    ]
    for gap in gaps:
        lines += section(gap, by_name[gap.benchmark.name])
    for table in tables:
        lines += _section(table)
    return "\n".join(lines).rstrip() + "\n"


def _section(table: Table) -> list[str]:
    benchmark = table.benchmark
    head = [f"## {benchmark.name}", ""]
    if not table.rows:
        return [*head, f"Not measured: {table.missing}", ""]
    first = next(iter(table.rows.values()))
    return [
        *head,
        f"{benchmark.description}. Hash `{benchmark.hash}`, seeds "
        f"{format_seeds(list(benchmark.seeds))}, {first['simulator']} simulator, execution times "
        f"`{first['execution_times']}`.",
        "",
        markdown(_cells(table)),
    ]


def _cells(table: Table) -> list[list[str]]:
    papers = {r.label: r.paper for r in REFERENCES if table.benchmark.name == "paper"}
    header = ["router", "mean", "90 %", "to LLQ", "to head-room", "p99", "TTFT", "restarted"]
    cells = [[*header, "own time"] + (["Glia paper"] if papers else [])]
    for label, row in table.rows.items():
        cells.append(
            [
                label,
                f"{row['mean_response_time']:.2f}",
                _interval(row["interval"], 1),
                *(_ratio(table, label, to) for to in (LLQ, HEAD_ROOM)),
                f"{row['p99']:.0f}",
                f"{row['ttft_mean']:.1f}",
                f"{row['restarted_share']:.1%}",
                "" if row["router_ms_mean"] is None else f"{row['router_ms_mean']:.2g}",
            ]
        )
        if papers:
            cells[-1].append("" if papers.get(label) is None else f"{papers[label]:.1f}")
    return cells


def _ratio(table: Table, label: str, to: str) -> str:
    if label == to or (paired := table.ratio(label, to)) is None:
        return ""
    return f"{paired.value:.3f} ({_interval(paired.interval, 2)})"


def _interval(interval: Any, digits: int) -> str:
    return "" if interval is None else " to ".join(f"{end:.{digits}f}" for end in interval)


def _findings(table: Table) -> Iterable[str]:
    """Sentences on one benchmark: who is better than head-room, and at what."""
    name = f"**{table.benchmark.name}**"
    known = [label for label in table.rows if label not in (CLAIRVOYANT.label, HEAD_ROOM)]
    for objective, words in OBJECTIVES.items():
        better = []
        for label in known:
            paired = table.ratio(label, HEAD_ROOM, objective)
            if paired and paired.interval and paired.interval[1] < paired.equal:
                less = f"{paired.value:.2f} times" if paired.measure == "ratio" else "fewer"
                better.append((paired.value, f"{label} ({less})"))
        if better:
            listed = ", ".join(text for _, text in sorted(better))
            yield f"{name}: better than head-room in {words}, seed by seed: {listed}."
        elif objective == "mean_response_time":
            yield f"{name}: none is better than head-room in {words}, seed by seed."
    means = {label: table.rows[label]["mean_response_time"] for label in [*known, HEAD_ROOM]}
    best = min(means.values())
    level = [label for label, mean in means.items() if mean <= _OVER * best]
    clairvoyant = table.rows[CLAIRVOYANT.label]["mean_response_time"]
    yield (
        f"{name}: the lowest mean is {best:.2f} s; within 2 % of it: {', '.join(level)}. "
        f"The clairvoyant has {clairvoyant:.2f} s."
    )
