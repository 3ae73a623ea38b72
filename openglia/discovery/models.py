"""Which model plays the agents, and why that one."""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from dotenv import dotenv_values

from openglia import paths
from openglia.errors import UsageError

OFFLINE = "offline"

CONFIGURATION_FILES = ("fast-agent.yaml", "fast-agent.config.yaml", "fastagent.config.yaml")
SECRETS_FILES = ("fast-agent.secrets.yaml", "fastagent.secrets.yaml")


@dataclass(frozen=True)
class Provider:
    """A model provider of fast-agent that one key opens."""

    title: str
    section: str  # in fast-agent's configuration
    keys: tuple[str, ...]  # environment variables; the first is the one fast-agent documents
    model: str  # its usual model, in fast-agent's spelling


# The order decides when there are several keys.
PROVIDERS = (
    Provider("Anthropic", "anthropic", ("ANTHROPIC_API_KEY",), "sonnet"),
    Provider("OpenAI", "openai", ("OPENAI_API_KEY",), "gpt6sol"),
    Provider("Google", "google", ("GOOGLE_API_KEY", "GEMINI_API_KEY"), "gemini31pro"),
    Provider("xAI", "xai", ("XAI_API_KEY",), "grok"),
    Provider("DeepSeek", "deepseek", ("DEEPSEEK_API_KEY",), "deepseekpro"),
    Provider("Moonshot", "moonshot", ("MOONSHOT_API_KEY",), "kimik3"),
    Provider("Z.ai", "zai", ("ZAI_API_KEY",), "zaiglm"),
    Provider("Meta", "metaai", ("META_AI_API_KEY",), "muse"),
    Provider("Hugging Face", "hf", ("HF_TOKEN",), "glm"),
    Provider("Groq", "groq", ("GROQ_API_KEY",), "groq.openai/gpt-oss-120b"),
    Provider("Aliyun", "aliyun", ("ALIYUN_API_KEY",), "qwen3-max"),
    Provider("OpenRouter", "openrouter", ("OPENROUTER_API_KEY",), "openrouter.openrouter/auto"),
)
# fast-agent's other sections: --model names a model of them, since a key alone does not open them.
NOT_BY_KEY = {
    "anthropic-vertex": "a project of Google's cloud",
    "azure": "a resource or an address",
    "bedrock": "credentials of Amazon's cloud",
    "codexresponses": "a subscription's login",
    "copilot": "a subscription's login",
    "fast-agent": "no provider",
    "generic": "the address of a server; it needs no key",
    "googleoai": "Google once more, by another library",
    "openresponses": "the address of a server",
    "responses": "OpenAI once more, by the same key",
    "tensorzero": "the address of a gateway",
}


@dataclass(frozen=True)
class Choice:
    """A model's name in fast-agent's spelling, and one sentence on where it comes from."""

    model: str
    why: str


def choose(option: str | None, environ: Mapping[str, str], *, root: Path = paths.ROOT) -> Choice:
    """Choose the model: ``--model``, OPENGLIA_MODEL, fast-agent's setting, a key, else offline.

    Args:
        option: the value of ``--model``.
        environ: the environment of the process.
        root: the folder that may hold fast-agent's configuration and secrets files.

    Raises:
        UsageError: fast-agent's configuration cannot be read.
    """
    named = (
        (option, "--model"),
        (environ.get("OPENGLIA_MODEL"), "OPENGLIA_MODEL"),
        _configured(root),
        (environ.get("FAST_AGENT_MODEL"), "FAST_AGENT_MODEL"),
    )
    for model, source in named:
        if model and model.strip():
            return Choice(model.strip(), f"named by {source}")
    return _from_keys(environ, read_settings(root, SECRETS_FILES)[0])


def read_dotenv(root: Path) -> dict[str, str]:
    """What the file ``.env`` in ``root`` sets; nothing if there is none.

    Raises:
        UsageError: it cannot be read.
    """
    path = root / ".env"
    if not path.is_file():
        return {}
    try:
        values = dotenv_values(path, encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text; save it as UTF-8") from None
    return {name: value for name, value in values.items() if value is not None}


def adopt_dotenv(environ: MutableMapping[str, str], *, root: Path = paths.ROOT) -> None:
    """Add what ``.env`` sets and ``environ`` does not, for the model and its provider.

    Agents' commands and workers see none of it: their environments are made of a few names.

    Raises:
        UsageError: it cannot be read.
    """
    for name, value in read_dotenv(root).items():
        environ.setdefault(name, value)


def _configured(root: Path) -> tuple[str | None, str]:
    settings, name = read_settings(root, CONFIGURATION_FILES)
    model = settings.get("default_model")
    return (model if isinstance(model, str) else None), f"default_model in {name}"


def _from_keys(environ: Mapping[str, str], secrets: Mapping[str, Any]) -> Choice:
    found = [
        (provider, source)
        for provider in PROVIDERS
        if (source := _key_source(provider, environ, secrets)) is not None
    ]
    if not found:
        return Choice(OFFLINE, "no model is named and no provider key is set")
    provider, source = found[0]
    why = f"{provider.title}'s usual model, because {source} is set"
    if others := [other for _, other in found[1:]]:
        why += (
            f"; {', '.join(others)} too: {provider.title} comes first in OpenGLIA's order, "
            f"--model chooses another"
        )
    return Choice(provider.model, why)


def _key_source(
    provider: Provider, environ: Mapping[str, str], secrets: Mapping[str, Any]
) -> str | None:
    for name in provider.keys:
        if environ.get(name, "").strip():
            return name
    section = secrets.get(provider.section)
    key = section.get("api_key") if isinstance(section, dict) else None
    if isinstance(key, str) and key.strip():
        return f"{provider.section}.api_key in fast-agent's secrets file"
    return None


def read_settings(root: Path, names: tuple[str, ...]) -> tuple[dict[str, Any], str]:
    """The one of ``names`` that lies in ``root``, as a mapping, and its name.

    Raises:
        UsageError: it cannot be read, or two of them are there.
    """
    present = [name for name in names if (root / name).is_file()]
    if not present:
        return {}, names[0]
    if len(present) > 1:
        raise UsageError(
            f"{' and '.join(present)} both lie in {root}; fast-agent reads one of them: remove one"
        )
    path = root / present[0]
    try:
        settings = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        line = " ".join(str(error).split())
        raise UsageError(f"{path} cannot be read as YAML: {line}") from None
    if settings is None:
        return {}, present[0]
    if not isinstance(settings, dict):
        raise UsageError(f"{path} is not a mapping; see fast-agent's documentation of it")
    return settings, present[0]
