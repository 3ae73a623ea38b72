"""How the final candidate fares elsewhere: on the held-out cases of other settings of its problem.

After discovery and verification, and bounded: a third of what the run spent on measuring. Cases are
measured in rounds, each round on every setting, the yardstick beside the final candidate; the other
baselines come last. What the time does not suffice for is left out, and that is said.
"""

import threading
import time
from collections.abc import Sequence
from itertools import pairwise
from math import inf
from pathlib import Path

from openglia.errors import OpenGliaError
from openglia.measuring.pairs import compare
from openglia.measuring.processes import CancelledError
from openglia.presenting.objective import Objective
from openglia.presenting.presentation import Presentation
from openglia.presenting.score import Case, Line
from openglia.presenting.tolerant import number
from openglia.problems.problem import Look, Problem, Say
from openglia.runs.cache import MARK
from openglia.runs.results import Results
from openglia.runs.transferred import Setting, Transfer

SHARE = 1 / 3  # of the time that went into measuring before: baselines, evaluations, verification
ROUNDS = (2, 5)  # cases after the first rounds: few, so that every setting gets its turn
ROUND = 5  # cases of each that follows
RESERVE = 1.5  # of an estimate: a setting may be slower than those measured so far
HOLDS = 0.8  # of the gain at home


class _OutOfTimeError(Exception):
    pass


class _Clock:
    """What may still be spent, and what a case costs."""

    def __init__(self, allowed: float | None, guess: float) -> None:
        self._begun = time.monotonic()
        self._allowed = inf if allowed is None else allowed
        self._guess = guess
        self._cases = 0

    @property
    def spent(self) -> float:
        return time.monotonic() - self._begun

    def require(self, cases: int) -> None:
        """Go on only if as many measurements of one case will be done in time."""
        each = self.spent / self._cases if self._cases else self._guess
        if self.spent + RESERVE * each * cases > self._allowed:
            raise _OutOfTimeError

    def measured(self, cases: int) -> None:
        self._cases += cases

    def measure(self, problem: Problem, candidate: Path, look: Look) -> Line:
        """A candidate, which is ended where time is up: how slow it is elsewhere nobody knows."""
        cancelled = threading.Event()
        left = min(self._allowed - self.spent, threading.TIMEOUT_MAX)
        alarm = threading.Timer(max(left, 0.0), cancelled.set)
        alarm.daemon = True
        alarm.start()
        try:
            return problem.measure(candidate, look, cancelled=cancelled)
        except CancelledError:
            raise _OutOfTimeError from None
        finally:
            alarm.cancel()


def measure(
    others: Sequence[Problem],
    final: Path,
    say: Say,
    *,
    allowed: float | None = None,
    guess: float = 0.0,
) -> Transfer:
    """Measure the candidate and the baselines on each of the settings.

    Args:
        allowed: seconds; None: no bound.
        guess: seconds that one case takes, until that is known.
    """
    clock = _Clock(allowed, guess)
    found = [
        (other, Setting(name=other.name, hash=other.hash, held_out=len(other.held_out_cases)))
        for other in others
    ]
    transfer = Transfer(settings=[setting for _, setting in found], allowed=allowed)
    names = ", ".join(other.name for other in others)
    say(f"transfer: the final, the yardstick and the baselines on {names}")
    try:
        most = max((setting.held_out for _, setting in found), default=0)
        steps = [] if allowed is None else [*ROUNDS, *range(ROUNDS[-1] + ROUND, most, ROUND)]
        for start, end in pairwise((0, *steps, max(most, *steps, 1))):
            for other, setting in found:
                _round(other, setting, final, other.held_out_cases[start:end], clock)
        for other, setting in found:
            _baselines(other, setting, clock)
    except _OutOfTimeError:
        say(f"transfer: ended at its bound, {allowed:.0f} s")
    for _, setting in found:
        if not setting.cases and setting.reason is None:
            setting.reason = "no time was left"
    transfer.seconds = round(clock.spent, 3)
    measured = [(other, setting) for other, setting in found if setting.cases]
    wanted = dict.fromkeys(name for other, _ in measured for name in other.baselines)
    transfer.left_out = [
        name
        for name in wanted
        if any(name in other.baselines and name not in s.values for other, s in measured)
    ]
    return transfer


