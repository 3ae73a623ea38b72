"""The model ``offline`` of fast-agent: it answers in-process, with tool calls like any model.

An agent with a shell tool is the Researcher, one without is the Supervisor.
"""

from functools import partial
from typing import Any

from fast_agent.llm.internal.passthrough import PassthroughLLM
from fast_agent.llm.model_database import ModelDatabase, ModelParameters
from fast_agent.llm.model_factory import ModelFactory
from fast_agent.llm.provider_types import Provider
from fast_agent.mcp.prompt import Prompt
from fast_agent.types import LlmStopReason, PromptMessageExtended, RequestParams
from mcp import CallToolRequest, Tool
from mcp_types import CallToolRequestParams, TextContent

from openglia.discovery.models import OFFLINE
from openglia.discovery.offline.handover import is_asked_for
from openglia.discovery.offline.researcher import Conversation, Researcher, Step
from openglia.discovery.offline.supervisor import review
from openglia.problems.space import OfflineTask

_CONTEXT_WINDOW = 100_000_000  # tokens: it keeps no context, so none overflows


class OfflineModel(PassthroughLLM):
    """One agent's model. Each agent has an instance of its own, and so a search of its own."""

    def __init__(self, seed: int, task: OfflineTask, **options: Any) -> None:
        super().__init__(**options)
        self._begin = partial(Researcher, seed, task)
        self._researcher = self._begin()
        self._told = ""  # by the loop, last
        self._conversation: Conversation | None = None
        self._step: Step | None = None  # that the shell has not answered yet
        self._calls = 0

    async def _apply_prompt_provider_specific(
        self,
        multipart_messages: list[PromptMessageExtended],
        request_params: RequestParams | None = None,
        tools: list[Tool] | None = None,
        is_template: bool = False,
    ) -> PromptMessageExtended:
        del request_params
        message = multipart_messages[-1]
        if is_template or message.role == "assistant":
            return message
        shell = _shell(tools or [])
        if shell is None:
            return Prompt.assistant(review(message.all_text()), stop_reason=LlmStopReason.END_TURN)
        if self._calls == 0:
            self._repeat(multipart_messages[:-1])
        answer = self._answer(message)
        if isinstance(answer, str):
            return Prompt.assistant(answer, stop_reason=LlmStopReason.END_TURN)
        return self._call(shell, answer)

    def _repeat(self, messages: list[PromptMessageExtended]) -> None:
        """Learn from the history of a run that goes on, as far as it is of this very search."""
        for message in messages:
            if message.role == "user":
                self._answer(message)
            elif commands := [
                call.params.arguments for call in (message.tool_calls or {}).values()
            ]:
                command = str((commands[0] or {}).get("command"))
                if self._step is None or self._step.first not in command:
                    # By another model, seed or version of the search: it begins afresh.
                    self._researcher, self._conversation = self._begin(), None
                    return

    def _answer(self, message: PromptMessageExtended) -> Step | str:
        """The next command, the account, or a digest."""
        if is_asked_for(message.all_text()):
            return self._researcher.digest()
        self._told = message.all_text() or self._told
        try:
            if self._conversation is None:
                self._conversation = self._researcher.turn(self._told)
                self._step = next(self._conversation)
            elif not message.all_text():
                self._step = self._conversation.send(_output(message))
            # Else the loop says that an interrupted run goes on: what was under way begins again.
        except StopIteration as end:
            self._conversation = self._step = None
            return str(end.value)
        assert self._step is not None
        return self._step

    def _call(self, tool: str, step: Step) -> PromptMessageExtended:
        self._calls += 1
        arguments = {"command": step.command}
        request = CallToolRequest(
            method="tools/call", params=CallToolRequestParams(name=tool, arguments=arguments)
        )
        return Prompt.assistant(
            step.remark,
            stop_reason=LlmStopReason.TOOL_USE,
            tool_calls={f"offline_{self._calls}": request},
        )


def register_model(seed: int, task: OfflineTask) -> None:
    """Make ``offline`` known to fast-agent, with the seed of its search and what it searches."""

    def model(**options: Any) -> OfflineModel:
        return OfflineModel(seed, task, **options)

    ModelFactory.MODEL_SPECIFIC_CLASSES[OFFLINE] = model
    ModelDatabase.register_runtime_model_params(
        OFFLINE,
        ModelParameters(
            context_window=_CONTEXT_WINDOW,
            max_output_tokens=_CONTEXT_WINDOW,
            tokenizes=["text/plain"],
            default_provider=Provider.FAST_AGENT,
        ),
    )


def _shell(tools: list[Tool]) -> str | None:
    """The name of the tool that takes a command."""
    for tool in tools:
        if "command" in tool.input_schema.get("properties", {}):
            return tool.name
    return None


def _output(message: PromptMessageExtended) -> str:
    results = (message.tool_results or {}).values()
    return "\n".join(
        item.text for result in results for item in result.content if isinstance(item, TextContent)
    )
