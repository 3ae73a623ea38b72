"""Evaluations as text for people, from their machine-readable form. Standard library only."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from openglia.problems.routing.seeds import format_seeds

if TYPE_CHECKING:  # a dataclass: an agent's command starts without what it loads
    from openglia.presenting.objective import Objective

_MEAN = "mean_response_time"
_RATIO = "ratio_to_"


def evaluation_table(result: Mapping[str, Any], objective: "Objective") -> str:
    """A short table of one evaluation, or why there is no score."""
    where = f"{result['benchmark']}, {result['simulator']} simulator, " + (
        f"seeds {format_seeds(result['seeds'])}" + ("" if result.get("full") else " (partial)")
    )
    if result["status"] != "ok":
        return _failure(result, where)
    yardstick = _yardstick([result])
    rows = [
        (objective.words, objective.shown(result[objective.name]) + _interval(result, objective)),
        (f"ratio to {yardstick.upper()}", _ratio(result, yardstick)),
        *(("constraint", str(held["words"])) for held in result.get("constraints", ())),
        *([("mean response time", _seconds(result[_MEAN]))] if objective.name != _MEAN else []),
        ("p50, p90, p99", ", ".join(_seconds(result[key]) for key in ("p50", "p90", "p99"))),
        ("TTFT mean, p99", f"{_seconds(result['ttft_mean'])}, {_seconds(result['ttft_p99'])}"),
        ("TPOT mean", _milliseconds(result["tpot_mean"], 1000)),
        ("time in the global queue", _seconds(result["queue_time_mean"])),
        ("restarted requests", f"{100 * result['restarted_share']:.1f} %"),
        ("KV-cache use", _percent(result["kv_use_mean"])),
        ("its own time", _milliseconds(result["router_ms_mean"], 1) + " per call"),
        ("execution times", str(result["execution_times"])),
    ]
    if result.get("stopped"):
        rows.append(("given up", str(result["stopped"])))
    width = max(len(name) for name, _ in rows)
    return "\n".join([where, *(f"  {name:<{width}}  {text}" for name, text in rows)])


def comparison_table(rows: Sequence[Mapping[str, Any]], objective: "Objective") -> list[list[str]]:
    """Cells, header first, for evaluations side by side; each row has a ``name``."""
    others = {"mean (s)": _MEAN, "p99 (s)": "p99", "TTFT (s)": "ttft_mean"}
    first = objective.titled
    if objective.name == _MEAN:
        first = "mean (s)"
        del others[first]
    from openglia.presenting.score import Keys  # late: likewise

    held = any("constraints" in row for row in rows)
    yardstick = _yardstick(rows)
    noun = "router" if yardstick == "llq" else "scheduler"
    header = [noun, first, "90 % interval", f"to {yardstick.upper()}", *others, "restarted"]
    header += ["constraints"] if held else []
    cells = [header]
    for row in rows:
        if row["status"] != "ok":
            cells.append([row["name"], "failed", row["reason"], *[""] * (len(header) - 3)])
            continue
        low_high = row["interval"]
        ratio = row[_RATIO + yardstick]
        cells.append(
            [
                row["name"],
                objective.figure(row[objective.name]),
                "" if low_high is None else " to ".join(map(objective.figure, low_high)),
                "" if ratio is None else f"{ratio:.3f}",
                *(f"{row[key]:.{1 if key == 'p99' else 2}f}" for key in others.values()),
                f"{100 * row['restarted_share']:.1f} %",
                *([Keys().of(row).held] if held else []),
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


def _interval(result: Mapping[str, Any], objective: "Objective") -> str:
    if result["interval"] is None:
        return ""
    low, high = map(objective.figure, result["interval"])
    return f"  (90 % interval {low} to {high})"


def _yardstick(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the ratios of results are to."""
    keys = [key for row in rows for key in row if key.startswith(_RATIO)]
    return keys[0].removeprefix(_RATIO) if keys else "llq"


def _ratio(result: Mapping[str, Any], yardstick: str) -> str:
    ratio = result[_RATIO + yardstick]
    if ratio is None:
        return f"none: {result.get('ratio_note', f'{yardstick} is not measured')}"
    return f"{ratio:.3f}"


def _seconds(value: float) -> str:
    return f"{value:.2f} s"


def _percent(value: float | None) -> str:
    return "not measured" if value is None else f"{100 * value:.1f} %"


def _milliseconds(value: float | None, scale: float) -> str:
    return "none" if value is None else f"{scale * value:.3g} ms"
