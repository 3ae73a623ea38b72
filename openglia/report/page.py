"""What the page of one run shows, as plain data; ``templates/report.html`` lays it out."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from openglia.presenting import researcher, spent, units
from openglia.presenting.drawing import Absent, Plot
from openglia.presenting.tolerant import at, items, mapping, number, text
from openglia.report import lanes, transferred, verdict
from openglia.report.data import Run
from openglia.report.discovered import discovered
from openglia.report.rendering import render as render_template
from openglia.report.rendering import script

Pairs = list[tuple[str, str]]

# What results.json holds and other parts of the page show.
SHOWN_ELSEWHERE = {
    "account", "baselines", "elapsed_seconds", "evaluations", "final", "integrity", "leaders",
    "limits", "outcome", "prices", "reason", "stages", "status", "stub", "timings", "transfer",
    "usage", "verification", "warnings",
}  # fmt: skip
LANGUAGES = {".py": "python", ".cpp": "cpp", ".c": "c", ".rs": "rust", ".go": "go", ".sh": "bash"}
REFRESH = 15  # seconds until the page of a run that is under way loads itself again
TONES = {"passed": "good", "failed": "bad"}


@dataclass(frozen=True)
class Table:
    """Figures; the first column names the rows."""

    label: str
    header: Sequence[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Tile:
    """One figure that a reader should see first."""

    name: str
    value: str
    detail: str


@dataclass(frozen=True)
class Check:
    """One of the harness's checks."""

    name: str
    outcome: str
    tone: str
    evidence: str


def render(run: Run, generic: Sequence[Plot | Absent], own: Sequence[Plot | Absent]) -> str:
    """The whole page as HTML text.

    Args:
        generic: the plots of ``report.plots``: contestants, pairs of cases, progress.
        own: the problem's plots.
    """
    contestants, cases, progress = generic
    results = run.results
    refreshing = {"refresh": REFRESH, "script": script("refreshing.js")} if run.under_way else {}
    return render_template(
        "report.html",
        **refreshing,
        run=run,
        label=run.label(run.yardstick),
        now=datetime.now(UTC).strftime("%H:%M:%S UTC"),
        final=run.presentation.final_name,
        language=LANGUAGES.get(run.presentation.suffix, "text"),
        status=verdict.status(run),
        flags=verdict.flags(run),
        worse=verdict.worse(run),
        headline=verdict.headline(run),
        facts=_facts(run),
        tiles=_tiles(run),
        warnings=[str(warning) for warning in items(results, "warnings")],
        result_plots=(contestants, cases),
        groups=[
            _contestants(run, "held_out", f"held-out {run.case}s"),
            _contestants(run, "evaluation", f"evaluation {run.case}s"),
        ],
        transferred=transferred.section(results, run.presentation),
        found=discovered(run),
        progress=progress,
        best={position for position, _ in run.best_so_far()},
        own_plots=own,
        lanes=lanes.plot(run),
        digests=lanes.digests(run),
        lineage=lanes.lineage(run),
        conversations=lanes.conversations(run),
        usage=_usage(mapping(results, "usage")),
        spent=spent.told(results),
        timings=_timings(mapping(results, "timings")),
        limits=_pairs(mapping(results, "limits")),
        checks=_checks(run),
        verification=_verification(run),
        provenance=_provenance(run),
        definition=_pairs(run.presentation.definition(results)),
        commands=_commands(run),
    )


def _facts(run: Run) -> Pairs:
    facts = [
        ("discovered by", researcher.told(run.results)),
        *run.presentation.facts(run.results),
        ("started", units.moment(text(run.results, "started"))),
    ]
    return [(name, value) for name, value in facts if value]


def _tiles(run: Run) -> list[Tile]:
    results, objective = run.results, run.objective
    name, where, score = run.label("final"), "held-out", run.score("final", "held_out")
    if run.under_way and score.value is None and run.leader is not None:
        name, where, score = f"best {run.noun} so far", "evaluation", run.leader.score
    total = number(results, "evaluations", "total")
    full = sum(entry.full and entry.score.ok for entry in run.entries)
    failed = sum(not entry.score.ok for entry in run.entries)
    used = spent.total(results)
    cost = f", {used.money}" if used.priced_calls else ""
    return [
        Tile(
            f"{units.first_upper(name)}, {objective.words}",
            units.measure(score.value, objective.unit),
            f"{where} {run.case}s, 90 % interval {units.span(score.interval)}",
        ),
        Tile(f"Relative to {run.label(run.yardstick)}", *_relative(run)),
        Tile(
            "Evaluations",
            units.count(total or len(run.entries) or None),
            f"{full} full, {failed} failed",
        ),
        Tile(
            "Wall time",
            units.duration(_elapsed(run)),
            f"{units.count(used.tokens)} tokens{cost}" if used.tokens else "no tokens recorded",
        ),
    ]


