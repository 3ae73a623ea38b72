"""What a run spends of its limits, kept while it goes on: they are the run's, not a process's."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields

from openglia.discovery.experiment import Usage, Used
from openglia.errors import OpenGliaError
from openglia.runs.folder import RunFolder
from openglia.runs.record import Record
from openglia.runs.results import Results, save


def used(results: Results, record: Record) -> Used:
    """What the run's earlier processes spent; of a killed one, what it came to keep."""
    return Used(
        tokens=sum(usage.total for usage in results.usage.values()),
        usd=sum(usage.usd for usage in results.usage.values()),
        seconds=max(results.timings.get("discovery", 0.0), record.elapsed_seconds),
        rounds=results.rounds,
    )


def add_usage(results: Results, agent: str, usage: Usage) -> None:
    """Add tokens and money to those that the agent had used before."""
    before = results.usage.get(agent, Usage())
    added = {f.name: getattr(before, f.name) + getattr(usage, f.name) for f in fields(Usage)}
    results.usage[agent] = Usage(**added)


class Spending:
    """Adds what this process spends to what the run had spent before."""

    def __init__(self, folder: RunFolder, results: Results, before: Used) -> None:
        self._folder = folder
        self._results = results
        self._before = before
        self._usage_before = dict(results.usage)
        self._begun = time.monotonic()

    def keep(self, usage: Mapping[str, Usage], rounds: int) -> None:
        """Note tokens, rounds and time since the start of this process."""
        self._results.usage = dict(self._usage_before)
        for agent, spent in usage.items():
            add_usage(self._results, agent, spent)
        self._results.rounds = self._before.rounds + rounds
        self.keep_time()

    def keep_time(self) -> None:
        """Note the time since the start of this process."""
        spent = self._before.seconds + time.monotonic() - self._begun
        self._results.timings["discovery"] = round(spent, 3)

    def save(self, usage: Mapping[str, Usage], rounds: int) -> None:
        """Note it and save it, for the case that the process is killed."""
        self.keep(usage, rounds)
        with suppress(OpenGliaError):  # what is wrong with the folder is said when the run ends
            save(self._folder, self._results)
