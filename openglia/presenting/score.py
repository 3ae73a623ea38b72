"""A score as the harness reads it: a view on the JSON line that a problem made of a measurement.

The line is the problem's own and is kept whole, in the record and in results.json. It holds
``status`` ("ok" or "failed"), ``full`` (all evaluation cases, nothing narrowed), and then either
the figures, by the names that the problem's ``Keys`` tell, or ``rule`` and ``reason``. Where the
problem has constraints, ``constraints`` lists them: each has ``words``, and ``violation``, by what
share of its bound a candidate breaks it: 0 where it is kept, null where that is not known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from openglia.presenting.tolerant import interval, items, mapping, number, text

Case = int | str  # what one measurement repeats over: a seed, an instance, a workload
Line = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Keys:
    """The names that a problem's lines have for what the harness reads."""

    value: str = "value"  # the objective, over all cases
    candidate: str = "candidate"  # 12 hexadecimal digits of the source's SHA-256
    cases: str = "cases"
    by_case: str = "by_case"  # the objective on each of the cases, in their order
    ratio: str = "ratio_to_yardstick"  # the objective over the yardstick's on the same cases
    figures: str = "figures_by_case"  # further figures: name -> values in the order of the cases

    def of(self, line: Any) -> "Score":
        """The view on a line; of anything else, a failed score."""
        return Score(line if isinstance(line, Mapping) else {}, self)


@dataclass(frozen=True)
class Score:
    """One measurement of one candidate. Whatever is missing or of the wrong form is None."""

    line: Line
    keys: Keys

    @property
    def value(self) -> float | None:
        """The objective; None where the measurement failed."""
        return number(self.line, self.keys.value) if self.line.get("status") == "ok" else None

    @property
    def ok(self) -> bool:
        """Whether there is a score."""
        return self.value is not None

    @property
    def interval(self) -> tuple[float, float] | None:
        """90 %, over cases."""
        return interval(self.line, "interval") if self.ok else None

    @property
    def cases(self) -> tuple[Case, ...]:
        """What was measured on."""
        found = items(self.line, self.keys.cases)
        return tuple(case for case in found if isinstance(case, int | str))

    @property
    def by_case(self) -> dict[Case, float]:
        """The objective on each case."""
        return self._by_case(items(self.line, self.keys.by_case))

    @property
    def violation(self) -> float:
        """By how much the constraints are broken, added up; 0: all are kept."""
        return sum(share for _, share in self._constraints)

    @property
    def held(self) -> str:
        """A word on all constraints, and by how much they are broken; "": there are none."""
        entries = items(self.line, "constraints")
        if broken := [f"{100 * share:.1f} %" for _, share in self._constraints if share > 0]:
            return f"broken by {' and '.join(broken)}"
        known = all(number(entry, "violation") is not None for entry in entries)
        return ("kept" if known else "not known") if entries else ""

    @property
    def constraints(self) -> list[str]:
        """Each constraint in words: what was measured, and whether it is kept."""
        return [words for words, _ in self._constraints]

    @property
    def broken(self) -> list[str]:
        """Likewise, of those that are broken."""
        return [words for words, share in self._constraints if share > 0]

    def figure(self, name: str) -> float | None:
        """A further figure over all cases."""
        return number(self.line, name)

    def figure_by_case(self, name: str) -> dict[Case, float]:
        """A further figure on each case; empty where it was not kept."""
        return self._by_case(items(mapping(self.line, self.keys.figures), name))

    @property
    def full(self) -> bool:
        """Whether it covers all evaluation cases, nothing narrowed."""
        return self.line.get("full") is True

    @property
    def candidate(self) -> str | None:
        """What was measured."""
        return text(self.line, self.keys.candidate)

    @property
    def ratio(self) -> float | None:
        """To the yardstick on the same cases."""
        return number(self.line, self.keys.ratio)

    @property
    def rule(self) -> str:
        """Why it failed, in a word."""
        return text(self.line, "rule") or "failed"

    @property
    def reason(self) -> str:
        """Why it failed, in a line."""
        return text(self.line, "reason") or "no reason recorded"

    @property
    def warnings(self) -> Sequence[str]:
        """Remarks on the candidate that change no score."""
        return [str(line) for line in items(self.line, "warnings")]

    @property
    def _constraints(self) -> list[tuple[str, float]]:
        return [
            (words, max(number(entry, "violation") or 0.0, 0.0))
            for entry in items(self.line, "constraints")
            if (words := text(entry, "words")) is not None
        ]

    def _by_case(self, values: Sequence[Any]) -> dict[Case, float]:
        pairs = zip(items(self.line, self.keys.cases), values, strict=False)
        found = {case: number(value) for case, value in pairs if isinstance(case, int | str)}
        return {case: value for case, value in found.items() if value is not None}


def with_ratios(lines: Mapping[str, Line], keys: Keys, yardstick: str) -> dict[str, dict[str, Any]]:
    """The lines, each clean one with its ratio where the yardstick is among them."""
    found = {name: dict(line) for name, line in lines.items()}
    base = keys.of(found.get(yardstick)).value
    for line in found.values():
        value = keys.of(line).value
        if base and value is not None and line.get(keys.ratio) is None:
            line[keys.ratio] = value / base
            line.pop("ratio_note", None)
    return found