def _relative(run: Run) -> tuple[str, str]:
    """The ratio to the yardstick on held-out cases, and what it is of."""
    case = run.case
    if run.under_way and run.leader is not None and run.mean("final", "held_out") is None:
        return units.ratio(run.leader.score.ratio), f"evaluation {case}s"
    means = units.ratio(verdict.ratio_to_yardstick(run, "held_out"))
    seen = units.ratio(verdict.ratio_to_yardstick(run, "evaluation"))
    paired = verdict.paired_ratio(run)
    if paired is None:
        return means, f"held-out {case}s; on evaluation {case}s {seen}"
    ratio, spread = paired
    return units.ratio(ratio), (
        f"held-out {case}s, {case} by {case}, {spread}; of the means {means}, on evaluation "
        f"{case}s {seen}"
    )


def _elapsed(run: Run) -> float | None:
    """Seconds; of a run under way until its last evaluation."""
    last = run.entries[-1].elapsed if run.under_way and run.entries else None
    return last or number(run.results, "elapsed_seconds")


def _contestants(run: Run, group: str, words: str) -> Table:
    shown = run.presentation
    return Table(
        words,
        [shown.title, f"Ratio to {shown.yardstick_label}", *(name for name, _ in shown.columns)],
        [
            [
                run.label(name),
                units.ratio(verdict.ratio_to_yardstick(run, group, name)),
                *(show(value[group]) for _, show in shown.columns),
            ]
            for name, value in run.contestants().items()
            if isinstance(value.get(group), Mapping)
        ],
    )


def _usage(usage: Mapping[str, Any]) -> Table:
    agents = {str(k): v for k, v in usage.items() if isinstance(v, Mapping)}
    kinds = list(dict.fromkeys(str(kind) for value in agents.values() for kind in value))
    return Table(
        "Tokens by agent",
        ["Agent", *(_words_of(kind) for kind in kinds)],
        [
            [agent, *(_of_use(kind, number(value, kind)) for kind in kinds)]
            for agent, value in agents.items()
        ],
    )


def _of_use(kind: str, value: float | None) -> str:
    return units.dollars(value) if kind == "usd" else units.count(value)


def _timings(timings: Mapping[str, Any]) -> Table:
    return Table(
        "Wall time by part",
        ["Part", "Time"],
        [
            [
                _words_of(str(part).removesuffix("_seconds")),
                _plain(value) if number(value) is None else units.duration(number(value)),
            ]
            for part, value in timings.items()
        ],
    )


def _checks(run: Run) -> list[Check]:
    return [
        Check(
            text(check, "name") or units.DASH,
            outcome := text(check, "outcome") or "unknown",
            TONES.get(outcome, "plain"),
            _plain(at(check, "evidence")),
        )
        for check in items(run.results, "integrity", "checks")
    ]


_ELSEWHERE = ("worse", "isolation")  # as lines, and among the integrity checks


def _verification(run: Run) -> Pairs:
    found = {k: v for k, v in mapping(run.results, "verification").items() if k not in _ELSEWHERE}
    if "ratio_seeds" in found:  # every problem's cases are counted under this key
        found[f"ratio_{run.case}s"] = found.pop("ratio_seeds")
    return _pairs(found)


def _provenance(run: Run) -> Pairs:
    known = {k: v for k, v in run.results.items() if v is not None and k not in SHOWN_ELSEWHERE}
    for name, value in known.items():
        if isinstance(value, Mapping):  # the definition has a fold of its own
            known[name] = {k: v for k, v in value.items() if k != "definition"}
    if (digest := text(run.results, "final", "sha256")) is not None:
        known["final.sha256"] = digest
    return _pairs(known)


def _commands(run: Run) -> str:
    folder = shlex.quote(f"generated/{run.name}")
    lines = [
        f"# verify the final {run.noun} again on the held-out {run.case}s",
        f"python -m openglia verify {folder}",
    ]
    if evaluate := run.presentation.evaluating(run.folder, run.results):
        lines += [f"# score it on the evaluation {run.case}s", f"python -m {evaluate}"]
    lines += ["# write this report again", f"python -m openglia report {folder}"]
    return "\n".join(lines)


def _pairs(values: Mapping[str, Any]) -> Pairs:
    """Nested values as one list of names and values."""
    return list(_flat(values, ""))


def _flat(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        name = f"{prefix}{_words_of(str(key))}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name} › ")
        else:
            yield name, _plain(value)


def _plain(value: Any) -> str:
    """A value of results.json as people read it."""
    if value is None:
        return units.DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, int | float | str) for item in value):
        return ", ".join(_plain(item) for item in value)
    return json.dumps(value)


def _words_of(name: str) -> str:
    """A key of results.json as words."""
    return name.replace("_", " ")
