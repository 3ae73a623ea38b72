"""The Researcher's part: a conversation with the shell, as a generator of commands.

Each command is yielded with a remark on what it is for; the shell's answer is sent in. The
generator returns the account. It knows nothing of fast-agent.
"""

import re
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from openglia.discovery.experiment import Limits
from openglia.discovery.offline import handover, shelltalk
from openglia.discovery.offline.account import Account, Notebook, account
from openglia.discovery.offline.search import Search, Trial
from openglia.discovery.offline.tuning import Tuning
from openglia.presenting import units
from openglia.presenting.score import Case, Line
from openglia.problems.space import Numbers, OfflineTask, Space, described

# Evaluations of a run that names no limit, or the loop's default: more would not pay off. Any other
# limit is used up to the last.
EVALUATIONS = 108
# Of these. The rest goes into finer steps and ablations when the Supervisor has asked.
FIRST_ROUND = 0.75
SCREENING = 5  # a screening measures one of so many evaluation cases
TIME_SHARE = 0.85  # of a time limit after which nothing new is begun
SIDE_BY_SIDE = 4  # evaluations that one command asks for, where none depends on another
SHORT = 30.0  # seconds of an evaluation, above which each has a command of its own
SMALL = 16_000  # characters of a candidate, likewise: a command has at most 128 KiB
HOPELESS = 1.25  # times as bad as the best on the same few cases: that needs no more
TROUBLE = 3  # evaluations in a row without a readable answer, after which the search gives up


@dataclass(frozen=True)
class Step:
    """A command for the shell and the remark that goes with it."""

    remark: str
    command: str
    first: str = ""  # the source of the first candidate that it measures


Conversation = Generator[Step, str, str]


