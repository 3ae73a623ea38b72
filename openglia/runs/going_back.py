"""What an agent is told beside each score: the best so far, and how to go back to it."""

from openglia.presenting.objective import Rank
from openglia.presenting.presentation import Presentation
from openglia.presenting.score import Score
from openglia.runs.record import Evaluated, Record

# So many evaluations in a row that are worse than the best are worth a word. Single ones are the
# way to a better composition.
_IN_A_ROW = 3


def words(record: Record, context: int | None, number: int, shown: Presentation) -> str:
    """For the note on evaluation ``number``; empty while there is no best."""
    best = record.best(context)
    if best is None:
        return ""
    if best.number == number:
        return "; the best so far"
    value = shown.score(best.result).value
    said = "" if value is None else f", {shown.objective.shown(value)}"
    said += " (it breaks a constraint)" if shown.score(best.result).broken else ""
    text = f"; best so far: evaluation {best.number}{said}: openglia restore {best.number}"
    after = [one for one in record.of(context) if best.number < one.number <= number]
    last = after[-_IN_A_ROW:]
    if len(last) == _IN_A_ROW and all(_is_worse(one, best, shown) for one in last):
        text += f"; the last {_IN_A_ROW} are worse than that: go back to it unless you know why"
    return text


def _is_worse(one: Evaluated, best: Evaluated, shown: Presentation) -> bool:
    """On the cases that both were measured on; a failed one is, and one that breaks more."""
    score, known = shown.score(one.result), shown.score(best.result)
    if score.value is None:
        return True
    cases = [case for case in score.by_case if case in known.by_case]
    if not cases:
        return False
    ranks = [Rank(one.violation, _cost(one, cases, shown)) for one in (score, known)]
    return ranks[0] > ranks[1]


def _cost(score: Score, cases: list[int | str], shown: Presentation) -> float:
    return sum(shown.objective.cost(score.by_case[case]) for case in cases)
