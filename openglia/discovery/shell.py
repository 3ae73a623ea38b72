"""The Researcher's shell: fast-agent's tool, our process handling.

fast-agent's local environment inherits every variable, lets background commands outlive the
harness, and edits files inside the harness's own process. This one implements fast-agent's
``ShellEnvironment`` and nothing else: without a file system in the environment fast-agent
offers no file tools, so every access goes through a command, and every command through the
sandbox.
"""

import asyncio
import codecs
import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from fast_agent.tools.execution_environment import (
    ShellExecution,
    ShellExecutionCallbacks,
    ShellExecutionOptions,
    ShellExecutionRequest,
    ShellExecutionResult,
    ShellRuntimeInfo,
)

from openglia import interrupts
from openglia.discovery.experiment import Sandbox

# A command that prints more than this is stopped; the model sees head and tail of far less.
OUTPUT_LIMIT = 16 * 2**20  # bytes
_CHUNK = 2**16  # bytes
_POLL_SECONDS = 0.02
_LOOP_SECONDS = 1.0  # that the event loop is given to learn of an end
_DRAIN_SECONDS = 2.0  # for what is left in the pipes once the command is dead

NO_BACKGROUND = (
    "background commands are switched off here: run the command in the foreground; "
    "it may take {limit:.0f} s"
)


@dataclass
class SandboxedShell:
    """Runs each command in the sandbox, in a session of its own, within limits."""

    root: Path
    sandbox: Sandbox
    layout: Any
    environment: Mapping[str, str]
    time_limit: float | None  # seconds of wall time of one command
    output_limit: int = OUTPUT_LIMIT  # bytes of standard output and error together

    async def open(self) -> None:
        """Nothing to start."""

    async def close(self) -> None:
        """Nothing to release: no process outlives its ``execute``."""

    @property
    def cwd(self) -> str:
        """The experiment's root."""
        return str(self.root)

    def runtime_info(self) -> ShellRuntimeInfo:
        """Say which shell it is; fast-agent puts it in the tool's description."""
        return ShellRuntimeInfo(name=Path(_shell()).name, path=_shell(), kind="sandbox")

    async def execute(
        self, request: ShellExecutionRequest, *, callbacks: ShellExecutionCallbacks | None = None
    ) -> ShellExecution:
        """Run one command to its end, or to a limit, and leave no process of it behind.

        ``request.env`` is not consulted: nothing but ``environment`` reaches the command.
        """
        command = _Command(callbacks, self.output_limit)
        if request.detach:
            await command.tell(NO_BACKGROUND.format(limit=self.time_limit))
            return command.outcome(2, self.time_limit)
        await self._run(command, request.command)
        return command.outcome(command.exit_code, self.time_limit)

    async def run(self, text: str, standard_input: Path, callbacks: ShellExecutionCallbacks) -> int:
        """Run one command likewise, with a file as its standard input; returns its exit status.

        What it prints goes to ``callbacks`` alone.
        """
        command = _Command(callbacks, self.output_limit, keep=False)
        with standard_input.open("rb") as stream:
            await self._run(command, text, stream)
        return command.exit_code

    async def _run(
        self, command: "_Command", text: str, standard_input: IO[bytes] | int = subprocess.DEVNULL
    ) -> None:
        argv = self.sandbox.command([_shell(), "-c", text], self.layout)
        await command.run(argv, self.cwd, self.environment, self.time_limit, standard_input)


