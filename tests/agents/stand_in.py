"""A loopback server that speaks the OpenAI and the Anthropic protocol from a script."""

import asyncio
import json
import threading
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(frozen=True)
class Reply:
    """One answer of the model, or one way to fail."""

    text: str = ""
    commands: tuple[str, ...] = ()
    arguments: str | None = None  # raw arguments of one tool call
    tool: str | None = None  # the tool's name, by default the first that is offered
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    error: str = "stand-in error"
    cut: bool = False  # close the connection in the middle of the text
    hang: bool = False  # begin the answer and never end it
    refusal: bool = False
    length: bool = False  # stopped at the output limit
    page: bool = False  # a web page with status 200
    input_tokens: int = 100
    output_tokens: int = 10


def say(text, **how):
    return Reply(text=text, **how)


def run(*commands, text="", **how):
    return Reply(text=text, commands=commands, **how)


def fail(status, error="stand-in error", **headers):
    # The SDKs repeat a call by themselves, and wait for so many milliseconds.
    headers = headers or {"retry_after_ms": "1"}
    return Reply(
        status=status,
        error=error,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


def page():
    return Reply(page=True)


def verdict(rating="EXCELLENT", feedback="Why?", needs_improvement=False):
    return say(
        json.dumps({"rating": rating, "feedback": feedback, "needs_improvement": needs_improvement})
    )


class StandIn:
    """Answers each agent from its own script; the last reply of a script repeats for ever."""

    def __init__(self, researcher=(), supervisor=()):
        self.scripts = {
            "researcher": researcher
            if callable(researcher)
            else list(researcher) or [say("An account.")],
            "supervisor": list(supervisor) or [verdict()],
        }
        self.requests = []  # (agent, body) in order
        self.hanging = threading.Event()
        self._closing = False

    def of(self, agent):
        return [body for name, body in self.requests if name == agent]

    def __enter__(self):
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(120)
        return self

    def __exit__(self, *_):
        self._closing = True
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _serve(self, ready):
        asyncio.set_event_loop(self._loop)
        application = web.Application(client_max_size=2**26)
        application.router.add_post("/v1/chat/completions", self._openai)
        application.router.add_post("/v1/messages", self._anthropic)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)

        async def start():
            await self._runner.setup()
            site = web.TCPSite(self._runner, "127.0.0.1", 0)
            await site.start()
            self.port = site._server.sockets[0].getsockname()[1]

        self._loop.run_until_complete(start())
        ready.set()
        self._loop.run_forever()

    def _next(self, body):
        agent = "supervisor" if "You supervise" in json.dumps(body) else "researcher"
        self.requests.append((agent, body))
        script = self.scripts[agent]
        if callable(script):
            return script(json.dumps(body))
        return script.pop(0) if len(script) > 1 else script[0]

    async def _openai(self, request):
        body = await request.json()
        reply = self._next(body)
        if reply.status != 200:
            error = {"error": {"message": reply.error, "type": "x", "code": None}}
            return web.json_response(error, status=reply.status, headers=reply.headers)
        if reply.page:
            return _page()
        if not body.get("stream"):
            return web.json_response(_whole(reply, body))  # asked for after an empty stream
        stream = await _stream(request)

        async def chunk(choices, **more):
            await _event(
                stream,
                {
                    "id": "c1",
                    "object": "chat.completion.chunk",
                    "created": 1,
                    "model": body["model"],
                    "choices": choices,
                    **more,
                },
            )

        def choice(delta, finish=None):
            return [{"index": 0, "delta": delta, "finish_reason": finish}]

        await chunk(choice({"role": "assistant", "content": ""}))
        if reply.text:
            await chunk(choice({"content": reply.text}))
        if await self._break(reply, stream, request):
            return stream
        calls = [
            {
                "index": number,
                "id": f"call_{len(self.requests)}_{number}",
                "type": "function",
                "function": {"name": _tool(reply, body["tools"], "function"), "arguments": text},
            }
            for number, text in enumerate(_arguments(reply))
        ]
        if calls:
            await chunk(choice({"tool_calls": calls}))
        finish = "tool_calls" if calls else "stop"
        finish = "content_filter" if reply.refusal else "length" if reply.length else finish
        await chunk(choice({}, finish))
        usage = {
            "prompt_tokens": reply.input_tokens,
            "completion_tokens": reply.output_tokens,
            "total_tokens": reply.input_tokens + reply.output_tokens,
        }
        await chunk([], usage=usage)
        await stream.write(b"data: [DONE]\n\n")
        return stream

    async def _anthropic(self, request):
        body = await request.json()
        reply = self._next(body)
        if reply.status != 200:
            error = {"type": "error", "error": {"type": "api_error", "message": reply.error}}
            return web.json_response(error, status=reply.status, headers=reply.headers)
        if reply.page:
            return _page()
        stream = await _stream(request)

        async def event(kind, **more):
            await _event(stream, {"type": kind, **more}, name=kind)

        message = {
            "id": "m1",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": reply.input_tokens, "output_tokens": 1},
        }
        await event("message_start", message=message)
        index = 0
        if reply.text:
            await event("content_block_start", index=0, content_block={"type": "text", "text": ""})
            delta = {"type": "text_delta", "text": reply.text}
            await event("content_block_delta", index=0, delta=delta)
        if await self._break(reply, stream, request):
            return stream
        if reply.text:
            await event("content_block_stop", index=0)
            index = 1
        for text in _arguments(reply):
            block = {
                "type": "tool_use",
                "id": f"toolu_{len(self.requests)}_{index}",
                "name": _tool(reply, body["tools"], None),
                "input": {},
            }
            await event("content_block_start", index=index, content_block=block)
            delta = {"type": "input_json_delta", "partial_json": text}
            await event("content_block_delta", index=index, delta=delta)
            await event("content_block_stop", index=index)
            index += 1
        stop = "tool_use" if reply.commands or reply.arguments is not None else "end_turn"
        stop = "refusal" if reply.refusal else "max_tokens" if reply.length else stop
        await event(
            "message_delta",
            delta={"stop_reason": stop, "stop_sequence": None},
            usage={"output_tokens": reply.output_tokens},
        )
        await event("message_stop")
        return stream

    async def _break(self, reply, stream, request):
        if reply.cut:
            request.transport.abort()
            return True
        if reply.hang:
            self.hanging.set()
            while not self._closing and request.transport is not None:
                await asyncio.sleep(0.02)
        return False


def _page():
    return web.Response(text="<!DOCTYPE html><title>Log in</title>", content_type="text/html")


def _whole(reply, body):
    message = {"role": "assistant", "content": reply.text}
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


async def _stream(request):
    stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await stream.prepare(request)
    return stream


async def _event(stream, payload, name=None):
    head = f"event: {name}\n" if name else ""
    await stream.write(f"{head}data: {json.dumps(payload)}\n\n".encode())


def _arguments(reply):
    if reply.arguments is not None:
        return [reply.arguments]
    return [json.dumps({"command": command}) for command in reply.commands]


def _tool(reply, offered, key):
    names = [(tool[key] if key else tool)["name"] for tool in offered]
    return reply.tool or names[0]