def _round(
    problem: Problem, setting: Setting, final: Path, cases: tuple[Case, ...], clock: _Clock
) -> None:
    """Final and yardstick on a few more cases."""
    if not cases or setting.reason is not None:
        return
    look, yardstick = Look(cases), problem.presentation.yardstick
    clock.require(2 * len(look.cases))
    try:
        lines = {
            "final": clock.measure(problem, final, look),
            yardstick: problem.measure_baseline(yardstick, look),
        }
    except OpenGliaError as error:
        setting.reason = str(error)
        return
    clock.measured(2 * len(look.cases))
    scores = {name: problem.presentation.score(line) for name, line in lines.items()}
    for name, score in scores.items():
        if not score.ok:
            setting.reason = score.reason
            setting.outcome = "fails" if name == "final" else None
            setting.cases, setting.values = [], {}
            return
    setting.cases += look.cases
    for name, score in scores.items():
        values = [score.by_case[case] for case in look.cases]
        setting.values[name] = setting.values.get(name, []) + values


def _baselines(problem: Problem, setting: Setting, clock: _Clock) -> None:
    for name in problem.baselines:
        if name in setting.values or not setting.cases:
            continue
        clock.require(len(setting.cases))
        score = problem.presentation.score(
            problem.measure_baseline(name, Look(tuple(setting.cases)))
        )
        clock.measured(len(setting.cases))
        if score.ok:
            setting.values[name] = [score.by_case[case] for case in setting.cases]


def judge(transfer: Transfer, home: float | None, shown: Presentation) -> None:
    """Set beside the gain at home what each setting shows.

    Args:
        home: the ratio to the yardstick there, case by case; None: it is not known.
    """
    at_home = None if home is None else _gain(home, shown.objective)
    for setting in transfer.settings:
        if not setting.cases:
            continue
        paired = compare(setting.values["final"], setting.values[shown.yardstick])
        setting.measure, setting.value = paired.measure, paired.value
        setting.interval = paired.interval
        low, high = paired.interval or (paired.value, paired.value)
        better, worse = high < paired.equal, low > paired.equal
        if not shown.objective.lower_is_better:
            better, worse = worse, better
        if worse:
            setting.outcome = "turns"
        elif not better:
            setting.outcome = "is not shown"
        elif paired.measure == "ratio" and at_home is not None:
            part = _gain(paired.value, shown.objective)
            setting.outcome = "holds" if part >= HOLDS * at_home else "shrinks"
        else:
            setting.outcome = "holds"


def _gain(ratio: float, objective: Objective) -> float:
    return objective.cost(ratio - 1) * -1


def of_run(
    problem: Problem, results: Results, lines: Sequence[Line], folder: Path, say: Say
) -> Transfer | None:
    """Of a run's final candidate; None: nowhere.

    Args:
        lines: of all that was evaluated.

    Raises:
        OpenGliaError: the harness is in trouble.
    """
    others = problem.other_settings(results.transfer_to)
    final, checked = results.final, results.verification
    if not others or final is None or checked is None:
        return None
    verified = results.timings.get("verification", 0.0)
    spent = results.timings.get("baselines", 0.0) + verified
    spent += sum(_seconds(line) for line in lines if MARK not in line)
    found = measure(
        others,
        folder / problem.presentation.final_name,
        say,
        allowed=SHARE * min(spent, results.elapsed_seconds + verified),  # side by side it is less
        guess=_seconds(final.evaluation) / max(len(problem.cases), 1),
    )
    judge(found, checked.ratio_held_out, problem.presentation)
    return found


def _seconds(line: Line) -> float:
    return number(line, "wall_seconds") or 0.0
