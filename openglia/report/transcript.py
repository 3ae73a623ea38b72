"""The agents' conversation as HTML: what was said in full, tool calls folded."""

from collections.abc import Sequence

from openglia.report import prose
from openglia.report.conversation import Call, Conversation, Message
from openglia.report.markup import Html, element, folded, join
from openglia.report.source import code_box

# A page of many megabytes helps nobody; the history files beside it hold everything.
MESSAGE_LIMIT = 20_000  # characters
OUTPUT_LIMIT = 4_000
LINE_LIMIT = 110

SPEAKERS = {"user": "Harness", "researcher": "Researcher", "supervisor": "Supervisor"}


def conversation_part(conversations: Sequence[Conversation]) -> Html:
    """Each agent's history behind a fold."""
    if not conversations:
        return element(
            "p",
            "Neither a history nor a transcript of the agents is in the folder.",
            class_="note plain",
        )
    return join(_one(conversation) for conversation in conversations)


def _one(conversation: Conversation) -> Html:
    speaker = SPEAKERS[conversation.agent]
    if conversation.transcript is not None:
        words = f"{speaker}: transcript ({conversation.source})"
        text = _shortened(conversation.transcript, 10 * MESSAGE_LIMIT, conversation.source)
        return folded(
            words, element("div", prose.render(text, top=4), class_="prose"), class_="talk"
        )
    words = f"{speaker}: {len(conversation.messages)} messages, {conversation.calls} tool calls"
    return folded(
        words,
        element("ol", *(_message(message, conversation) for message in conversation.messages)),
        class_="talk",
    )


def _message(message: Message, conversation: Conversation) -> Html:
    speaker = conversation.agent if message.role == "assistant" else message.role
    name = SPEAKERS.get(speaker, speaker)
    text = _shortened(message.text, MESSAGE_LIMIT, conversation.source)
    said = element("div", prose.render(text, top=5), class_="prose") if text else None
    if said is not None and message.role == "user" and len(message.text) > 1500:
        said = folded(f"{len(message.text):,} characters", said)
    return element(
        "li",
        element("h4", name, class_="speaker"),
        said,
        *(_call(call, conversation.source) for call in message.calls),
        class_="said " + ("agent" if message.role == "assistant" else "harness"),
    )


def _call(call: Call, source: str) -> Html:
    line = call.line if len(call.line) <= LINE_LIMIT else call.line[: LINE_LIMIT - 1] + "…"
    output = _shortened(call.output or "", OUTPUT_LIMIT, source)
    return folded(
        join(
            [
                element("span", "failed", class_="flag bad") if call.failed else None,
                " " if call.failed else None,
                element("span", call.tool, class_="tool"),
                " ",
                element("code", line),
            ]
        ),
        code_box("Input of the tool", _shortened(call.input, MESSAGE_LIMIT, source), "bash"),
        code_box("Output of the tool", output, "text")
        if output
        else element(
            "p",
            "No output." if call.output is not None else "No result is recorded.",
            class_="small",
        ),
        class_="call",
    )


def _shortened(text: str, limit: int, source: str) -> str:
    if len(text) <= limit:
        return text
    half = limit // 2
    left_out = len(text) - 2 * half
    gap = f"… {left_out:,} characters left out; {source} holds them …"
    return f"{text[:half]}\n\n{gap}\n\n{text[-half:]}"
