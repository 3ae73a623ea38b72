"""Evaluations as text for people, from their machine-readable form. Standard library only."""

from collections.abc import Mapping, Sequence
from typing import Any

from openglia.problems.routing.seeds import format_seeds


def evaluation_table(result: Mapping[str, Any]) -> str:
    """A short table of one evaluation, or why there is no score."""
    where = f"{result['benchmark']}, {result['simulator']} simulator, " + (
        f"seeds {format_seeds(result['seeds'])}" + ("" if result.get("full") else " (partial)")
    )
    if result["status"] != "ok":
        return _failure(result, where)
    rows = [
        ("mean response time", _seconds(result["mean_response_time"]) + _interval(result)),
        ("ratio to LLQ", _ratio(result)),
        ("p50, p90, p99", ", ".join(_seconds(result[key]) for key in ("p50", "p90", "p99"))),
        ("TTFT mean, p99", f"{_seconds(result['ttft_mean'])}, {_seconds(result['ttft_p99'])}"),
        ("TPOT mean", _milliseconds(result["tpot_mean"], 1000)),
        ("time in the global queue", _seconds(result["queue_time_mean"])),
        ("restarted requests", f"{100 * result['restarted_share']:.1f} %"),
        ("KV-cache use", _percent(result["kv_use_mean"])),
        ("router's own time", _milliseconds(result["router_ms_mean"], 1) + " per call"),
        ("execution times", str(result["execution_times"])),
    ]
    if result.get("stopped"):
        rows.append(("given up", str(result["stopped"])))
    width = max(len(name) for name, _ in rows)
    return "\n".join([where, *(f"  {name:<{width}}  {text}" for name, text in rows)])


def comparison_table(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Cells, header first, for evaluations side by side; each row has a ``name``."""
    header = ["router", "mean (s)", "90 % interval", "to LLQ", "p99 (s)", "TTFT (s)", "restarted"]
    cells = [header]
    for row in rows:
        if row["status"] != "ok":
            cells.append([row["name"], "failed", row["reason"], "", "", "", ""])
            continue
        low_high = row["interval"]
        ratio = row["ratio_to_llq"]
        cells.append(
            [
                row["name"],
                f"{row['mean_response_time']:.2f}",
                "" if low_high is None else f"{low_high[0]:.2f} to {low_high[1]:.2f}",
                "" if ratio is None else f"{ratio:.3f}",
                f"{row['p99']:.1f}",
                f"{row['ttft_mean']:.2f}",
                f"{100 * row['restarted_share']:.1f} %",
            ]
        )
    return cells


def _failure(result: Mapping[str, Any], where: str) -> str:
    seed = result.get("seed")
    lines = [
        f"{where}: FAILED, no score",
        f"  {result['reason']}" + ("" if seed is None else f" (seed {seed})"),
    ]
    if result.get("detail"):
        lines += ["", *(f"    {line}" for line in str(result["detail"]).splitlines())]
    return "\n".join(lines)


def _interval(result: Mapping[str, Any]) -> str:
    if result["interval"] is None:
        return ""
    low, high = result["interval"]
    return f"  (90 % interval {low:.2f} to {high:.2f})"


def _ratio(result: Mapping[str, Any]) -> str:
    if result["ratio_to_llq"] is None:
        return f"none: {result.get('ratio_note', 'LLQ is not measured')}"
    return f"{result['ratio_to_llq']:.3f}"


def _seconds(value: float) -> str:
    return f"{value:.2f} s"


def _percent(value: float | None) -> str:
    return "not measured" if value is None else f"{100 * value:.1f} %"


def _milliseconds(value: float | None, scale: float) -> str:
    return "none" if value is None else f"{scale * value:.3g} ms"
