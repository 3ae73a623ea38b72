"""fast-agent, set up for one run: two agents, a configuration of their own, nothing leaked in."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from fast_agent import FastAgent
from fast_agent.config import Settings
from fast_agent.core.exceptions import ProviderKeyError
from fast_agent.llm.provider_types import Provider
from fast_agent.types import RequestParams

from openglia.agents.experiment import Experiment, Patience, Usage
from openglia.agents.models import CONFIGURATION_FILES, OFFLINE, SECRETS_FILES, read_settings
from openglia.agents.prompts import prompt
from openglia.agents.redaction import Redactor
from openglia.agents.shell import SandboxedShell
from openglia.agents.tracing import RESEARCHER, SUPERVISOR
from openglia.errors import OpenGliaError

# Of the user's configuration only what concerns models is taken over: no servers, plugins,
# skills, environments or log files.
_KEPT_SETTINGS = {p.config_name for p in Provider} | {
    "huggingface",
    "model_references",
    "compaction",
    "llm_retries",
}
# Tools that run at the provider: they would get the Researcher around a sandbox without network.
_PROVIDER_TOOLS = ("web_search", "web_fetch", "x_search")
_LONGEST_COMMAND = 3600  # seconds; fast-agent waits no longer for a command in the foreground
_LONGEST_WAIT = 600.0  # seconds that a provider may ask for with retry-after
# HTTP statuses that waiting does not change.
_FINAL = (400, 401, 402, 403, 404, 405, 422)


class ProviderSetupError(OpenGliaError):
    """fast-agent refused the model, its key, or its configuration."""


@dataclass(frozen=True)
class Agents:
    """The two agents of a run, ready to talk."""

    researcher: Any
    supervisor: Any

    def usage(self) -> dict[str, Usage]:
        """Tokens per agent so far."""
        return {agent.name: _usage(agent) for agent in (self.researcher, self.supervisor)}


@contextlib.asynccontextmanager
async def start(experiment: Experiment, redactor: Redactor) -> AsyncIterator[Agents]:
    """Start fast-agent with the Researcher and the Supervisor.

    Raises:
        ProviderSetupError: fast-agent does not accept the model, its key or its configuration.
    """
    if not 0 < experiment.command_timeout < _LONGEST_COMMAND:
        raise ProviderSetupError(
            f"a command's time limit is {experiment.command_timeout:g} s; "
            f"fast-agent allows more than 0 and less than {_LONGEST_COMMAND}"
        )
    if experiment.model == OFFLINE:
        from openglia.agents import offline

        offline.register(experiment.seed)
    with tempfile.TemporaryDirectory(prefix="openglia-agents-") as name:
        home = Path(name)
        _write_settings(home, experiment)
        with _isolated(home):
            fast = _fast_agent(home, experiment)
        shell = SandboxedShell(
            root=experiment.root,
            sandbox=experiment.sandbox,
            layout=experiment.layout,
            environment=experiment.environment,
            time_limit=experiment.command_timeout,
        )
        started = False
        try:
            async with fast.run(environment=shell) as app:
                agents = Agents(app[RESEARCHER], app[SUPERVISOR])
                for agent in (agents.researcher, agents.supervisor):
                    _be_patient(agent.llm, experiment.patience, redactor)
                    _switch_off_provider_tools(agent.llm)
                started = True
                yield agents
        except (SystemExit, Exception) as error:
            if started:
                raise
            reason = redactor.text(_one_line(fast.refusal or error))
            raise ProviderSetupError(f"model {experiment.model}: {reason}") from None


class _QuietFastAgent(FastAgent):
    """Keeps what fast-agent would print before it ends the process."""

    refusal: Exception | None = None

    def _handle_error(self, e: Exception, error_type: str | None = None) -> None:
        del error_type
        self.refusal = e


def _fast_agent(home: Path, experiment: Experiment) -> _QuietFastAgent:
    try:
        fast = _QuietFastAgent(
            "openglia",
            config_path=str(home / CONFIGURATION_FILES[0]),
            parse_cli_args=False,
            quiet=True,
            home=home,
            skills_directory=[],
            isolated=True,
        )
    except (SystemExit, Exception) as error:
        raise ProviderSetupError(f"fast-agent's configuration: {_one_line(error)}") from None
    request = RequestParams(streaming_timeout=experiment.patience.silence)

    async def unused() -> None:
        """fast-agent registers agents by decorating a function."""

    for name in (RESEARCHER, SUPERVISOR):
        fast.agent(
            name,
            instruction=prompt(name),
            model=experiment.model,
            shell=name == RESEARCHER,
            cwd=experiment.root if name == RESEARCHER else None,
            skills=None,
            subagents=False,
            request_params=request,
            default=name == RESEARCHER,
        )(unused)
    return fast


def _write_settings(home: Path, experiment: Experiment) -> None:
    """Write fast-agent's configuration for this run into its private folder."""
    settings, _ = read_settings(experiment.root, CONFIGURATION_FILES)
    settings = {key: value for key, value in settings.items() if key in _KEPT_SETTINGS}
    settings |= {
        "default_model": experiment.model,
        "llm_retries": experiment.patience.call_retries,
        "session_history": False,
        "logger": {"type": "none", "level": "info", "progress_display": False},
        "shell_execution": {
            "tool_profile": "minimal_process",
            "timeout_seconds": _LONGEST_COMMAND,
            "foreground_auto_await_max_seconds": _LONGEST_COMMAND,
            "retain_truncated_output": False,
            "output_byte_limit": 16_000,
            "show_bash": False,
            "enable_read_text_file": False,
            "enable_attach_media": "off",
            "write_text_file_mode": "off",
        },
    }
    (home / CONFIGURATION_FILES[0]).write_text(yaml.safe_dump(settings))
    # Linked, not copied: no second file with keys comes into being.
    for name in SECRETS_FILES:
        if (experiment.root / name).is_file():
            (home / name).symlink_to(experiment.root / name)


