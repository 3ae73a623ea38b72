"""What a run's models used, in tokens and money, read from results.json and told in words."""

import importlib.metadata
from dataclasses import dataclass
from typing import Any

from openglia.presenting import units
from openglia.presenting.tolerant import mapping, number, text

_TABLE = "genai-prices"


def table() -> str:
    """The table of prices with its version."""
    return f"{_TABLE} {importlib.metadata.version(_TABLE)}"


@dataclass(frozen=True)
class Spent:
    """Of one agent, or of all."""

    calls: int = 0
    tokens: int = 0  # of input and output
    usd: float = 0.0  # of the calls whose price is known
    priced_calls: int = 0

    @property
    def unpriced_calls(self) -> int:
        """Calls whose price is not known."""
        return self.calls - self.priced_calls

    @property
    def money(self) -> str:
        """US$ 1.23; a dash where no price is known."""
        if not self.priced_calls:
            return units.DASH
        least = "at least " if self.unpriced_calls else ""
        return f"{least}{units.dollars(self.usd)}"


def by_agent(results: Any) -> dict[str, Spent]:
    """What each agent used; runs of early versions know no prices."""
    return {
        str(agent): Spent(
            calls=int(number(used, "calls") or 0),
            tokens=int((number(used, "input_tokens") or 0) + (number(used, "output_tokens") or 0)),
            usd=number(used, "usd") or 0.0,
            priced_calls=int(number(used, "priced_calls") or 0),
        )
        for agent, used in mapping(results, "usage").items()
    }


def total(results: Any) -> Spent:
    """What all agents used."""
    agents = by_agent(results).values()
    return Spent(
        calls=sum(agent.calls for agent in agents),
        tokens=sum(agent.tokens for agent in agents),
        usd=sum(agent.usd for agent in agents),
        priced_calls=sum(agent.priced_calls for agent in agents),
    )


def told(results: Any) -> str | None:
    """One sentence on tokens and money; None if no model was called."""
    everything = total(results)
    if not everything.calls:
        return None
    model = text(results, "model") or "unknown"
    tokens = f"{units.count(everything.tokens)} tokens in {units.count(everything.calls)} calls"
    prices = text(results, "prices")
    if not everything.priced_calls:
        known = f" ({prices})" if prices else ""
        return f"{tokens}; the price of model {model} is not known{known}."
    parts = ", ".join(
        f"{agent} {spent.money}" for agent, spent in by_agent(results).items() if spent.calls
    )
    without = everything.unpriced_calls
    note = f"; {without} calls have no known price" if without else ""
    return f"{everything.money} for {tokens} ({parts}), at the list prices of {prices}{note}."