class _Command:
    """One process group and what it printed."""

    def __init__(
        self, callbacks: ShellExecutionCallbacks | None, output_limit: int, *, keep: bool = True
    ) -> None:
        self.callbacks = callbacks
        self.keep = keep
        self.output_limit = output_limit
        self.stdout: list[str] = []
        self.stderr: list[str] = []
        self.printed = 0  # bytes
        self.too_much = asyncio.Event()
        self.timed_out = False
        self.exit_code = 0
        self._status: int | None = None  # as ``returncode``, where the event loop did not learn it

    async def run(
        self,
        argv: list[str],
        cwd: str,
        environment: Mapping[str, str],
        time_limit: float | None,
        standard_input: IO[bytes] | int,
    ) -> None:
        process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=cwd,
            env=dict(environment),
            stdin=standard_input,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        readers = [
            asyncio.create_task(self._read(process.stdout, self.stdout, self._on_stdout)),
            asyncio.create_task(self._read(process.stderr, self.stderr, self._on_stderr)),
        ]
        try:
            if self.callbacks is not None:
                await self.callbacks.on_started(process.pid)
            await self._wait(process, time_limit)
        finally:
            # Also after a normal end: what the command left in its group ends with it.
            kill_group(process.pid)
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(self._exited(process))
            _, unread = await asyncio.wait(readers, timeout=_DRAIN_SECONDS)
            for reader in unread:
                reader.cancel()
            # Something out of reach may hold the pipes open, or asyncio think that it lives.
            process._transport.close()  # type: ignore[attr-defined]
        if self.timed_out:
            await self.tell(f"stopped: it ran for {time_limit:.0f} s, the limit of one command")
        elif self.too_much.is_set():
            await self.tell(f"stopped: it printed more than {self.output_limit} bytes")
        status = self._status if process.returncode is None else process.returncode
        self.exit_code = 124 if self.timed_out else _exit_code(status)

    async def _wait(self, process: asyncio.subprocess.Process, time_limit: float | None) -> None:
        ended = asyncio.create_task(self._exited(process))
        flooded = asyncio.create_task(self.too_much.wait())
        try:
            done, _ = await asyncio.wait(
                (ended, flooded), timeout=time_limit, return_when=asyncio.FIRST_COMPLETED
            )
            self.timed_out = not done
        finally:
            ended.cancel()
            flooded.cancel()

    async def _exited(self, process: asyncio.subprocess.Process) -> None:
        """Wait until the process has ended.

        Not by ``process.wait()``: that waits for the pipes too, which a process left behind holds
        open. Nor by the event loop alone: a library that unregisters a descriptor late takes away
        the one of the process, if that got the same number, and its end is never told.
        """
        dead_since: float | None = None
        while process.returncode is None and self._status is None:
            await asyncio.sleep(_POLL_SECONDS)
            if dead_since is None:
                dead_since = time.monotonic() if _is_dead(process.pid) else None
            elif process.returncode is None and time.monotonic() - dead_since > _LOOP_SECONDS:
                self._status = _reaped(process.pid)

    async def _read(
        self,
        stream: asyncio.StreamReader,
        kept: list[str],
        on_text: Callable[[str], Awaitable[None]],
    ) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        while not self.too_much.is_set():
            chunk = await stream.read(_CHUNK)
            text = decoder.decode(chunk, final=not chunk)
            if text:
                if self.keep:
                    kept.append(text)
                await on_text(text)
            if not chunk:
                return
            self.printed += len(chunk)
            if self.printed > self.output_limit:
                self.too_much.set()

    async def _on_stdout(self, text: str) -> None:
        if self.callbacks is not None:
            await self.callbacks.on_stdout(text)

    async def _on_stderr(self, text: str) -> None:
        if self.callbacks is not None:
            await self.callbacks.on_stderr(text)

    async def tell(self, message: str) -> None:
        """Add a line of the harness's own to standard error."""
        line = f"[openglia] {message}\n"
        self.stderr.append(line)
        await self._on_stderr(line)

    def outcome(self, exit_code: int, time_limit: float | None) -> ShellExecution:
        return ShellExecution(
            result=ShellExecutionResult("".join(self.stdout), "".join(self.stderr), exit_code),
            options=ShellExecutionOptions(timeout_seconds=time_limit),
            timed_out=self.timed_out,
        )


def _is_dead(child: int) -> bool:
    """Whether the child has ended; it is not taken away from whoever waits for it."""
    try:
        return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _reaped(child: int) -> int:
    """The status of a child that has ended, as ``returncode``."""
    try:
        return os.waitstatus_to_exitcode(os.waitpid(child, os.WNOHANG)[1])
    except ChildProcessError:
        return 255  # as asyncio says where somebody else has it


def kill_group(group: int) -> None:
    """Kill every process of the group at once, and what descends from its leader; none is fine."""
    interrupts.kill_tree(group)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _exit_code(returncode: int | None) -> int:
    """The code as a shell reports it: 128 plus the signal for a killed process."""
    if returncode is None:
        return 1
    return returncode if returncode >= 0 else 128 - returncode


def _shell() -> str:
    # Of the system: another one of the user's would not be seen inside the sandbox.
    return shutil.which("bash", path="/usr/local/bin:/usr/bin:/bin") or "/bin/sh"
