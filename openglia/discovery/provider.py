"""fast-agent, set up for one run: two agents, a configuration of their own, nothing leaked in."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import yaml
from fast_agent import FastAgent
from fast_agent.config import Settings
from fast_agent.llm.provider_types import Provider
from fast_agent.types import RequestParams

from openglia.discovery import cost, offline
from openglia.discovery.activity import Activity
from openglia.discovery.experiment import Experiment, Patience, Usage
from openglia.discovery.models import CONFIGURATION_FILES, OFFLINE, SECRETS_FILES, read_settings
from openglia.discovery.patience import be_patient
from openglia.discovery.prompts import prompt
from openglia.discovery.redaction import Redactor
from openglia.discovery.shell import SandboxedShell
from openglia.discovery.tracing import RESEARCHER, SUPERVISOR
from openglia.discovery.trouble import one_line
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
# fast-agent has settings and a registry of models for the whole process: one starts at a time.
_starting: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
_LONGEST_COMMAND = 3600  # seconds; fast-agent waits no longer for a command in the foreground


class ProviderSetupError(OpenGliaError):
    """fast-agent refused the model, its key, or its configuration."""


@dataclass(frozen=True)
class Agents:
    """The agents of a run that fast-agent plays, ready to talk; None for who is not there."""

    researcher: Any = None
    supervisor: Any = None

    @property
    def present(self) -> list[Any]:
        """Those that are there."""
        return [agent for agent in (self.researcher, self.supervisor) if agent is not None]

    def usage(self) -> dict[str, Usage]:
        """Tokens per agent so far."""
        return {agent.name: usage(agent) for agent in self.present}


@contextlib.asynccontextmanager
async def start(
    experiment: Experiment, redactor: Redactor, activity: Activity
) -> AsyncIterator[Agents]:
    """Start fast-agent with the Researcher and the Supervisor, as far as it plays them.

    Raises:
        ProviderSetupError: fast-agent does not accept the model, its key or its configuration.
    """
    names = [RESEARCHER] if experiment.agent is None else []
    names += [SUPERVISOR] if experiment.supervised else []
    if not names:
        yield Agents()
        return
    if not 0 < experiment.command_timeout < _LONGEST_COMMAND:
        raise ProviderSetupError(
            f"a command's time limit is {experiment.command_timeout:g} s; "
            f"fast-agent allows more than 0 and less than {_LONGEST_COMMAND}"
        )
    if experiment.model == OFFLINE and experiment.offline is None:
        raise ProviderSetupError(
            "this problem gives the offline researcher nothing to search; "
            "name a language model with --model"
        )
    shell = SandboxedShell(
        root=experiment.root,
        sandbox=experiment.sandbox,
        layout=experiment.layout,
        environment=experiment.environment,
        time_limit=experiment.command_timeout,
    )
    patience = experiment.patience

    def declare(fast: FastAgent) -> None:
        for name in names:
            fast.agent(
                name,
                instruction=prompt(name, case=experiment.case),
                model=experiment.model,
                shell=name == RESEARCHER,
                cwd=experiment.root if name == RESEARCHER else None,
                skills=None,
                subagents=False,
                request_params=RequestParams(streaming_timeout=patience.silence),
                default=name == names[0],
            )(unused)

    model, root = experiment.model, experiment.root
    async with contextlib.AsyncExitStack() as stack:
        async with _starting.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            if model == OFFLINE and experiment.offline is not None:
                offline.register(experiment.seed, experiment.offline)
            started = running(model, root, patience, redactor, declare, shell)
            app = await stack.enter_async_context(started)
        agents = Agents(**{name: app[name] for name in names})
        for agent in agents.present:
            be_patient(agent, patience, redactor, experiment.say, activity)
            _switch_off_provider_tools(agent.llm)
        yield agents


@contextlib.asynccontextmanager
async def running(
    model: str,
    root: Path,
    patience: Patience,
    redactor: Redactor,
    declare: Callable[[FastAgent], None],
    shell: SandboxedShell | None = None,
) -> AsyncIterator[Any]:
    """fast-agent with the agents that ``declare`` registers, apart from the user's own.

    Raises:
        ProviderSetupError: fast-agent does not accept the model, its key or its configuration.
    """
    with tempfile.TemporaryDirectory(prefix="openglia-agents-") as name:
        home = Path(name)
        _write_settings(home, root, model, patience)
        with _isolated(home):
            fast = _fast_agent(home)
        declare(fast)
        started = False
        try:
            async with fast.run(environment=shell) as app:
                started = True
                yield app
        except (SystemExit, Exception) as error:
            if started:
                raise
            reason = redactor.text(one_line(fast.refusal or error))
            raise ProviderSetupError(f"model {model}: {reason}") from None


async def unused() -> None:
    """fast-agent registers agents by decorating a function."""


class _QuietFastAgent(FastAgent):
    """Keeps what fast-agent would print before it ends the process."""

    refusal: Exception | None = None

    def _handle_error(self, e: Exception, error_type: str | None = None) -> None:
        del error_type
        self.refusal = e


def _fast_agent(home: Path) -> _QuietFastAgent:
    try:
        return _QuietFastAgent(
            "openglia",
            config_path=str(home / CONFIGURATION_FILES[0]),
            parse_cli_args=False,
            quiet=True,
            home=home,
            skills_directory=[],
            isolated=True,
        )
    except (SystemExit, Exception) as error:
        raise ProviderSetupError(f"fast-agent's configuration: {one_line(error)}") from None


def _write_settings(home: Path, root: Path, model: str, patience: Patience) -> None:
    """Write fast-agent's configuration for this run into its private folder."""
    settings, _ = read_settings(root, CONFIGURATION_FILES)
    settings = {key: value for key, value in settings.items() if key in _KEPT_SETTINGS}
    settings |= {
        "default_model": model,
        "llm_retries": patience.call_retries,
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
        if (root / name).is_file():
            (home / name).symlink_to(root / name)


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


def usage(agent: Any) -> Usage:
    """Tokens that the agent used so far, and what they cost."""
    accumulator = agent.usage_accumulator
    turns = accumulator.turns if accumulator is not None else []
    prices = [usd for turn in turns if (usd := cost.price(turn)) is not None]
    return Usage(
        calls=len(turns),
        input_tokens=sum(_input_tokens(turn.prompt) for turn in turns),
        output_tokens=sum(turn.completion.total or 0 for turn in turns),
        cached_tokens=sum(turn.prompt.cache_read or 0 for turn in turns),
        usd=round(sum(prices), 6),
        priced_calls=len(prices),
    )


def _input_tokens(prompt_usage: Any) -> int:
    """The total, or the sum of the parts that a provider reports without one."""
    if prompt_usage.total is not None:
        return int(prompt_usage.total)
    parts = (prompt_usage.uncached, prompt_usage.cache_read, prompt_usage.cache_write)
    return sum(part or 0 for part in parts)
