"""Who did the research, read from results.json of any version."""

from typing import Any

from openglia.presenting.tolerant import at, text


def told(results: Any) -> str | None:
    """The agent's command or the model, and what is unusual about the supervision."""
    command, model = text(results, "agent", "command"), text(results, "model")
    unsupervised = at(results, "supervised") is False
    if command is None:
        return f"{model}, unsupervised" if model and unsupervised else model
    return f"{command}, {'unsupervised' if unsupervised else f'supervised by {model}'}"


def short(results: Any) -> str | None:
    """Likewise, in a word or two."""
    return text(results, "agent", "command") or text(results, "model")
