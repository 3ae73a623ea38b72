"""The shell's process handling, without a model."""

import asyncio
import gc
import os
import signal
import time
from pathlib import Path

import pytest
from conftest import Unconfined
from fast_agent.tools.execution_environment import (
    EnvironmentFilesystem,
    ShellEnvironment,
    ShellExecutionRequest,
)
from fast_agent.tools.local_shell_executor import LocalShellExecutor
from living import dies

from openglia.discovery.shell import SandboxedShell
from openglia.problems.routing.workplace import workplace
from openglia.sandbox import fence
from openglia.sandbox.choosing import choose
from openglia.sandbox.layout import Layout


@pytest.fixture
def shell(tmp_path):
    def make(time_limit=60.0, output_limit=10**6):
        return SandboxedShell(
            root=tmp_path,
            sandbox=Unconfined(),
            layout="layout-1",
            environment={"PATH": os.environ["PATH"]},
            time_limit=time_limit,
            output_limit=output_limit,
        )

    return make


def execute(shell, command, **request):
    return asyncio.run(shell.execute(ShellExecutionRequest(command=command, **request)))


def test_fast_agent_takes_it_for_a_shell_without_files(shell):
    # With a file system in the environment, or on the local executor, fast-agent would offer
    # file tools and durable processes that get around ``execute``.
    assert isinstance(shell(), ShellEnvironment)
    assert not isinstance(shell(), EnvironmentFilesystem)
    assert not isinstance(shell(), LocalShellExecutor)


def test_output_and_exit_code(shell):
    outcome = execute(shell(), "echo out; echo err >&2; exit 3").result
    assert (outcome.stdout, outcome.stderr, outcome.exit_code) == ("out\n", "err\n", 3)


def test_nothing_is_inherited_and_the_request_adds_nothing(shell, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    outcome = execute(shell(), "env", env={"LD_PRELOAD": "x", "OPENAI_API_KEY": "sk-secret"})
    names = {line.split("=")[0] for line in outcome.result.stdout.splitlines()}
    assert names - {"PWD", "SHLVL", "_", "OLDPWD"} == {"PATH", "IN_SANDBOX"}


def test_standard_input_is_empty(shell):
    assert execute(shell(), "cat; echo end").result.stdout == "end\n"


def test_a_command_over_its_time_is_killed_with_its_group(shell, tmp_path):
    command = "trap '' TERM; sleep 600 & echo $! > pid; echo begun; wait"
    outcome = execute(shell(time_limit=0.5), command)
    assert outcome.timed_out
    assert outcome.result.exit_code == 124
    assert outcome.result.stdout == "begun\n"
    assert "limit of one command" in outcome.result.stderr
    assert dies(int((tmp_path / "pid").read_text()), seconds=30)


def test_what_a_command_leaves_behind_ends_with_it(shell, tmp_path):
    outcome = execute(shell(), "sleep 600 & echo $! > pid; echo done")
    assert not outcome.timed_out
    assert outcome.result.stdout == "done\n"
    assert dies(int((tmp_path / "pid").read_text()), seconds=30)


def test_a_flood_of_output_is_stopped(shell):
    outcome = execute(shell(output_limit=10**5), "yes")
    assert len(outcome.result.stdout) < 10**6
    assert "printed more than 100000 bytes" in outcome.result.stderr
    assert outcome.result.exit_code == 128 + signal.SIGKILL


def test_bytes_that_are_no_text_are_shown_as_such(shell):
    assert execute(shell(), r"printf '\303\251\377'").result.stdout == "é\ufffd"


def test_cancelling_kills_the_group(shell, tmp_path):
    async def cancel():
        request = ShellExecutionRequest(command="sleep 600 & echo $! > pid; wait")
        task = asyncio.create_task(shell().execute(request))
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert dies(int((tmp_path / "pid").read_text()), seconds=30)


@pytest.mark.parametrize("script", ["exit 3", "kill -9 $$"])
def test_an_end_that_the_event_loop_is_not_told_of(shell, script, monkeypatch):
    """As when a library unregisters a descriptor whose number has passed to the process."""
    opened = []
    open_descriptor = os.pidfd_open

    def note(pid, flags=0):
        opened.append(open_descriptor(pid, flags))
        return opened[-1]

    monkeypatch.setattr(os, "pidfd_open", note)

    class Unregistering:
        async def on_started(self, pid):
            assert asyncio.get_running_loop().remove_reader(opened[-1])

        async def on_stdout(self, text): ...

        async def on_stderr(self, text): ...

    request = ShellExecutionRequest(command=f"sleep 0.1; echo said; {script}")
    done = asyncio.run(shell().execute(request, callbacks=Unregistering()))
    assert (done.result.exit_code, done.result.stdout) == (3 if "3" in script else 137, "said\n")
    os.close(opened[-1])


@pytest.mark.filterwarnings("error")
def test_pipes_that_something_out_of_reach_holds_are_closed(shell, tmp_path):
    outcome = execute(shell(), "setsid sleep 600 & echo $! > pid; echo said")
    assert outcome.result.stdout == "said\n"
    gc.collect()  # a transport left open would complain of its event loop here
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_a_background_command_is_refused(shell, tmp_path):
    outcome = execute(shell(), "touch made", detach=True, terminate_on_cancel=False)
    assert outcome.result.exit_code == 2
    assert "switched off" in outcome.result.stderr
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("rung", fence.LADDER, ids=lambda rung: rung.name)
def test_in_the_real_sandbox_not_even_a_process_in_another_session_survives(tmp_path, rung):
    if (problem := rung.problem()) is not None:
        pytest.skip(problem)
    sandbox = choose(rung.name)
    layout = Layout(scratch=tmp_path, socket_dir=tmp_path, workplace=workplace())
    shell = SandboxedShell(
        root=layout.root,
        sandbox=sandbox,
        layout=layout,
        environment=sandbox.environment(layout, {"OPENGLIA_RUN_ID": "run_1"}),
        time_limit=5.0,
    )
    seconds = f"600.{os.getpid()}"
    began = execute(shell, f"setsid sleep {seconds} & echo $OPENGLIA_RUN_ID; id -u; exec sleep 600")
    assert began.timed_out, began.result
    assert began.result.stdout.splitlines()[0] == "run_1"
    deadline = time.monotonic() + 30
    while _runs(seconds):  # the kernel takes a moment to end the namespace
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _runs(argument):
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if f"sleep\0{argument}\0" in line.read_text():
                return True
        except (OSError, UnicodeDecodeError):
            continue
    return False
