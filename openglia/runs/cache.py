"""Scores that need not be measured again: by the candidate and by all that decides its score.

``environment/cache/scores.sqlite``, which no agent sees. Only clean lines on evaluation cases are
kept: held-out cases are measured in every verification, and what failed may have failed for want
of time.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from openglia import paths
from openglia.files import canonical_json, sha256
from openglia.presenting.score import Line
from openglia.problems.problem import Look, Problem

MARK = "cached"  # in a line that was not measured now
_FILE = "scores.sqlite"
_PATIENCE = 5.0  # seconds for another process that writes


class Cache:
    """Scores of one problem as this checkout measures it; a cache in trouble knows nothing."""

    def __init__(
        self,
        problem: Problem,
        harness: str | None,
        versions: Mapping[str, Any],
        *,
        used: bool = True,
    ) -> None:
        """Args:
        harness: hash of the harness's own sources.
        versions: of the packages that measure.
        used: whether it is used at all.
        """
        deciding = problem.fingerprint()
        self._base = None
        if used and harness is not None and deciding is not None and not problem.noisy:
            known = {name: str(v) for name, v in versions.items() if not name.endswith("commit")}
            self._base = [problem.kind, problem.hash, deciding, harness, known]

    def get(self, candidate: str | bytes, look: Look) -> Line | None:
        """The line of a candidate's source (or of a baseline, by name), marked, if it is known."""
        key = self._key(candidate, look)
        if key is None:
            return None
        with suppress(sqlite3.Error, OSError, ValueError), _opened() as store:
            row = store.execute("SELECT line FROM scores WHERE key = ?", (key,)).fetchone()
            if row is not None:
                return {**json.loads(row[0]), MARK: True}
        return None

    def keep(self, candidate: str | bytes, look: Look, line: Line) -> None:
        """Remember a line that was measured."""
        key = self._key(candidate, look)
        if key is None or line.get("status") != "ok" or MARK in line:
            return
        with suppress(sqlite3.Error, OSError, ValueError), _opened() as store, store:
            text = json.dumps(dict(line), allow_nan=False)
            store.execute("INSERT OR REPLACE INTO scores VALUES (?, ?)", (key, text))

    def _key(self, candidate: str | bytes, look: Look) -> str | None:
        if self._base is None:
            return None
        asked = {"cases": list(look.cases), "extent": look.extent, "asked": dict(look.asked)}
        return sha256(canonical_json({"base": self._base, **asked, "source": sha256(candidate)}))


def place() -> Path:
    """The file."""
    return paths.CACHE / _FILE


@contextmanager
def _opened() -> Iterator[sqlite3.Connection]:
    place().parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(place(), timeout=_PATIENCE)) as store:
        store.execute("CREATE TABLE IF NOT EXISTS scores (key TEXT PRIMARY KEY, line TEXT)")
        yield store
