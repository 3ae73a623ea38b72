"""What a run spends of its limits, kept while it goes on: they are the run's, not a process's."""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import fields

from openglia.discovery.experiment import Usage, Used
from openglia.errors import OpenGliaError
from openglia.runs.folder import RunFolder
from openglia.runs.record import Record
from openglia.runs.results import Results, StageResult, save

_STAGED = ("researcher", "supervisor")  # whose usage is kept by stage, where there are several


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
    results.usage = summed([results.usage, {agent: usage}])


def summed(usages: Iterable[Mapping[str, Usage]]) -> dict[str, Usage]:
    """By agent, over all that is given."""
    total: dict[str, Usage] = {}
    for usage in usages:
        for agent, one in usage.items():
            known = total.get(agent, Usage())
            added = {f.name: getattr(known, f.name) + getattr(one, f.name) for f in fields(Usage)}
            total[agent] = Usage(**added)
    return total


class Spending:
    """Adds what this process spends to what the run had spent before."""

    def __init__(self, folder: RunFolder, results: Results, before: Used) -> None:
        self._folder = folder
        self._results = results
        self._before = before
        self._usage_before = dict(results.usage)
        self._begun = time.monotonic()
        self._stages: dict[int, dict[str, Usage]] = {}  # what each had spent before, by identity

    @property
    def seconds(self) -> float:
        """Of the discovery so far, in all processes."""
        return self._before.seconds + time.monotonic() - self._begun

    def keep(self, usage: Mapping[str, Usage], rounds: int) -> None:
        """Note tokens, rounds and time since the start of this process."""
        self._results.usage = summed([self._usage_before, usage])
        self._results.rounds = self._before.rounds + rounds
        self.keep_time()

    def keep_time(self) -> None:
        """Note the time since the start of this process."""
        self._results.timings["discovery"] = round(self.seconds, 3)

    def save(self, usage: Mapping[str, Usage], rounds: int) -> None:
        """Note it and save it, for the case that the process is killed."""
        self.keep(usage, rounds)
        self._save()

    def of(self, stage: StageResult) -> Callable[[Mapping[str, Usage], int], None]:
        """``save`` for one of several stages: told of what that has spent since it began here."""
        before, rounds_before = dict(stage.usage), stage.rounds
        self._stages[id(stage)] = before

        def save_stage(usage: Mapping[str, Usage], rounds: int) -> None:
            stages = self._results.stages
            stage.usage, stage.rounds = summed([before, usage]), rounds_before + rounds
            apart = {agent: u for agent, u in self._usage_before.items() if agent not in _STAGED}
            self._results.usage = summed([apart, *(one.usage for one in stages)])
            self._results.rounds = sum(one.rounds for one in stages)
            self.keep_time()
            self._save()

        return save_stage

    def elsewhere(self, stage: StageResult) -> Used:
        """Tokens and money of the whole run, but what the stage itself has spent here."""
        everything = self._results.usage.values()
        here = stage.usage.values()
        before = self._stages[id(stage)].values()
        return Used(
            tokens=sum(u.total for u in everything)
            - sum(u.total for u in here)
            + sum(u.total for u in before),
            usd=sum(u.usd for u in everything)
            - sum(u.usd for u in here)
            + sum(u.usd for u in before),
        )

    def _save(self) -> None:
        with suppress(OpenGliaError):  # what is wrong with the folder is said when the run ends
            save(self._folder, self._results)
