"""A state in words: the parts of the view, a line for each evaluation, a heartbeat."""

from datetime import timedelta

from openglia.presenting import researcher, units
from openglia.presenting.tolerant import text
from openglia.report import verdict
from openglia.report.data import Entry
from openglia.watching.state import Doing, State

_READER = "supervisor"  # of the two agents the one that only reads and asks


def plain(words: str) -> str:
    """The words without what a terminal would obey: agents and candidates write what they like."""
    return "".join(letter if letter.isprintable() else " " for letter in words)


def clock(seconds: float) -> str:
    """A span of time to the second: 0:02:31."""
    return str(timedelta(seconds=int(seconds)))


def title(state: State) -> str:
    """Which run it is, on what, by whom."""
    run = state.run
    parts = [run.name, run.presentation.subject(run.results), researcher.told(run.results)]
    return plain("  ".join(part for part in parts if part))


def time(state: State) -> str:
    """The discovery's time and its limit."""
    seconds = state.discovery_seconds
    if seconds is None:
        return "the discovery has not begun"
    limit = state.limit("time_limit")
    return clock(seconds) + (f" of {clock(limit)}" if limit is not None else ", no limit")


def evaluations(state: State) -> str:
    """How many were used and are left."""
    used = len(state.entries)
    most = state.limit("max_evaluations")
    words = f"{used}, no limit" if most is None else f"{used} of {most:.0f}"
    if most is not None and not state.ended:
        words += f", {max(most - used, 0):.0f} left"
    failed = sum(not entry.score.ok for entry in state.entries)
    return words + (f"; {failed} failed" if failed else "")


def evaluation(state: State, entry: Entry) -> str:
    """One evaluation: its number, what it is over where that is not all, its score."""
    run, score = state.run, entry.score
    scope = "" if entry.full or not score.cases else f" ({run.presentation.listed(score.cases)})"
    if score.value is None:
        return plain(f"{entry.number}{scope}: failed, {score.rule}: {score.reason}")
    words = f"{entry.number}{scope}: {run.objective.shown(score.value)}"
    if score.ratio is not None:
        words += f", {units.ratio(score.ratio)} of {run.presentation.yardstick_label}"
    return plain("; ".join([words, *score.broken]))


def best(state: State) -> str:
    """The best so far."""
    return "none yet" if state.best is None else evaluation(state, state.best)


def used(state: State) -> str:
    """Tokens and money, with their limits."""
    spent = state.spent
    if not spent.calls:
        return "no tokens"
    most = state.limit("max_tokens")
    words = units.count(spent.tokens) + (f" of {units.count(most)}" if most else "") + " tokens"
    cost = state.limit("max_cost")
    words += f", {spent.money}" if spent.priced_calls else ", no price known"
    return words + (f" of {units.dollars(cost)}" if cost is not None else "")


def now(state: State) -> str | None:
    """What an agent does; None where none does anything."""
    if state.phase != "discovery":
        return None
    if not state.doing:
        return "the agents start"
    return "; ".join(_told(state, doing) for doing in state.doing)


def _told(state: State, doing: Doing) -> str:
    agent = f"the {doing.agent.capitalize()}"
    if doing.context is not None:
        agent = f"{doing.context}: {agent}"
    since = clock(state.since(doing.since))
    if doing.kind == "runs":
        return plain(f"{agent} runs, for {since}: {doing.what}")
    if doing.kind == "waits":
        waited = state.since(doing.since)
        span = f"for {clock(waited)}"
        if doing.seconds is not None:
            span = f"{clock(max(doing.seconds - waited, 0.0))} left"
        return plain(f"{agent} waits, {span}: {doing.what}")
    verb = "reads" if doing.agent == _READER else "thinks"
    return plain(f"{agent} {verb}, for {since}")


def ending(state: State) -> list[str]:
    """What a reader should know of a run on which nobody works."""
    if not state.ended:
        return []
    run = state.run
    if state.killed:
        return [
            f"Its process is gone: openglia finish {run.folder} completes the folder, "
            f"./run.sh --resume {run.folder} goes on with it."
        ]
    reason = text(run.results, "reason")
    return [plain(line) for line in (reason, verdict.headline(run)) if line]


def line(state: State, entry: Entry) -> str:
    """An evaluation with what it changed, where there is no display."""
    words = f"evaluation {evaluation(state, entry)}"
    if state.best is not None and state.best.number == entry.number:
        return f"{words}, the best so far"
    return words


def heartbeat(state: State) -> str:
    """A line that says that the run goes on, and how."""
    parts = [state.phase, time(state)] if state.phase == "discovery" else [state.phase]
    if state.entries:
        parts += [f"evaluations {evaluations(state)}", f"best {best(state)}"]
    if state.spent.calls:
        parts.append(used(state))
    if (doing := now(state)) is not None:
        parts.append(doing)
    return "; ".join(parts)
