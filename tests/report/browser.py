"""A headless Chromium, spoken to in the DevTools protocol."""

import asyncio
import base64
import contextlib
import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--remote-debugging-port=0", "about:blank",
)  # fmt: skip
# What a reader sees of a page: whether it fits, which plots are drawn, what is wrong.
MEASURE = """(() => {
  const shown = [...document.querySelectorAll('svg.plot')]
    .filter(s => s.getBoundingClientRect().width);
  const inBox = e => e.closest('.scroll, .prose pre, .prose table, svg, summary');
  return {
    width: document.documentElement.scrollWidth, inner: innerWidth,
    plots: shown.map(s => ({
      name: s.closest('figure').id, width: s.getBoundingClientRect().width,
      height: s.getBoundingClientRect().height, right: s.getBoundingClientRect().right,
      drawn: [...s.querySelectorAll('path, use')].filter(p => {
        const b = p.getBoundingClientRect(); return b.width + b.height > 0; }).length,
      text: Math.min(...[...s.querySelectorAll('text')].map(t => t.getBoundingClientRect().height)),
      ink: getComputedStyle(s.querySelector('text')).fill})),
    outside: [...document.querySelectorAll('body *')].filter(e => !inBox(e)
      && e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.outerHTML.slice(0, 90)),
    ids: document.querySelectorAll('[id]').length
      - new Set([...document.querySelectorAll('[id]')].map(e => e.id)).size,
    scripts: document.scripts.length, images: document.images.length,
    background: getComputedStyle(document.body).backgroundColor,
  };
})()"""


def find() -> str | None:
    """The browser's command, or None."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


@dataclass
class Page:
    """One tab. ``problems`` collects script errors, console errors and blocked or tried loads."""

    socket: aiohttp.ClientWebSocketResponse
    problems: list[str] = field(default_factory=list)
    serial: Any = field(default_factory=lambda: itertools.count(1))

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer, noting what is reported meanwhile."""
        number = next(self.serial)
        await self.socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = await self.socket.receive_json(timeout=120)
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        method, values = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.problems.append(f"exception: {values['exceptionDetails']['text']}")
        elif method == "Log.entryAdded":
            self.problems.append(f"log: {values['entry']['text']}")
        elif method == "Runtime.consoleAPICalled":
            self.problems.append(f"console: {values['type']}")
        elif method == "Page.javascriptDialogOpening":
            self.problems.append(f"dialog: {values['message']}")
        elif method == "Network.requestWillBeSent":
            url = values["request"]["url"]
            if not url.startswith(("file:", "data:", "about:")):
                self.problems.append(f"request: {url}")

    async def show(self, path: Path, width: int, *, dark: bool = False) -> dict[str, Any]:
        """Open a file at a width in pixels and measure it."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.call(f"{domain}.enable")
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=900, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])
        await self.call("Page.navigate", url=path.as_uri())
        for _ in range(200):
            if await self.evaluate("document.readyState + location.href") == (
                "complete" + path.as_uri()
            ):
                return await self.evaluate(MEASURE)
            await asyncio.sleep(0.05)
        raise AssertionError(f"{path} did not load")

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def screenshot(self, path: Path) -> None:
        """The whole page as PNG."""
        size = (await self.call("Page.getLayoutMetrics"))["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        answer = await self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(answer["data"]))


@contextlib.asynccontextmanager
async def chromium(command: str) -> AsyncIterator[Page]:
    """Start a browser with an empty profile; it and all it started are gone afterwards."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            command, *FLAGS, f"--user-data-dir={profile}", start_new_session=True,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            port = await _port(Path(profile) / "DevToolsActivePort", process)
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                    target = next(t for t in await answer.json() if t["type"] == "page")
                async with session.ws_connect(
                    target["webSocketDebuggerUrl"], max_msg_size=0
                ) as socket:
                    yield Page(socket)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def _port(path: Path, process: asyncio.subprocess.Process) -> int:
    for _ in range(600):
        if path.exists() and (words := path.read_text().split()):
            return int(words[0])
        assert process.returncode is None, "the browser ended at once"
        await asyncio.sleep(0.1)
    raise AssertionError("the browser opened no debugging port")
