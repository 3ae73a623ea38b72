"""What one generation of the offline researcher tells the next: a digest with points in it.

The digest has the form that every Researcher's has. Under the last heading stand the best points as
JSON, from which the next one goes on; it finds those of other chains there too, where they share.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from openglia.discovery import digests
from openglia.discovery.offline.account import Account
from openglia.presenting.objective import Rank
from openglia.problems.space import Space

HANDED_OVER = 2  # points of a digest
_LEAVE = "Leave the present family of ideas"  # as the loop's message says it
_LONGEST = digests.LONGEST // 4  # characters of a section that comes from the account


class _Found(BaseModel):
    """A point in a digest: its rank on all evaluation cases, and what it is."""

    violation: float
    cost: float
    settings: dict[str, str | int | float]


_POINTS = TypeAdapter(list[_Found])
Ranked = tuple[Rank, Any]  # a point with its rank on all evaluation cases


def is_asked_for(message: str) -> bool:
    """Whether the loop asks for a digest: the headings stand there with nothing between them."""
    return "\n".join(digests.HEADINGS) in message


def digest(account: Account, inherited: Sequence[Ranked] = ()) -> str:
    """The digest of what the account tells of; a better point that was inherited is handed on."""
    search, space = account.search, account.task.space
    ranking = _by_rank([*inherited, *search.ranking(full=True)])[:HANDED_OVER]
    best = space.explain(ranking[0][1]) if ranking else "Nothing was measured on everything yet."
    tried = Counter(measured.trial.phase for measured in search.measurements)
    counted = ", ".join(f"{count} to {phase}" for phase, count in tried.items())
    bodies = (
        best,
        f"{len(search.measurements)} measurements with seed {search.seed}: {counted or 'none'}.\n\n"
        f"{_short(account.choices())}",
        _short(account.ablations()) or "Nothing: no part of the best was changed alone.",
        space.caveat,
        _next_steps(ranking, space),
    )
    parts = [
        f"{heading}\n\n{f'\n{body}'.replace('\n## ', '\n### ').strip()}"
        for heading, body in zip(digests.HEADINGS, bodies, strict=True)
    ]
    return "\n\n".join(parts) + "\n"


def inherited(message: str, space: Space) -> list[Ranked]:
    """The points in the digests that a message holds with their ranks, the best first.

    None if it says that the present family of ideas is to be left.
    """
    if _LEAVE in message:
        return []
    found: list[_Found] = []
    for block in re.findall(r"(?ms)^```json\n(.*?)^```$", message):
        try:
            found += _POINTS.validate_json(block)
        except ValidationError:
            continue  # of another Researcher
    points = [(Rank(one.violation, one.cost), space.point(one.settings)) for one in found]
    return _by_rank((rank, point) for rank, point in points if point is not None)


def _by_rank(points: Iterable[Ranked]) -> list[Ranked]:
    """Each point once, the best first."""
    ranks = {point: rank for rank, point in points}
    return sorted(((rank, point) for point, rank in ranks.items()), key=lambda one: one[0])


def _next_steps(ranking: Sequence[Ranked], space: Space) -> str:
    if not ranking:
        return "Begin anew."
    points = [
        {"violation": rank.violation, "cost": rank.cost, "settings": dict(space.settings(point))}
        for rank, point in ranking
    ]
    lines = ",\n".join(json.dumps(point) for point in points)
    return f"Go on from these, the best on everything:\n\n```json\n[\n{lines}\n]\n```"


def _short(section: str) -> str:
    """As many lines of a section as there is room for."""
    kept = section[:_LONGEST]
    return kept if kept == section else kept.rpartition("\n")[0]
