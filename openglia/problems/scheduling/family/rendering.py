"""From a point of the family to a scheduler file that a person can read, and to words."""

import textwrap
from dataclasses import asdict
from pathlib import Path
from string import Template

from openglia.problems.routing.family.rendering import settled, with_values, without_unused
from openglia.problems.routing.hooks import REPLICA_SCHEDULER
from openglia.problems.scheduling.family.policy import (
    ADMISSION,
    FAMILY,
    ORDER,
    OVERTAKING,
    RESUME,
    VICTIM,
    Parameters,
)
from openglia.problems.space import described

FILE = Path(__file__).with_name("scheduler.py")
_HELD = {"no": 1, "yes": 8}  # as for routers, which see


def render(point: Parameters) -> str:
    """The scheduler file of ``point``. It obeys the rules."""
    values = {name.upper(): value for name, value in asdict(point).items()} | {
        "RESERVES": point.reserves,
        "HELD": _HELD[point.overtaking],
    }
    source = with_values(FILE.read_text(encoding="utf-8"), values)
    written = without_unused(settled(source, values), REPLICA_SCHEDULER.methods)
    return Template(written).substitute(
        summary=textwrap.fill(f"Policy: {described(FAMILY.settings(point))}.", 96),
        order=ORDER.means(point.order),
        resume=RESUME.means(point.resume),
        admission=ADMISSION.means(point.admission).capitalize(),
        victim=VICTIM.means(point.victim),
    )


def explain(best: Parameters) -> str:
    """Its idea and its policy, as Markdown."""
    return (
        f"## The scheduler\n\nOrder of admission: {ORDER.means(best.order)}; "
        f"{RESUME.means(best.resume)}. Admission: {ADMISSION.means(best.admission)}; "
        f"{OVERTAKING.means(best.overtaking)}. When memory runs short it evicts "
        f"{VICTIM.means(best.victim)}.\n\n"
        f"Choices and constants, found by the search: {described(FAMILY.settings(best))}."
    )
