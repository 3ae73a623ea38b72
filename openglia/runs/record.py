"""The record of a run's evaluations. The harness alone writes it; every line is on disk at once."""

import re
import threading
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openglia.errors import OpenGliaError
from openglia.files import append_json_line, read_json_lines, sha256, write_atomically
from openglia.runs.folder import RunFolder
from openglia.seeds import format_seeds

_LAST = 8  # evaluations that the Supervisor is shown one by one


class Record:
    """Evaluations of a run, in order; safe to use from several threads."""

    def __init__(self, folder: RunFolder, baselines: Mapping[str, Any] | None = None) -> None:
        """Read what there is.

        Args:
            folder: of the run.
            baselines: JSON lines of the baselines and the stub on the evaluation seeds, by name.
        """
        self._folder = folder
        self._baselines = dict(baselines or {})
        self._lock = threading.Lock()
        self._records = [line for line in read_json_lines(folder.evaluations) if _is_whole(line)]
        before = max((float(record["elapsed_seconds"]) for record in self._records), default=0.0)
        self._zero = time.monotonic() - before

    @property
    def records(self) -> list[dict[str, Any]]:
        """The lines of evaluations.jsonl, oldest first."""
        with self._lock:
            return list(self._records)

    @property
    def evaluations_used(self) -> int:
        """Evaluations that count towards the budget: all that were carried out."""
        with self._lock:
            return len(self._records)

    def append(
        self, source: str, request: Mapping[str, Any], result: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Keep the source, then the line that names it. A crash between the two costs nothing."""
        with self._lock:
            if not self._folder.path.is_dir():
                raise OpenGliaError(f"the run's folder {self._folder.path} was deleted")
            number = self._next_number()
            name = f"{number:04d}_{sha256(source)[:8]}.py"
            record = {
                "number": number,
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "elapsed_seconds": round(time.monotonic() - self._zero, 3),
                "candidate": f"candidates/{name}",
                "full": bool(result.get("full")),
                "request": dict(request),
                "result": dict(result),
            }
            write_atomically(self._folder.candidates / name, source)
            append_json_line(self._folder.evaluations, record)
            self._records.append(record)
            return record

    def best(self) -> dict[str, Any] | None:
        """The clean full evaluation with the lowest mean response time; the earliest of equals.

        One whose source was deleted does not count.
        """
        clean = [
            record
            for record in self.records
            if is_clean(record) and record["full"] and self._path(record).is_file()
        ]
        return min(clean, key=_mean, default=None)

    def counts(self) -> dict[str, int]:
        """The ``evaluations`` of results.json."""
        records = self.records
        clean = sum(is_clean(record) for record in records)
        return {
            "total": len(records),
            "clean": clean,
            "failed": len(records) - clean,
            "full": sum(record["full"] for record in records),
        }

    def source(self, record: Mapping[str, Any]) -> bytes:
        """The scheduler that a line is about, as it was handed over."""
        return self._path(record).read_bytes()

    def damaged(self) -> list[str]:
        """Candidates that are gone or are not what was evaluated, by file name."""
        found = []
        for record in self.records:
            path = self._path(record)
            stated = record["result"].get("scheduler")
            if not path.is_file() or sha256(path.read_bytes())[:12] != stated:
                found.append(path.name)
        return found

    def summary_for_supervisor(self) -> str:
        """What was measured, as Markdown."""
        records, counts, best = self.records, self.counts(), self.best()
        lines = [
            f"- Evaluations: {counts['total']} ({counts['clean']} clean, {counts['failed']} "
            f"failed, {counts['full']} on all evaluation seeds)."
        ]
        for name, result in self._baselines.items():
            lines.append(f"- Baseline {name}: {_told(result)}")
        if best is None:
            lines.append("- No candidate has been evaluated cleanly on all evaluation seeds yet.")
        else:
            lines.append(f"- Best, evaluation {best['number']}: {_told(best['result'])}")
        failures = Counter(
            f"{record['result'].get('rule')}: {record['result'].get('reason')}"
            for record in records
            if not is_clean(record)
        )
        for reason, times in failures.most_common(3):
            lines.append(f"- Failed {times} x: {reason}")
        if records:
            lines += ["", f"The last {min(_LAST, len(records))} evaluations:", ""]
        for record in records[-_LAST:]:
            seeds = format_seeds(record["result"].get("seeds") or [])
            kind = "full" if record["full"] else f"partial, seeds {seeds}"
            lines.append(f"- {record['number']} ({kind}): {_told(record['result'])}")
        return "\n".join(lines)

    def _path(self, record: Mapping[str, Any]) -> Path:
        return self._folder.path / str(record["candidate"])

    def _next_number(self) -> int:
        """One more than any number in use, also by a source whose line a crash prevented."""
        used = [int(record["number"]) for record in self._records]
        for path in self._folder.candidates.glob("*.py"):
            if match := re.match(r"(\d+)_", path.name):
                used.append(int(match[1]))
        return max(used, default=0) + 1


def is_clean(record: Mapping[str, Any]) -> bool:
    """Whether a line has a score."""
    return bool(record["result"].get("status") == "ok")


def _is_whole(line: Any) -> bool:
    keys = ("number", "elapsed_seconds", "candidate", "full", "request", "result")
    return isinstance(line, dict) and all(key in line for key in keys)


def _mean(record: Mapping[str, Any]) -> float:
    return float(record["result"]["mean_response_time"])


def _told(result: Mapping[str, Any]) -> str:
    warned = "".join(f"; warning: {line}" for line in result.get("warnings") or ())
    if result.get("status") != "ok":
        return f"failed ({result.get('rule')}: {result.get('reason')}){warned}"
    text = f"{result['mean_response_time']:.2f} s"
    if result.get("interval"):
        low, high = result["interval"]
        text += f" (90 % interval {low:.2f} to {high:.2f})"
    if result.get("ratio_to_llq") is not None:
        text += f", {result['ratio_to_llq']:.3f} of LLQ"
    return text + f", restarted {100 * result['restarted_share']:.1f} %" + warned
