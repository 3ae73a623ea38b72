"""What solution.md tells of contexts and generations: who found what, and how much is luck."""

from openglia.presenting import units
from openglia.presenting.objective import Rank
from openglia.presenting.presentation import Presentation
from openglia.runs.contexts import Stage
from openglia.runs.folder import RunFolder
from openglia.runs.record import Record
from openglia.runs.results import Final, Leader, Results
from openglia.tables import markdown


def section(folder: RunFolder, results: Results, shown: Presentation) -> str | None:
    """The Markdown; None where one context of one generation worked."""
    if results.contexts == 1 and results.generations == 1:
        return None
    record = Record(folder, shown)
    parts = [
        "## Contexts and generations",
        _chosen(results, record, shown),
        _by_context(results, record, shown),
        "Who improved on all before, and when:",
        _found(record, shown),
        _digest(folder, results, record),
    ]
    return "\n\n".join(part for part in parts if part)


def _chosen(results: Results, record: Record, shown: Presentation) -> str:
    clean = sum(one.full and shown.score(one.result).ok for one in record.records)
    words = (
        f"{_many(results.contexts, 'context')} of {_many(results.generations, 'generation')}. "
        f"The final {shown.noun} was chosen from {clean} clean full evaluations"
    )
    if results.contexts == 1:
        return f"{words}."
    return (
        f"{words} as the best on the evaluation {shown.case}s. The best of each context was "
        f"measured on the held-out {shown.case}s too: what lies between them is what choosing "
        f"among contexts gains, and luck."
    )


def _by_context(results: Results, record: Record, shown: Presentation) -> str:
    leaders: dict[int, Leader | Final] = {leader.context: leader for leader in results.leaders}
    if results.contexts == 1 and results.final is not None:
        leaders = {1: results.final}
    label = shown.yardstick_label
    header = ["context", "generations", "evaluations", "best", shown.objective.words,
              f"to {label}", f"held-out to {label}", "ended"]  # fmt: skip
    rows = []
    for context in range(1, results.contexts + 1):
        stages = [one for one in results.stages if one.context == context]
        leader = leaders.get(context)
        seen = shown.score(leader.evaluation if leader else None)
        unseen = shown.score(leader.held_out if leader else None)
        last = stages[-1].outcome if stages else None
        ended = "not" if last is None else last.status + (f": {last.reason}" if last.reason else "")
        rows.append([
            str(context),
            str(len(stages)),
            str(record.used_by(context)),
            units.DASH if leader is None else f"evaluation {leader.number}",
            units.DASH if seen.value is None else shown.objective.shown(seen.value),
            units.ratio(seen.ratio),
            units.ratio(unseen.ratio),
            ended,
        ])  # fmt: skip
    return markdown([header, *rows]).strip()


def _found(record: Record, shown: Presentation) -> str:
    lines: list[str] = []
    best: Rank | None = None
    for one in record.records:
        score = shown.score(one.result)
        rank = shown.objective.rank(score) if one.full else None
        if rank is None or score.value is None or (best is not None and rank >= best):
            continue
        best = rank
        broken = ", which breaks a constraint" if score.broken else ""
        generation = f", generation {one.generation}" if one.generation else ""
        lines.append(
            f"- evaluation {one.number} (context {one.context}{generation}, after "
            f"{units.duration(one.elapsed_seconds)}): {shown.objective.shown(score.value)}{broken}"
        )
    return "\n".join(lines) or "- nobody"


def _digest(folder: RunFolder, results: Results, record: Record) -> str | None:
    best = record.best()
    if results.generations == 1 or best is None or best.context is None:
        return None
    path = Stage(folder, best.context, 1, results.generations).digest
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError:
        return None
    told = text.replace("\n## ", "\n#### ").replace("\n# ", "\n#### ").removeprefix("## ")
    return f"### The last digest of context {best.context}\n\n#### {told}"


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
