"""A run that shows itself, on a terminal and elsewhere, and one that is watched from outside."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time

from tests.runs.conftest import PATIENCE, clean_environment

TOY = ("run", "--problem", "toy", "--model", "offline", "--sandbox", "none")
ENDED = "\x1b[?25h"  # the cursor is shown again


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, project, *words: str) -> None:
        self._screen, inner = pty.openpty()
        self._own = inner
        self.resize(80)
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "openglia", *words],
            cwd=project.root, stdin=inner, stdout=inner, stderr=inner, start_new_session=True,
            env={**clean_environment(), "PYTHONPATH": str(project.root), "TERM": "xterm"},
        )  # fmt: skip
        os.close(inner)
        self.text = ""

    def resize(self, columns: int) -> None:
        """Change the terminal's width, as a window manager does."""
        fcntl.ioctl(self._screen, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def read_until(self, words: str | None) -> str:
        """All that came, until the words are among it or, without words, the end."""
        deadline = time.monotonic() + PATIENCE
        while words is None or words not in self.text:
            assert time.monotonic() < deadline, self.text
            try:
                piece = os.read(self._screen, 65536)
            except OSError:  # everybody has closed the terminal
                piece = b""
            if not piece:
                assert words is None, self.text
                break
            self.text += piece.decode(errors="replace")
        return self.text

    def end(self) -> int:
        """Read the rest; the exit status."""
        self.read_until(None)
        os.close(self._screen)
        return self.process.wait(PATIENCE)


def until(condition) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_without_a_terminal_there_is_a_line_for_each_evaluation(project):
    status, output = project.plainly(*TOY, "--max-evaluations", "3")
    assert status == 0, output
    said = re.findall(r"^evaluation (\d+).*: (-?\d+\.\d\d) m", output, re.M)
    assert [int(number) for number, _ in said] == [1, 2, 3]
    assert "the best so far" in output and "\x1b" not in output
    status, output = project.plainly(*TOY, "--max-evaluations", "3", "--quiet")
    assert status == 0, output
    assert not re.search(r"^evaluation \d", output, re.M)
    assert "discovery " in output


def test_on_a_terminal_the_view_is_redrawn_and_taken_away(project):
    terminal = Terminal(project, *TOY, "--max-evaluations", "15")
    terminal.read_until("hill  offline")
    for columns in (40, 120, 15):
        terminal.resize(columns)
        terminal.process.send_signal(signal.SIGWINCH)
        time.sleep(0.3)
    terminal.read_until("best")
    terminal.resize(80)
    assert terminal.end() == 0, terminal.text
    assert "evaluation 1" not in terminal.text
    last = terminal.text.rpartition(ENDED)
    assert last[0], "the cursor is hidden"
    assert "report.html" in last[0]  # what the run says at its end stays


def test_an_interrupt_ends_the_view_with_the_run(project):
    terminal = Terminal(project, *TOY, "--max-evaluations", "none", "--max-refinements", "1000000")
    terminal.read_until("the Researcher")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 130
    assert terminal.text.rindex(ENDED) > terminal.text.rindex("hill  offline")
    assert "Traceback" not in terminal.text
    assert "interrupted" in terminal.text[-200:]


def test_watching_a_running_a_killed_and_a_finished_run(project):
    words = (*TOY, "--max-evaluations", "none", "--max-refinements", "1000000", "--quiet")
    process = project.start("-m", "openglia", *words)
    try:
        until(lambda: project.runs() and (project.runs()[0] / "evaluations.jsonl").is_file())
        lines = project.start("-m", "openglia", "watch")
        terminal = Terminal(project, "watch", str(project.runs()[0]))
        terminal.read_until("runs, for 0:00:0")
        begun = ""
        while not re.search(r"^evaluation \d+", begun, re.M):
            begun += lines.stdout.readline()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    output, _ = lines.communicate(timeout=PATIENCE)
    assert lines.returncode == 0, output
    assert "\ndiscovery\n" in begun and "\nkilled\n" in output
    assert terminal.end() == 0
    assert "killed" in terminal.text and terminal.text.rindex(ENDED) > 0

    status, output = project.openglia("watch")
    assert status == 0
    assert "\nkilled\n" in output and "openglia finish" in output
    assert project.plainly("finish", str(project.runs()[0]))[0] == 130
    status, output = project.openglia("watch")
    assert "\ninterrupted\n" in output
    assert "its process was killed" in output
