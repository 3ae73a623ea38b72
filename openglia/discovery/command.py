"""A program of the user's in the Researcher's place: any agent, optimizer or script.

It runs in the sandbox like a command of the Researcher's shell, once per round. It has no memory of
earlier rounds but its files in the scratch folder, so each round it is told everything.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Coroutine
from pathlib import Path

from openglia.discovery.activity import Activity
from openglia.discovery.experiment import Experiment
from openglia.discovery.limits import Budget, LimitReached
from openglia.discovery.redaction import Redactor
from openglia.discovery.shell import SandboxedShell
from openglia.discovery.tracing import RESEARCHER, Transcript, fenced
from openglia.files import write_atomically

TASK = "OPENGLIA_TASK"  # the variable that names the file with the task
LOG = "agent.log"  # in the run's folder: all that the program printed
_ACCOUNT = "researcher.account.md"  # likewise: its last account, for a run that goes on
LONGEST_ACCOUNT = 8_000  # characters
OUTPUT_LIMIT = 64 * 2**20  # bytes in one round
CLOSING_SECONDS = 300.0  # that are left for an account once the evaluations are used up
_LOOK_EVERY = 0.5  # seconds between looks at whether they are
_LONGEST_LINE = 100_000  # characters that wait for the end of their line before they are logged
_NOT_FOUND = 127  # a shell's exit status


class CommandFailed(Exception):  # noqa: N818  (an expected ending)
    """The program ended with a failure; the message says which."""


class CommandResearcher:
    """Gives accounts by running the program. ``Turns`` is the same for an agent of fast-agent."""

    remembers = False

    def __init__(
        self,
        experiment: Experiment,
        budget: Budget,
        redactor: Redactor,
        activity: Activity,
    ) -> None:
        assert experiment.agent is not None
        self._command = experiment.agent.command
        self._budget = budget
        self._redactor = redactor
        self._activity = activity
        self._run_dir = experiment.run_dir
        self._task = Path(experiment.environment["OPENGLIA_SCRATCH_DIR"]) / "task.md"
        self._shell = SandboxedShell(
            root=experiment.root,
            sandbox=experiment.sandbox,
            layout=experiment.layout,
            environment={**experiment.environment, TASK: str(self._task)},
            time_limit=None,  # the run's own
            output_limit=OUTPUT_LIMIT,
        )
        self._transcript = Transcript(experiment.run_dir, RESEARCHER, redactor)
        self._words = ""

    async def work(self, text: str) -> str:
        """Run the program on ``text`` and return its account: the last that it printed.

        Raises:
            CommandFailed: it failed.
            LimitReached: the evaluations are used up, and it went on.
        """
        self._transcript.write("Harness", text)
        self._task.write_text(text + "\n", encoding="utf-8")
        self._activity.runs(RESEARCHER, self._command)
        output = _Output(self._run_dir / LOG, self._redactor)
        try:
            with output:
                status = await self._until_closed(
                    self._shell.run(self._command, self._task, output)
                )
        finally:
            self._words = output.account
            self._transcript.write("Command", fenced(self._words))
            write_atomically(self._run_dir / _ACCOUNT, self._words)
        if status:
            raise CommandFailed(self._failure(status, output.complaint))
        return self._words

    async def ask(self, text: str) -> str:
        """The same as work: it has no other way to answer."""
        return await self.work(text)

    async def go_on(self, text: str) -> str:
        """Begin again: what an interrupted program was about is lost."""
        return await self.work(text)

    def load(self, *, without_question: bool = False) -> bool:  # noqa: ARG002
        """Whether it ran before in this run."""
        with contextlib.suppress(OSError):
            self._words = (self._run_dir / _ACCOUNT).read_text(encoding="utf-8")
        return self._transcript.path.exists()

    def save(self) -> None:
        """Nothing to save: the transcript grows as it goes."""

    def last_words(self) -> str:
        """The last that it printed; empty if nothing."""
        return self._words

    async def _until_closed(self, running: Coroutine[None, None, int]) -> int:
        """Its exit status, unless it goes on too long after the last evaluation."""
        work = asyncio.create_task(running)
        closing = asyncio.create_task(self._closed())
        try:
            await asyncio.wait((work, closing), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            raise LimitReached(self._budget.evaluations_reason())
        finally:
            closing.cancel()
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(asyncio.wait((work,)))

    async def _closed(self) -> None:
        while not self._budget.evaluations_exhausted:
            await asyncio.sleep(_LOOK_EVERY)
        await asyncio.sleep(CLOSING_SECONDS)

    def _failure(self, status: int, complaint: str) -> str:
        words = f"the agent's command ended with exit status {status}"
        words += f": {complaint}" if complaint else ""
        if status == _NOT_FOUND:
            words += (
                "; the sandbox shows the system's programs, this experiment, and files that the "
                "command names: show more with --agent-read PATH"
            )
        return words


class _Output:
    """What the program prints, as ``ShellExecutionCallbacks``: logged at once, its end kept."""

    def __init__(self, log: Path, redactor: Redactor) -> None:
        self._log = log
        self._redactor = redactor
        self._printed: deque[str] = deque()  # pieces of standard output, as long as they matter
        self._size = 0
        self._complaint = ""
        self._waiting = {"out": "", "err": ""}  # lines without an end yet

    def __enter__(self) -> "_Output":
        self._stream = self._log.open("a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._waiting:
            self._write(name, "", at_end=True)
        self._stream.close()

    @property
    def account(self) -> str:
        """The last of standard output, from the beginning of a line."""
        text = "".join(self._printed)
        if len(text) > LONGEST_ACCOUNT:
            text = text[-LONGEST_ACCOUNT:]
            text = text[text.find("\n") + 1 :]
        return self._redactor.text(text).strip()

    @property
    def complaint(self) -> str:
        """The last line on standard error."""
        return self._redactor.text(self._complaint)[:300]

    async def on_started(self, process_id: int | None) -> None:
        """Nothing to note."""

    async def on_stdout(self, text: str) -> None:
        """Keep and log it."""
        self._printed.append(text)
        self._size += len(text)
        while self._size - len(self._printed[0]) > LONGEST_ACCOUNT:
            self._size -= len(self._printed.popleft())
        self._write("out", text)

    async def on_stderr(self, text: str) -> None:
        """Log it."""
        lines = (line.strip() for line in reversed(text.splitlines()))
        self._complaint = next(filter(None, lines), self._complaint)
        self._write("err", text)

    async def on_idle_warning(self, elapsed: float, remaining: float) -> None:
        """Nothing to note."""

    async def on_timeout(self) -> None:
        """Nothing to note."""

    def _write(self, name: str, text: str, *, at_end: bool = False) -> None:
        """Log whole lines, so that no secret is cut in two before it is looked for."""
        text = self._waiting[name] + text
        whole = len(text) if at_end or len(text) > _LONGEST_LINE else text.rfind("\n") + 1
        self._waiting[name] = text[whole:]
        self._stream.write(self._redactor.text(text[:whole]))
        self._stream.flush()