@dataclass
class Researcher:
    """The Researcher over the rounds of one run."""

    seed: int
    task: OfflineTask
    clock: Callable[[], float] = time.monotonic
    notebook: Notebook = field(default_factory=Notebook)
    search: Search | None = None

    def __post_init__(self) -> None:
        self._began = self.clock()
        self._time_limit: float | None = None
        self._screening: Sequence[Case] | None = None
        self._screens_all = False  # one case alone: nothing is cheaper
        self._planned = 0  # evaluations, over all rounds
        self._over: str | None = None  # why nothing more is evaluated
        self._most = 1  # evaluations that a command may ask for
        self._inherited: list[handover.Ranked] = []  # from earlier generations

    def turn(self, message: str) -> Conversation:
        """Work on what the loop says, then give the account."""
        self._time_limit = minutes(message) or self._time_limit
        left = evaluations_left(message)
        if self.search is None:
            self._planned = planned(left)
            yield Step("First, what is there?", shelltalk.look(self.task))
            if self._planned > 1:  # a single one is for a candidate: the harness has measured it
                yield from self._measure_start()
                self._planned -= 1
            first = max(1, int(FIRST_ROUND * self._planned))
            screens = self._screening is None or not self._screens_all
            self._inherited = handover.inherited(message, self.task.space)
            points = [point for _, point in self._inherited]
            self.search = begun(
                self.task.space, self.seed, min(first, self._planned), points, screens=screens
            )
        else:
            self.notebook.rounds += 1
            if (goes_on := evaluations_of_all(message)) is not None:
                left, limit = goes_on
                self._planned = planned(limit) - (self.notebook.start is not None)
                self._over = None
            more = self._planned - self.search.budget
            self.search.extend(max(0, more if left is None else min(more, left)))
        yield from self._experiment(self.search)
        best = self.search.best
        if best is not None and self._over is None:
            yield Step(
                "Leave the best candidate in the working file.",
                shelltalk.write(self.task, self.task.space.render(best[1])),
            )
        return account(self.notebook, self.task, self.search, self._over)

    def digest(self) -> str:
        """What the next generation of a chain is told."""
        search = self.search or begun(self.task.space, self.seed, 0, screens=True)
        account = Account(self.notebook, self.task, search, self._over)
        return handover.digest(account, self._inherited)

    def _measure_start(self) -> Generator[Step, str, None]:
        output = yield Step(
            "Measure the starting point on the whole benchmark.",
            shelltalk.evaluate(self.task, None, None),
        )
        results = shelltalk.results(output)
        if not results:
            self._over = "the benchmark gave no result for the starting point"
        elif (measured := results[-1]).get("rule") == "refused":
            self._over = str(measured.get("reason"))
        else:
            self.notebook.start = measured
            cases = self.task.presentation.score(measured).cases
            self._screening = cases[: max(1, len(cases) // SCREENING)] or None
            self._screens_all = len(cases) == 1

    def _experiment(self, search: Search) -> Generator[Step, str, None]:
        trouble = 0
        while self._over is None and (trials := search.ask(self._most)):
            if self._time_is_up():
                self._over = "the time for evaluations is used up"
                return
            # Those without a line, where a command was cut short, are asked for again.
            measurements = yield from self._measure(trials)
            for trial, measured in zip(trials, measurements, strict=False):
                if measured.get("rule") == "refused":
                    self._over = str(measured.get("reason"))
                    return
                trouble = trouble + 1 if measured.get("rule") in ("no result", "harness") else 0
                search.tell(trial, None if "stopped" in measured else self.task.rank(measured))
                self.notebook.note(trial, measured)
                if trouble == TROUBLE:
                    self._over = f"{TROUBLE} evaluations in a row gave no result"

    def _measure(self, trials: Sequence[Trial]) -> Generator[Step, str, list[Line]]:
        """The lines of the first trials, of one at least; all are at the same fidelity."""
        cases = None if trials[0].full else self._screening
        sources = [self.task.space.render(trial.point) for trial in trials]
        if len(trials) == 1:
            command = shelltalk.evaluate(self.task, sources[0], cases, self._bound(trials[0]))
        else:
            command = shelltalk.evaluate_several(self.task, sources, cases, self._bound(trials[0]))
        # The first line of a command is what watchers are shown.
        command = f"# {self._title(trials)}\n{command}"
        output = yield Step(self._remark(trials), command, sources[0])
        reason = "the command printed no result"
        nothing: Line = {"status": "failed", "rule": "no result", "reason": reason}
        lines: list[Line] = [*shelltalk.results(output)[-len(trials) :]]
        # From the answer and not the clock, so that a run that goes on repeats its commands.
        short = sum(line.get("wall_seconds", 0) for line in lines) < SHORT * len(trials)
        small = max(map(len, sources)) < SMALL
        self._most = SIDE_BY_SIDE if self.task.several and short and small else 1
        return lines or [nothing]

    def _bound(self, trial: Trial) -> float | None:
        """What an ablation is given up for, if it is worse.

        None: nothing. Where the best breaks a constraint, who breaks less may well be worse.
        """
        few, best = self.task.giving_up, self.search.best if self.search else None
        if few is None or best is None or trial.phase != "ablate" or best[0].violation > 0:
            return None
        values = [*self.notebook.by_case(self.task, best[1]).values()][: few.cases]
        if not values or (mean := fmean(values)) <= 0:
            return None
        return self.task.presentation.objective.worsened(mean, HOPELESS)

    def _title(self, trials: Sequence[Trial]) -> str:
        case, trial = self.task.presentation.case, trials[0]
        where = f"all evaluation {case}s" if trial.full else f"a few {case}s"
        first = len(self.notebook.pages) + 1
        last = first + len(trials) - 1
        which = f"experiment {first}" if last == first else f"experiments {first} to {last}"
        return f"{which} ({trial.phase}, {where})"

    def _remark(self, trials: Sequence[Trial]) -> str:
        shown, number = self.task.presentation, len(self.notebook.pages) + 1
        best = self.search.best if self.search else None
        so_far = ""
        if best is not None:
            value = shown.objective.shown(shown.objective.cost(best[0].cost))
            broken = ", breaking a constraint" if best[0].violation > 0 else ""
            so_far = f" Best so far on all {shown.case}s: {value}{broken}."
        named = [described(self.task.space.settings(trial.point)) for trial in trials]
        if len(trials) == 1:
            title = f"{self._title(trials)[:-1]}; {trials[0].reason})"
            return f"{units.first_upper(title)}: {named[0]}.{so_far}"
        listed = "\n".join(
            f"{place}. {words} ({trial.reason})"
            for place, (words, trial) in enumerate(zip(named, trials, strict=True), start=number)
        )
        return f"{units.first_upper(self._title(trials))}.{so_far}\n\n{listed}"

    def _time_is_up(self) -> bool:
        if self._time_limit is None:
            return False
        return self.clock() - self._began > TIME_SHARE * self._time_limit


def begun(
    space: Space, seed: int, budget: int, inherited: Sequence[Any] = (), *, screens: bool
) -> Search:
    """The search that suits a space."""
    if isinstance(space, Numbers):
        return Tuning(space, seed, budget, screens, inherited)
    return Search(space, seed, budget, screens, inherited)


def evaluations_left(message: str) -> int | None:
    """The evaluations that the loop's message grants; None if it names no number."""
    found = re.findall(r"[Ee]valuations that are left: (\d+)", message)
    return int(found[-1]) if found else None


def evaluations_of_all(message: str) -> tuple[int, int] | None:
    """Those left and the limit, where the loop's message is that an interrupted run goes on."""
    found = re.search(r"whole run: evaluations ([\d,]+) of ([\d,]+)", message)
    if found is None:
        return None
    left, limit = (int(number.replace(",", "")) for number in found.groups())
    return left, limit


def planned(left: int | None) -> int:
    """How many evaluations a run makes that has so many left."""
    return EVALUATIONS if left in (None, Limits().max_evaluations) else left


def minutes(message: str) -> float | None:
    """The run's time limit in seconds, where the loop's message names one."""
    found = re.findall(r"[Ww]all time: (\d+(?:\.\d+)?) minutes", message)
    return 60 * float(found[-1]) if found else None
