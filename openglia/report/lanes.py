"""Several contexts and generations: a lane for each context, its digests, the lineage of ideas.

Imports inside functions are late: matplotlib takes a second to load.
"""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from openglia.presenting.drawing import COLOURS, Absent, Plot, legend
from openglia.presenting.tolerant import number, read_text
from openglia.report import conversation
from openglia.report.data import Entry, Run, improvements

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LOOKED_BACK = 12  # evaluations among which, besides the best so far, an ancestor is looked for
_LONGEST_LINEAGE = 12
_DASHES = ("-", "--", (0, (1, 1.5)), (0, (5, 2, 1, 2)))


@dataclass(frozen=True)
class Digest:
    """What one generation handed over."""

    title: str
    text: str


@dataclass(frozen=True)
class Step:
    """A candidate of the lineage, and what it changed in the one that it is closest to."""

    entry: Entry
    parent: Entry | None
    difference: str


def stages(run: Run) -> list[tuple[str, Path]]:
    """Where the contexts of a run keep their own, with their names; empty for a single one."""
    found = []
    for context in _numbered(run.folder / "contexts"):
        generations = _numbered(context, "generation_")
        found += [
            (f"context {context.name}, {folder.name.replace('_', ' ')}", folder)
            for folder in generations
        ] or [(f"context {context.name}", context)]
    return found


def conversations(run: Run) -> list[conversation.Conversation]:
    """Of all agents; of several contexts, each under its name."""
    if not (named := stages(run)):
        return conversation.read(run.folder)
    return [
        replace(talk, agent=f"{talk.agent} of {title}")
        for title, folder in named
        for talk in conversation.read(folder)
    ]


def digests(run: Run) -> list[Digest]:
    """Of all contexts and generations, in their order."""
    texts = [(title, read_text(folder / "digest.md")) for title, folder in stages(run)]
    return [Digest(f"The digest of {title}", text) for title, text in texts if text]


def lineage(run: Run) -> list[Step]:
    """From the best candidate back to the start, as far as the candidates' texts show it.

    The record does not say what a candidate was edited from. Its parent is taken to be the one
    with the most lines in common among the best so far and the last ones of the same context.
    """
    steps: list[Step] = []
    entry = run.leader
    while entry is not None and len(steps) < _LONGEST_LINEAGE:
        source = run.source(entry)
        if source is None:
            break
        parent = _parent(run, entry, source)
        before = "" if parent is None else run.source(parent) or ""
        names = ("nothing" if parent is None else str(parent.number), str(entry.number))
        lines = difflib.unified_diff(before.splitlines(), source.splitlines(), *names, lineterm="")
        steps.append(Step(entry, parent, "\n".join(lines)))
        entry = parent
    return steps


def plot(run: Run) -> Plot | Absent | None:
    """The best so far of each context over its own evaluations; None for a single context."""
    lanes = _lanes(run)
    if len(lanes) < 2 and (number(run.results, "generations") or 1) < 2:
        return None
    name, title = "contexts", "The best so far of each context"
    best = {context: _best_so_far(run, entries) for context, entries in lanes.items()}
    if not any(best.values()):
        return Absent(name, title, "no context has evaluated a candidate cleanly on everything")

    def draw(figure: "Figure", _narrow: bool) -> None:
        axes = figure.subplots()
        handles, words = [], []
        for place, (context, steps) in enumerate(best.items()):
            if not steps:
                continue
            last = len(lanes[context])
            colour = COLOURS["final" if context == _leading(run) else "other"]
            handles += axes.step(
                [*(at for at, _ in steps), last],
                [*(value for _, value in steps), steps[-1][1]],
                where="post",
                color=colour,
                linestyle=_DASHES[place % len(_DASHES)],
            )
            words.append(f"context {context}")
            turns = _turns(lanes[context])
            heights = [_at(steps, at) for at in turns]
            pairs = [(at, h) for at, h in zip(turns, heights, strict=True) if h is not None]
            axes.plot([a for a, _ in pairs], [h for _, h in pairs], "o", color=colour)
        legend(figure, handles, words, columns=4)
        axes.set_xlabel("evaluations of the context")
        axes.set_ylabel(run.objective.titled)

    ends = {context: steps[-1][1] for context, steps in best.items() if steps}
    return Plot(
        name,
        title,
        f"A line for each context; a dot where a generation begins. {run.objective.direction}.",
        "; ".join(f"context {c}: {run.objective.shown(v)}" for c, v in ends.items()),
        draw,
    )


def _lanes(run: Run) -> dict[int, list[Entry]]:
    found: dict[int, list[Entry]] = {}
    for entry in run.entries:
        if entry.context is not None:
            found.setdefault(entry.context, []).append(entry)
    return dict(sorted(found.items()))


def _best_so_far(run: Run, entries: Sequence[Entry]) -> list[tuple[int, float]]:
    places = {entry.number: place for place, entry in enumerate(entries, start=1)}
    found = improvements(entries, run.objective)
    return [(places[entry.number], value) for entry, value in found]


def _turns(entries: Sequence[Entry]) -> list[int]:
    """Where generations after the first begin."""
    turns = enumerate(pairwise(entries), start=2)
    return [place for place, (one, two) in turns if one.generation != two.generation]


def _at(steps: Sequence[tuple[int, float]], place: int) -> float | None:
    return next((value for at, value in reversed(steps) if at <= place), None)


def _leading(run: Run) -> int | None:
    return None if run.leader is None else run.leader.context


def _parent(run: Run, entry: Entry, source: str) -> Entry | None:
    earlier = [
        one for one in run.entries if one.number < entry.number and one.context == entry.context
    ]
    near = earlier[-_LOOKED_BACK:]
    near += [one for one, _ in improvements(earlier, run.objective)[-1:]]
    likeness = [(_likeness(run.source(one), source), one.number, one) for one in near]
    return max(likeness, key=lambda known: known[:2])[2] if likeness else None


def _likeness(first: str | None, second: str) -> float:
    if first is None:
        return -1.0
    lines = (first.splitlines(), second.splitlines())
    return difflib.SequenceMatcher(None, *lines, autojunk=False).ratio()


def _numbered(folder: Path, prefix: str = "") -> Iterator[Path]:
    """The folders in ``folder`` that are named by a number, in its order."""
    if not folder.is_dir():
        return
    named = [(path.name.removeprefix(prefix), path) for path in folder.glob(f"{prefix}*")]
    for _, path in sorted((int(name), path) for name, path in named if name.isdecimal()):
        yield path
