"""Several contexts at once, and generations one after the other: where each keeps its own.

A run with one context of one generation has everything in its folder. Others have
``contexts/<n>/`` with a view of the experiment's writable files, the digest and the archive, and,
where there are generations, ``generation_<g>/`` in it with scratch, transcripts and histories.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from openglia.presenting.objective import Rank
from openglia.presenting.presentation import Presentation
from openglia.runs.folder import RunFolder
from openglia.runs.record import Evaluated

CONTEXTS = "contexts"


@dataclass(frozen=True)
class Stage:
    """One generation of one context; both count from 1."""

    folder: RunFolder
    context: int
    generation: int
    generations: int

    @property
    def home(self) -> Path:
        """The context's folder."""
        return self.folder.path / CONTEXTS / str(self.context)

    @property
    def is_last(self) -> bool:
        """Whether no generation comes after it."""
        return self.generation == self.generations

    @property
    def path(self) -> Path:
        """Where transcripts and histories are written."""
        if self.generations == 1:
            return self.home
        return self.home / f"generation_{self.generation}"

    @property
    def scratch(self) -> Path:
        """The agents' folder for temporary files."""
        return self.path / "scratch"

    @property
    def view(self) -> Path:
        """What holds the context's own working file and results, at their paths in it."""
        return self.home / "view"

    @property
    def digest(self) -> Path:
        """What the last generation handed over."""
        return self.home / "digest.md"

    @property
    def archive(self) -> Path:
        """What later generations can read."""
        return self.home / "archive"

    @property
    def before(self) -> list["Stage"]:
        """The earlier generations of the same context."""
        numbers = range(1, self.generation)
        return [Stage(self.folder, self.context, g, self.generations) for g in numbers]

    def seed(self, seed: int) -> int:
        """Of the offline researcher: the run's own for the first, others for all the rest."""
        if (self.context, self.generation) == (1, 1):
            return seed
        name = f"{seed} {self.context} {self.generation}"
        return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4])

    def share(self, total: int | None, contexts: int) -> int | None:
        """Of the run's evaluations, up to the end of this generation, all of the context."""
        if total is None:
            return None
        own = total // contexts + (self.context <= total % contexts)
        return own * self.generation // self.generations


def is_stagnant(records: Sequence[Evaluated], begun: int, most: int, shown: Presentation) -> bool:
    """Whether so many evaluations in a row, since the generation's first, brought nothing.

    Args:
        records: of the context, oldest first.
        begun: how many of them are of earlier generations.
        most: evaluations in a row.
    """
    best: Rank | None = None
    since = 0
    for place, one in enumerate(records):
        rank = shown.objective.rank(shown.score(one.result)) if one.full else None
        if rank is not None and (best is None or rank < best):
            best, since = rank, 0
        elif place >= begun:
            since += 1
        else:
            since = 0
    return since >= most
