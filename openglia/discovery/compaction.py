"""Making room when a model's context overflows.

fast-agent compacts histories by itself for models whose window it knows. For the others, such as
local servers, the provider's error is the first sign.
"""

from typing import Any

from fast_agent.types import PromptMessageExtended
from mcp_types import TextContent

# Messages at the end that keep their tool results: what the agent is working on.
_RECENT = 8
_SHORT = 200  # characters that may stay
_OMITTED = "[omitted to make room; run the command again if you need its output]"


def shorten(agent: Any) -> bool:
    """Drop old and long tool results from the agent's history; False if there are none.

    When the older part holds none any more, the recent one is shortened too.
    """
    history: list[PromptMessageExtended] = list(agent.message_history)
    for kept in (_RECENT, 1, 0):
        older = history[: len(history) - kept]
        shortened = [_shortened(message) for message in older]
        if any(new is not old for new, old in zip(shortened, older, strict=True)):
            agent.load_message_history([*shortened, *history[len(older) :]])
            return True
    return False


def _shortened(message: PromptMessageExtended) -> PromptMessageExtended:
    results = message.tool_results
    if not results or all(_length(result) <= _SHORT for result in results.values()):
        return message
    omitted = [TextContent(type="text", text=_OMITTED)]
    return message.model_copy(
        update={
            "tool_results": {
                name: result.model_copy(update={"content": omitted})
                if _length(result) > _SHORT
                else result
                for name, result in results.items()
            }
        }
    )


def _length(result: Any) -> int:
    return sum(len(getattr(block, "text", "")) for block in result.content)
