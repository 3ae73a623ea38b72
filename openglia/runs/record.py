"""The record of a run's evaluations. The harness alone writes it; every line is on disk at once."""

import re
import threading
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from openglia.errors import OpenGliaError
from openglia.files import append_json_line, read_json_lines, sha256, write_atomically
from openglia.presenting.presentation import Group, Presentation
from openglia.presenting.score import Line, with_ratios
from openglia.runs.folder import RunFolder
from openglia.runs.results import Counts

_LAST = 8  # evaluations that the Supervisor is shown one by one


class Evaluated(BaseModel):
    """One line of evaluations.jsonl; unknown fields are kept."""

    model_config = ConfigDict(extra="allow", frozen=True)

    number: int
    time: str = ""  # ISO 8601, UTC
    elapsed_seconds: float  # since the start of the run
    candidate: str  # its file in the run's folder
    full: bool  # on all evaluation cases, nothing narrowed
    request: dict[str, Any]  # what was asked for
    result: dict[str, Any]  # the problem's line
    context: int | None = None  # who asked, where several work side by side
    generation: int | None = None  # likewise, where one comes after the other


class Record:
    """Evaluations of a run, in order; safe to use from several threads."""

    def __init__(
        self, folder: RunFolder, shown: Presentation, baselines: Group | None = None
    ) -> None:
        """Read what there is.

        Args:
            folder: of the run.
            shown: the problem's words.
            baselines: lines of the baselines and the stub on the evaluation cases, by name.
        """
        self._folder = folder
        self._shown = shown
        self._baselines = dict(baselines or {})
        self._lock = threading.Lock()
        self._records = list(_read(folder.evaluations))
        before = max((record.elapsed_seconds for record in self._records), default=0.0)
        self._zero = time.monotonic() - before

    @property
    def records(self) -> list[Evaluated]:
        """The lines of evaluations.jsonl, oldest first."""
        with self._lock:
            return list(self._records)

    @property
    def evaluations_used(self) -> int:
        """Evaluations that count towards the budget: all that were carried out."""
        with self._lock:
            return len(self._records)

    @property
    def elapsed_seconds(self) -> float:
        """When the last evaluation was carried out."""
        return max((record.elapsed_seconds for record in self.records), default=0.0)

    def used_by(self, context: int | None) -> int:
        """Likewise, of one context; None: of all."""
        return len(self.of(context))

    def of(self, context: int | None) -> list[Evaluated]:
        """The lines of one context; None: of all."""
        return [one for one in self.records if context in (None, one.context)]

    def append(
        self,
        source: str,
        request: Mapping[str, Any],
        line: Line,
        *,
        context: int | None = None,
        generation: int | None = None,
    ) -> Evaluated:
        """Keep the source, then the line that names it. A crash between the two costs nothing."""
        with self._lock:
            if not self._folder.path.is_dir():
                raise OpenGliaError(f"the run's folder {self._folder.path} was deleted")
            number = self._next_number()
            name = f"{number:04d}_{sha256(source)[:8]}{self._shown.suffix}"
            record = Evaluated(
                number=number,
                time=datetime.now(UTC).isoformat(timespec="milliseconds"),
                elapsed_seconds=round(time.monotonic() - self._zero, 3),
                candidate=f"candidates/{name}",
                full=self._shown.score(line).full,
                request=dict(request),
                result=dict(line),
                context=context,
                generation=generation,
            )
            write_atomically(self._folder.candidates / name, source)
            alone = {"context", "generation"} if context is None else None
            append_json_line(self._folder.evaluations, record.model_dump(exclude=alone))
            self._records.append(record)
            return record

    def rated(self, line: Line) -> Line:
        """The line with its ratio to the yardstick, if that is known on the same cases."""
        shown = self._shown
        yardstick = self._baselines.get(shown.yardstick)
        if yardstick is None or shown.score(line).cases != shown.score(yardstick).cases:
            return line
        both = {shown.yardstick: yardstick, "": line}
        return with_ratios(both, shown.keys, shown.yardstick)[""]

    def best(self, context: int | None = None) -> Evaluated | None:
        """The clean full evaluation of the best rank; the earliest of equals.

        One whose source was deleted does not count. ``context``: of one alone.
        """
        clean = [
            (rank, record)
            for record in self.of(context)
            if record.full
            and (rank := self._shown.objective.rank(self._shown.score(record.result))) is not None
            and self._path(record).is_file()
        ]
        return min(clean, key=lambda pair: pair[0], default=(None, None))[1]

    def counts(self, context: int | None = None) -> Counts:
        """The ``evaluations`` of results.json; ``context``: of one alone."""
        records = self.of(context)
        clean = sum(self.is_clean(record) for record in records)
        return Counts(
            total=len(records),
            clean=clean,
            failed=len(records) - clean,
            full=sum(record.full for record in records),
        )

    def is_clean(self, record: Evaluated) -> bool:
        """Whether a line has a score."""
        return self._shown.score(record.result).ok

    def source(self, record: Evaluated) -> bytes:
        """The candidate that a line is about, as it was handed over."""
        return self._path(record).read_bytes()

    def damaged(self) -> list[str]:
        """Candidates that are gone or are not what was evaluated, by file name."""
        found = []
        for record in self.records:
            path = self._path(record)
            stated = self._shown.score(record.result).candidate
            if not path.is_file() or sha256(path.read_bytes())[:12] != stated:
                found.append(path.name)
        return found

    def summary_for_supervisor(self, context: int | None = None) -> str:
        """What was measured, as Markdown; ``context``: by one alone."""
        records, counts, best = self.of(context), self.counts(context), self.best(context)
        everything = f"on all evaluation {self._shown.case}s"
        lines = [
            f"- Evaluations: {counts.total} ({counts.clean} clean, {counts.failed} "
            f"failed, {counts.full} {everything})."
        ]
        for name, line in self._baselines.items():
            lines.append(f"- Baseline {name}: {self._told(line)}")
        if best is None:
            lines.append(f"- No candidate has been evaluated cleanly {everything} yet.")
        else:
            lines.append(f"- Best, evaluation {best.number}: {self._told(best.result)}")
        failures = Counter(self._why(r.result) for r in records if not self.is_clean(r))
        for reason, times in failures.most_common(3):
            lines.append(f"- Failed {times} x: {reason}")
        if records:
            lines += ["", f"The last {min(_LAST, len(records))} evaluations:", ""]
        for record in records[-_LAST:]:
            cases = self._shown.score(record.result).cases
            kind = "full" if record.full else f"partial, {self._shown.listed(cases)}"
            lines.append(f"- {record.number} ({kind}): {self._told(record.result)}")
        return "\n".join(lines)

    def _why(self, line: Line) -> str:
        score = self._shown.score(line)
        return f"{score.rule}: {score.reason}"

    def _told(self, line: Line) -> str:
        score, shown = self._shown.score(line), self._shown
        warned = "".join(f"; warning: {text}" for text in score.warnings)
        if score.value is None:
            return f"failed ({self._why(line)}){warned}"
        text = shown.objective.shown(score.value)
        if score.interval is not None:
            low, high = map(shown.objective.figure, score.interval)
            text += f" (90 % interval {low} to {high})"
        if score.ratio is not None:
            text += f", {score.ratio:.3f} of {shown.yardstick_label}"
        aside = shown.aside(line)
        held = "".join(f"; {words}" for words in score.constraints)
        return text + (f", {aside}" if aside else "") + held + warned

    def _path(self, record: Evaluated) -> Path:
        return self._folder.path / record.candidate

    def _next_number(self) -> int:
        """One more than any number in use, also by a source whose line a crash prevented."""
        used = [record.number for record in self._records]
        for path in self._folder.candidates.glob("*"):
            if match := re.match(r"(\d+)_", path.name):
                used.append(int(match[1]))
        return max(used, default=0) + 1


class Share:
    """One context's part of the record."""

    def __init__(self, record: Record, context: int) -> None:
        self._record = record
        self._context = context

    @property
    def evaluations_used(self) -> int:
        """By the context, in all its generations."""
        return self._record.used_by(self._context)

    def summary_for_supervisor(self) -> str:
        """What the context measured, as Markdown."""
        return self._record.summary_for_supervisor(self._context)


def _read(path: Path) -> list[Evaluated]:
    """The whole lines; a half one that a crash left is passed over."""
    found = []
    for line in read_json_lines(path):
        try:
            found.append(Evaluated.model_validate(line))
        except ValidationError:
            continue
    return found
