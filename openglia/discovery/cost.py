"""What calls of models cost, by the table of prices of ``genai-prices``, which works offline.

A price is never guessed: of a server of one's own, a subscription, or a model that the table does
not have, there is none. What is given is the list price; a contract may say otherwise.
"""

import warnings
from datetime import UTC, datetime
from typing import Any

from openglia.discovery.models import OFFLINE
from openglia.errors import UsageError
from openglia.presenting.spent import table

# fast-agent's names of providers -> the table's. Who is missing here has no known price.
_PROVIDERS = {
    "anthropic": "anthropic",
    "anthropic-vertex": "google",
    "azure": "azure",
    "bedrock": "aws",
    "deepseek": "deepseek",
    "google": "google",
    "googleoai": "google",
    "groq": "groq",
    "metaai": "meta",
    "moonshot": "moonshotai",
    "openai": "openai",
    "openrouter": "openrouter",
    "responses": "openai",
    "xai": "x-ai",
    "zai": "zai",
}
_ROUTER = "hf"  # Hugging Face's: a model is called MODEL:WHO_SERVES_IT


def price(turn: Any) -> float | None:
    """US$ of one call, a ``TurnUsage`` of fast-agent; None if its price is not known.

    Prices depend on the length of the single prompt, so sums of tokens would not do.
    """
    prompt, completion = turn.prompt, turn.completion
    parts = (prompt.uncached, prompt.cache_read, prompt.cache_write)
    read = prompt.total if prompt.total is not None else sum(part or 0 for part in parts)
    written = completion.total or 0
    if not read and not written:
        return None  # the provider counts no tokens
    return _price(
        turn.provider.config_name,
        turn.model,
        datetime.fromtimestamp(turn.timestamp, UTC),
        input_tokens=read,
        cache_read_tokens=prompt.cache_read,
        cache_write_tokens=prompt.cache_write,
        output_tokens=written,
    )


def require_price(model: str) -> None:
    """Refuse a limit that could not hold.

    Args:
        model: in fast-agent's spelling. One that fast-agent does not know passes: it says more.

    Raises:
        UsageError: no price of the model is known, or there is no model.
    """
    if not model:
        raise UsageError(
            "--max-cost cannot hold: what the agent's command spends is not known here; "
            "limit it with --max-evaluations and --time-limit"
        )
    # Late: they take seconds, and only a run that names a limit of cost needs them here.
    from fast_agent.core.exceptions import ModelConfigError
    from fast_agent.llm.model_factory import ModelFactory

    if model == OFFLINE:
        return
    try:
        known = ModelFactory.parse_model_string(model)
    except ModelConfigError:
        return
    now = datetime.now(UTC)
    if _price(known.provider.config_name, known.model_name, now, input_tokens=1) is None:
        raise UsageError(
            f"--max-cost cannot hold: the price of model {model} is not known ({table()}); "
            f"limit its tokens with --max-tokens instead"
        )


def _price(provider: str, model: str, moment: datetime, **tokens: int | None) -> float | None:
    # Late: a run without a language model needs no prices.
    from genai_prices import Usage, calc_price

    if provider == _ROUTER:
        model, _, server = model.rpartition(":")
        known: str | None = f"huggingface_{server}"
    else:
        known = _PROVIDERS.get(provider)
    if known is None or not model:
        return None
    try:
        with warnings.catch_warnings(action="ignore"):
            found = calc_price(
                Usage(**tokens), model, provider_id=known, genai_request_timestamp=moment
            )
    except (LookupError, ValueError):  # not in the table, or what was counted contradicts itself
        return None
    return float(found.total_price)
