"""Money: what is known of a price is used, and nothing is guessed."""

import pytest
from fast_agent.llm.provider_types import Provider
from fast_agent.llm.usage_tracking import CompletionTokenUsage, PromptTokenUsage, TurnUsage
from stand_in import StandIn, run, say, verdict

from openglia.discovery import cost
from openglia.discovery.experiment import Limits, Usage, Used
from openglia.discovery.limits import Budget, LimitReached, left
from openglia.errors import UsageError
from openglia.presenting import spent, units

POOR = verdict("POOR", "What did you measure?", needs_improvement=True)
YEAR_2026 = 1_790_000_000.0  # seconds since the epoch


def turn(provider, model, read=0, written=0, cached=None, **parts):
    return TurnUsage(
        provider=provider,
        usage_schema="openai-chat",
        model=model,
        prompt=PromptTokenUsage(total=read, cache_read=cached, **parts),
        completion=CompletionTokenUsage(total=written),
        timestamp=YEAR_2026,
    )


@pytest.mark.parametrize(
    ("call", "usd"),
    [
        # US$ per million tokens: 3 read, 0.30 read from the cache, 3.75 into it, 15 written.
        (turn(Provider.ANTHROPIC, "claude-sonnet-4-5", 10_000, 1_000), 0.045),
        (turn(Provider.ANTHROPIC, "claude-sonnet-4-5", 100_000, 1_000, 90_000), 0.072),
        (turn(Provider.ANTHROPIC, "claude-sonnet-4-5", 8_000, 0, 0, cache_write=8_000), 0.03),
        # Above 200,000 tokens a prompt costs twice as much: 6 and 22.50.
        (turn(Provider.ANTHROPIC, "claude-sonnet-4-5", 300_000, 1_000), 1.8225),
        (turn(Provider.GENERIC, "qwen3", 10_000, 1_000), None),  # a server of one's own
        (turn(Provider.COPILOT, "gpt-4o", 10_000, 1_000), None),  # a subscription
        (turn(Provider.ANTHROPIC, "not-a-model", 10_000, 1_000), None),
        (turn(Provider.HUGGINGFACE, "openai/gpt-oss-120b:nobody", 10_000, 1_000), None),
        (turn(Provider.HUGGINGFACE, "openai/gpt-oss-120b", 10_000, 1_000), None),
        (turn(Provider.OPENAI, "gpt-4o"), None),  # no token is counted
    ],
)
def test_price_of_a_call(call, usd):
    assert cost.price(call) == (None if usd is None else pytest.approx(usd))


def test_a_router_s_price_is_that_of_who_serves_the_model():
    call = turn(Provider.HUGGINGFACE, "openai/gpt-oss-120b:groq", 1_000_000, 0)
    same = turn(Provider.GROQ, "openai/gpt-oss-120b", 1_000_000, 0)
    assert cost.price(call) == pytest.approx(cost.price(same), rel=0.5)


def test_a_limit_of_cost_needs_a_price():
    for known in ("anthropic.claude-sonnet-4-5", "sonnet", "offline"):
        cost.require_price(known)
    with pytest.raises(UsageError, match=r"generic\.qwen3 is not known \(genai-prices \d.*tokens"):
        cost.require_price("generic.qwen3")


def test_budget():
    usage = {"researcher": Usage(usd=0.4), "supervisor": Usage(usd=0.35)}
    limits = Limits(max_cost=1.5)
    Budget(limits, None, lambda: usage, Used(usd=0.7)).before_call(by_researcher=False)
    with pytest.raises(LimitReached, match=r"cost limit is reached \(US\$ 1.55 of 1.5\)"):
        Budget(limits, None, lambda: usage, Used(usd=0.8)).before_call(by_researcher=False)
    assert "cost US$ 0.30 of US$ 1.50" in left(limits, Used(usd=1.2), 0)
    assert "cost" not in left(Limits(), Used(usd=1.2), 0)


def test_an_endless_talker_is_stopped_by_the_cost(lab):
    with StandIn([run("true", input_tokens=100_000, output_tokens=1_000)], [POOR]) as server:
        outcome = lab.discover(server, "anthropic", limits=Limits(max_cost=0.6))
    used = outcome.usage["researcher"]
    assert (outcome.status, used.calls, used.priced_calls) == ("limit", 3, 3)
    assert used.usd == pytest.approx(3 * 0.21)
    assert outcome.reason == "the cost limit is reached (US$ 0.63 of 0.6)"
    assert outcome.warnings == []


def test_calls_without_a_price_are_said(lab):
    with StandIn([say("An account.")]) as server:
        outcome = lab.discover(server, limits=Limits(max_cost=1.0))
    assert outcome.usage["researcher"].usd == outcome.usage["researcher"].priced_calls == 0
    assert outcome.warnings == [
        "the price of 2 calls is not known, so --max-cost does not limit them"
    ]


def test_told_in_words():
    def used(calls, priced, usd):
        return {"calls": calls, "input_tokens": 900, "output_tokens": 100, "usd": usd,
                "priced_calls": priced}  # fmt: skip

    both = {"researcher": used(4, 4, 1.2), "supervisor": used(2, 2, 0.034)}
    results = {"model": "sonnet", "prices": "genai-prices 9", "usage": both}
    assert spent.told(results) == (
        "US$ 1.23 for 2\u2009000 tokens in 6 calls (researcher US$ 1.20, supervisor US$ 0.034), "
        "at the list prices of genai-prices 9."
    )
    both["supervisor"] = used(2, 0, 0.0)
    told = spent.told(results)
    assert told is not None and told.startswith("at least US$ 1.20 for ")
    assert told.endswith("; 2 calls have no known price.")
    both["researcher"] = used(4, 0, 0.0)
    assert spent.told(results) == (
        "2\u2009000 tokens in 6 calls; the price of model sonnet is not known (genai-prices 9)."
    )
    old = {"model": "m", "usage": {"researcher": {"calls": 1, "input_tokens": 5}}}
    assert spent.told(old) == "5 tokens in 1 calls; the price of model m is not known."
    assert spent.told({"usage": {"researcher": {"calls": 0}}}) is spent.told([]) is None


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0, "US$ 0.00"), (0.0042, "US$ 0.0042"), (1.234, "US$ 1.23"), (1234.5, "US$ 1,234.50")],
)
def test_dollars(value, words):
    assert units.dollars(value) == words