@contextlib.contextmanager
def _isolated(home: Path) -> Iterator[None]:
    """Keep fast-agent from a stray .env in the working folder and from ~/.fast-agent."""
    env_file = Settings.model_config.get("env_file")
    former = os.environ.get("FAST_AGENT_HOME")
    Settings.model_config["env_file"] = None
    os.environ["FAST_AGENT_HOME"] = str(home)
    try:
        yield
    finally:
        Settings.model_config["env_file"] = env_file
        if former is None:
            del os.environ["FAST_AGENT_HOME"]
        else:
            os.environ["FAST_AGENT_HOME"] = former


def _switch_off_provider_tools(llm: Any) -> None:
    for tool in _PROVIDER_TOOLS:
        if getattr(llm, f"{tool}_enabled", False):
            getattr(llm, f"set_{tool}_enabled")(False)


def _be_patient(llm: Any, patience: Patience, redactor: Redactor) -> None:
    """Let fast-agent wait as long as the provider asks, and say so in the trace only."""
    from fast_agent.core.logging.logger import get_logger

    logger = get_logger("openglia.agents")
    llm.retry_backoff_seconds = patience.backoff

    async def wait(error: Exception, *, attempt: int, retries: int) -> None:
        seconds = max(patience.backoff * (attempt + 1), retry_after(error))
        logger.warning(
            "provider trouble",
            data={
                "error": redactor.text(_one_line(error)),
                "attempt": f"{attempt + 1} of {retries + 1}",
                "wait_seconds": seconds,
            },
        )
        await asyncio.sleep(seconds)

    # fast-agent prints the error to the terminal here and knows no retry-after.
    llm._wait_before_retry = wait
    # It repeats a refused call like any other, and gives an answer without the status in the end.
    is_fatal = llm._is_fatal_retry_error
    llm._is_fatal_retry_error = lambda error: is_final(error) or is_fatal(error)


def is_final(error: BaseException) -> bool:
    """Whether the provider refuses the call for a reason that waiting does not change."""
    status = getattr(error, "status_code", None)
    if status is not None:
        return status in _FINAL
    if error.__cause__ is not None:
        return is_final(error.__cause__)  # fast-agent wraps what the provider's SDK raises
    return isinstance(error, ProviderKeyError)


def retry_after(error: Exception) -> float:
    """Seconds that the provider asks to wait, 0 if it does not say."""
    headers = getattr(getattr(error, "response", None), "headers", None)
    try:
        seconds = float(headers.get("retry-after", 0)) if headers is not None else 0.0
    except ValueError:
        return 0.0  # a date: the usual back-off will do
    return min(max(seconds, 0.0), _LONGEST_WAIT)


def _usage(agent: Any) -> Usage:
    accumulator = agent.usage_accumulator
    turns = accumulator.turns if accumulator is not None else []
    return Usage(
        calls=len(turns),
        input_tokens=sum(_input_tokens(turn.prompt) for turn in turns),
        output_tokens=sum(turn.completion.total or 0 for turn in turns),
        cached_tokens=sum(turn.prompt.cache_read or 0 for turn in turns),
    )


def _input_tokens(prompt_usage: Any) -> int:
    """The total, or the sum of the parts that a provider reports without one."""
    if prompt_usage.total is not None:
        return int(prompt_usage.total)
    parts = (prompt_usage.uncached, prompt_usage.cache_read, prompt_usage.cache_write)
    return sum(part or 0 for part in parts)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
