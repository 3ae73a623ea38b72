"""The fence around the agent's commands, tried from inside on a small copy of the experiment."""

import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from openglia.errors import OpenGliaError, UsageError
from openglia.paths import ROOT
from openglia.problems.routing.workplace import redact, workplace
from openglia.sandbox import bubblewrap, fence
from openglia.sandbox import choosing as sandbox
from openglia.sandbox.layout import Layout, interpreter_prefixes
from openglia.sandbox.programs import program


@dataclass(frozen=True, kw_only=True)
class Place(Layout):
    """The folders, and the rung of the ladder that fences them."""

    rung: str


@pytest.fixture(params=[rung.name for rung in fence.LADDER])
def rung(request):
    (found,) = [rung for rung in fence.LADDER if rung.name == request.param]
    if (problem := found.problem()) is not None:
        pytest.skip(problem)
    return found.name


SCHEDULER = "environment/vidur/vidur/scheduler/global_scheduler/ai_global_scheduler.py"
BENCHMARK = """\
description: a test  # a comment
seeds: 0-1
held_out_seeds: [777001,
  777002]
duration: 10
"""
# What run_all.sh comes down to inside: one line to the socket, lines until the result.
CLIENT = """\
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as wire:
    wire.connect(os.environ["OPENGLIA_EVALUATOR"])
    source = open(sys.argv[1]).read()
    wire.sendall(json.dumps({"source": source}).encode() + b"\\n")
    print(wire.makefile().readline(), end="")
"""


@pytest.fixture
def layout(tmp_path, rung):
    """An experiment in a folder with a space and letters beyond ASCII, as a user may have it."""
    root = tmp_path / "Glïa test"
    visible = {
        "problem.md": "the problem\n",
        "environment/benchmarks/paper.yaml": BENCHMARK,
        "environment/stubs/ai_global_scheduler_stub.py": "stub = 1\n",
        "environment/vidur/run_all.sh": '#!/bin/bash\nexec python client.py "$1"\n',
        "environment/vidur/client.py": CLIENT,
        "environment/vidur/simulator_results/seed_0/request_metrics.csv": "a,b\n1,2\n",
        SCHEDULER: "first = 1\n",
        SCHEDULER.replace("ai_", "lor_"): "lor = 1\n",
        "openglia/__init__.py": "",
        "openglia/problems/routing/simulator/engine.py": "engine = 1\n",
    }
    hidden = {
        "tests/test_x.py": "planted-secret\n",
        ".git/config": "planted-secret\n",
        "environment/vidur/.git/config": "planted-secret\n",
        "environment/cache/traces/0.csv": "planted-secret\n",
        "generated/run_2/solution.md": "planted-secret\n",
        "generated/run_1/evaluations.jsonl": "planted-secret\n",
        "openglia/discovery/prompts.py": "planted-secret\n",
        "openglia/problems/routing/reference/routers/best.py": "planted-secret\n",
        "openglia/problems/routing/benchmark/workload.py": "planted-secret\n",
        "openglia/problems/routing/rules/checking.py": "planted-secret\n",
    }
    for name, text in (visible | hidden).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "environment/vidur/run_all.sh").chmod(0o755)
    scratch = root / "generated/run_1/scratch"
    scratch.mkdir(parents=True)
    (root / ".venv").symlink_to(Path(sys.prefix))
    socket_dir = Path(tempfile.mkdtemp(prefix="openglia-"))
    yield Place(
        root=root, scratch=scratch, socket_dir=socket_dir, workplace=workplace(root), rung=rung
    )
    shutil.rmtree(socket_dir)


def inside(layout, command, *, extra=None):
    """Run a line of shell as the agent's shell does."""
    fence = sandbox.choose(layout.rung)
    return subprocess.run(
        fence.command(["bash", "-c", command], layout),
        env=fence.environment(layout, extra),
        cwd=layout.root,
        capture_output=True,
        text=True,
        timeout=600,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def test_inside_is_the_experiment_and_nothing_else(layout):
    (Path(layout.root).parent / "beside.txt").write_text("planted-secret\n")
    done = inside(
        layout,
        "pwd; cat problem.md; grep -rl --exclude-dir={.venv,proc,usr} planted-secret / 2>/dev/null",
    )
    lines = done.stdout.splitlines()
    assert lines[0] == str(layout.root)
    assert "the problem" in lines
    assert len(lines) == 2, done.stdout


def test_hidden(layout):
    names = [
        "tests", ".git", "environment/cache", "generated/run_2", "openglia/discovery", "README.md",
        "openglia/problems/routing/reference", "openglia/sandbox",
        "openglia/problems/routing/rules", "openglia/problems/routing/benchmark/workload.py",
        "generated/run_1/evaluations.jsonl",
    ]  # fmt: skip
    look = "cat '{0}'; grep -r '' '{0}'; test -e '{0}' && echo 'there: {0}'"
    said = inside(layout, "\n".join(map(look.format, names))).stdout.splitlines()
    # Landlock denies to read, and lets tell that something is there.
    assert [line for line in said if not line.startswith("there: ")] == []
    assert said == [] or layout.rung == "landlock"


def test_held_out_seeds_are_not_told(layout):
    copies = "$(dirname $X)/replaced/environment/benchmarks"
    done = inside(layout, f"cat environment/benchmarks/*; cat {copies}/*",
                  extra={"X": str(layout.socket_dir / "socket")})  # fmt: skip
    assert "seeds: 0-1" in done.stdout
    assert "duration: 10" in done.stdout
    assert "77700" not in done.stdout


READ_ONLY = [
    "touch x",
    "touch environment/x",
    "echo x >> problem.md",
    "echo x >> environment/benchmarks/paper.yaml",
    "echo x >> environment/vidur/run_all.sh",
    "echo x >> openglia/problems/routing/simulator/engine.py",
    "rm -rf environment/vidur/simulator_results",
    f"echo x >> {SCHEDULER.replace('ai_', 'lor_')}",
    f"mv {SCHEDULER} {SCHEDULER.replace('ai_', 'lor_')}",
    "touch /usr/x",
    "touch /x",
    'touch "$OPENGLIA_SCRATCH_DIR/../x"',
    "touch .venv/x",
]


def test_read_only(layout):
    before = sorted((str(p), p.stat().st_size) for p in layout.root.rglob("*") if p.is_file())
    tried = [f"( {command} ) && echo done {n}" for n, command in enumerate(READ_ONLY)]
    assert inside(layout, "\n".join([*tried, "echo end"])).stdout == "end\n"
    after = sorted((str(p), p.stat().st_size) for p in layout.root.rglob("*") if p.is_file())
    assert before == after


def test_the_working_scheduler_and_scratch_can_be_written(layout):
    # Under Landlock the file is written, not replaced by another as sed does.
    edit = f"sed -i s/first/second/ {SCHEDULER} && echo x > /tmp/x"
    if layout.rung == "landlock":
        edit = f"echo second = 1 > {SCHEDULER} && mktemp"
    done = inside(layout, f'{edit} && echo hello > "$OPENGLIA_SCRATCH_DIR/note" && cd && pwd')
    assert done.returncode == 0, done.stderr
    assert (layout.root / SCHEDULER).read_text() == "second = 1\n"
    assert (layout.scratch / "note").read_text() == "hello\n"
    assert done.stdout.splitlines()[-1] == str(layout.scratch)


def test_no_network_no_processes_no_privileges(layout):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        reach = f"python -c \"import socket; socket.create_connection(('127.0.0.1', {port}), 60)\""
        done = inside(layout, reach)
    assert "Error" in done.stderr
    done = inside(
        layout,
        "python -c \"import os; print([p for p in os.listdir('/proc') if p.isdigit()])\"; "
        f"kill -0 {os.getpid()}; mount -t tmpfs none /tmp; unshare -U true; "
        "grep CapEff /proc/self/status",
    )
    pids = json.loads(done.stdout.splitlines()[0].replace("'", '"'))
    assert str(os.getpid()) not in pids
    assert len(pids) <= 4
    assert done.stdout.splitlines()[-1].split()[1].strip("0") == ""
    refused = "No such process" if layout.rung == "bubblewrap" else "Operation not permitted"
    assert refused in done.stderr
    assert "mount" in done.stderr
    assert "unshare" in done.stderr


def test_nothing_of_the_environment_but_what_is_meant(layout, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-planted-key")
    done = inside(layout, "env; cat /proc/1/environ", extra={"OPENGLIA_RUN_ID": "run_1"})
    assert "OPENGLIA_RUN_ID=run_1" in done.stdout
    assert "planted" not in done.stdout
    assert "ANTHROPIC" not in done.stdout


def test_the_evaluator_is_reached_through_its_socket(layout):
    path = layout.socket_dir / "evaluator"
    received = []

    def serve(server):
        connection, _ = server.accept()
        with connection, connection.makefile("rw") as stream:
            received.append(json.loads(stream.readline()))
            stream.write('{"result": {"status": "ok"}}\n')

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        done = inside(
            layout,
            "cd environment/vidur && ./run_all.sh vidur/scheduler/global_scheduler/*ai_*.py",
            extra={"OPENGLIA_EVALUATOR": str(path)},
        )
    assert json.loads(done.stdout) == {"result": {"status": "ok"}}, done.stderr
    assert received == [{"source": "first = 1\n"}]


def test_python_with_numpy_and_pandas_for_analysis(layout):
    done = inside(
        layout,
        'python -c "import pandas as p, numpy; print(p.read_csv('
        "'environment/vidur/simulator_results/seed_0/request_metrics.csv').b.sum())\"",
    )
    assert done.stdout == "2\n", done.stderr


def test_memory_and_file_size_are_limited(layout):
    done = inside(layout, 'python -c "x = bytearray(9 * 2**30)"; ulimit -f')
    assert "MemoryError" in done.stderr
    assert int(done.stdout) == bubblewrap.MAX_FILE_KIB


def test_killing_the_command_kills_what_it_started(layout):
    fence = sandbox.choose(layout.rung)
    command = fence.command(["bash", "-c", "setsid sleep 98765 & echo up; wait"], layout)
    process = subprocess.Popen(
        command, env=fence.environment(layout), cwd=layout.root, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "up\n"
    process.kill()
    assert process.stdout.read() == ""  # ends when the last holder of the pipe is gone
    process.wait()
    process.stdout.close()


def test_without_a_fence_the_environment_is_small_all_the_same(layout, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-key")
    none = sandbox.choose("none")
    assert none.warning.startswith("NO SANDBOX")
    done = subprocess.run(
        none.command(["bash", "-c", "env; ulimit -c"], layout),
        env=none.environment(layout),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "planted" not in done.stdout
    assert done.stdout.endswith("\n0\n")


def test_the_choice_says_why_and_what_to_do(monkeypatch):
    missing = fence.Rung("bubblewrap", lambda: "bubblewrap is not installed", bubblewrap.command)
    monkeypatch.setattr(fence, "LADDER", (missing,))
    with pytest.raises(OpenGliaError, match=r"apt install bubblewrap.*--sandbox none"):
        sandbox.choose("auto")
    with pytest.raises(OpenGliaError, match="bubblewrap is not installed"):
        sandbox.choose("bubblewrap", trusted_model=True)
    offline = sandbox.choose("auto", trusted_model=True)
    assert offline.name == "none"
    assert "bubblewrap is not installed" in offline.warning
    for unknown in ("jail", "docker"):
        with pytest.raises(UsageError, match=f"no sandbox '{unknown}'"):
            sandbox.choose(unknown)


@pytest.mark.parametrize("path", sorted((ROOT / "environment/benchmarks").glob("*.yaml")))
def test_our_benchmarks_are_redacted_with_their_comments_kept(path):
    import yaml

    text = path.read_text()
    shown = yaml.safe_load(redact(text))
    assert shown == {k: v for k, v in yaml.safe_load(text).items() if k != "held_out_seeds"}
    assert redact(text).count("#") >= text.count("#")


@pytest.mark.parametrize(
    "text",
    [
        "held_out_seeds:\n- 777\n- 778\nb: 3\n",
        "b: 3\nheld_out_seeds: [777,\n  778]\n",
        '"held_out_seeds": [777]\nb: 3\n',
        "{b: 3, held_out_seeds: [777]}\n",
        "? held_out_seeds\n: [777]\nb: 3\n",
    ],
)
def test_redaction_of_every_spelling(text):
    import yaml

    assert "777" not in redact(text)
    assert yaml.safe_load(redact(text)) == {"b": 3}


def test_an_interpreter_in_the_home_folder_itself_is_not_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text("")
    (tmp_path / "x/.venv/bin").mkdir(parents=True)
    (tmp_path / "x/.venv/bin/python").symlink_to(tmp_path / "bin/python")
    with pytest.raises(OpenGliaError, match="cannot be shown to an agent"):
        interpreter_prefixes(tmp_path / "x")


def test_the_agents_own_command_works_with_what_is_visible(tmp_path, rung):
    """``openglia evaluate`` imports nothing that is hidden, and prints what the socket answers."""
    scratch, socket_dir = tmp_path / "scratch", Path(tempfile.mkdtemp(prefix="openglia-"))
    scratch.mkdir()
    layout = Place(scratch=scratch, socket_dir=socket_dir, workplace=workplace(), rung=rung)
    path = socket_dir / "evaluator"
    answer = {"result": {"status": "failed", "rule": "refused", "reason": "as planted"}}

    def serve(server):
        connection, _ = server.accept()
        with connection, connection.makefile("rw") as stream:
            stream.readline()
            stream.write(json.dumps(answer | {"table": ""}) + "\n")

    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
            server.listen()
            threading.Thread(target=serve, args=(server,), daemon=True).start()
            stub = "environment/stubs/ai_global_scheduler_stub.py"
            done = inside(
                layout,
                f"python -m openglia evaluate {stub} --json",
                extra={"OPENGLIA_EVALUATOR": str(path)},
            )
    finally:
        shutil.rmtree(socket_dir)
    assert "Traceback" not in done.stderr, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["reason"] == "as planted"


# A program of the user's: what it sees besides, and whether it reaches out.

FETCH = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:{}', timeout=60).status)"


def shown(layout, command, *readable, network=False):
    own = program(command, readable, layout.root, network=network)
    return replace(layout, own=own)


def test_files_that_the_command_names_are_seen_and_nothing_beside_them(layout, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "mine.py").write_text("print('mine ran')\n")
    (home / "other").write_text("planted-secret\n")
    command = f"python {home}/mine.py; cat {home}/other"
    done = inside(shown(layout, f"python {home}/mine.py"), command)
    assert done.stdout == "mine ran\n"
    done = inside(shown(layout, "python x", home), command)
    assert done.stdout == "mine ran\nplanted-secret\n"
    assert "Read-only" in inside(shown(layout, "x", home), f"echo > {home}/new").stderr or (
        "denied" in inside(shown(layout, "x", home), f"echo > {home}/new").stderr
    )
    assert not (home / "new").exists()


def test_a_program_on_the_callers_path_is_found_with_its_virtual_environment(
    layout,
    tmp_path,
    monkeypatch,
):
    environment = tmp_path / "env"
    (environment / "bin").mkdir(parents=True)
    (environment / "pyvenv.cfg").write_text(f"home = {sys.base_prefix}/bin\n")
    (environment / "bin" / "python").symlink_to(sys.executable)
    (environment / "lib.txt").write_text("a library\n")
    tool = environment / "bin" / "my-tool"
    tool.write_text(f"#!{environment}/bin/python\nprint(open('{environment}/lib.txt').read())\n")
    tool.chmod(0o755)
    linked = tmp_path / "local"
    linked.mkdir()
    (linked / "my-tool").symlink_to(tool)
    monkeypatch.setenv("PATH", f"{linked}:/usr/bin:/bin")
    for command in ("my-tool --flag", "env A=1 my-tool", "A=1 my-tool"):
        done = inside(shown(layout, command), command)
        assert done.stdout == "a library\n\n", (command, done.stderr)
    # What the sandbox has itself comes first, and shows nothing of the caller's.
    assert program("cat x", (), layout.root, network=False).readable == ()


def test_the_interpreter_of_an_environment_that_is_shown_works(layout, tmp_path):
    """A link out of a folder that is shown, named by the command: shown once, with the folder."""
    environment = tmp_path / "env"
    (environment / "bin").mkdir(parents=True)
    (environment / "pyvenv.cfg").write_text(f"home = {sys.base_prefix}/bin\n")
    python = environment / "bin" / "python"
    python.symlink_to(Path(sys.executable).resolve())
    command = f"{python} -c 'print(6 * 7)'"
    done = inside(shown(layout, command, environment), command)
    assert done.stdout == "42\n", done.stderr


def test_it_reaches_the_network_only_if_told(layout):
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    server.RequestHandlerClass = type(
        "Quiet", (http.server.BaseHTTPRequestHandler,),
        {"do_GET": lambda self: self.send_response(204) or self.end_headers(),
         "log_message": lambda *_: None},
    )  # fmt: skip
    threading.Thread(target=server.serve_forever, daemon=True).start()
    fetch = f'python -c "{FETCH.format(server.server_port)}"'
    try:
        done = inside(shown(layout, "python", network=True), fetch)
        assert done.stdout == "204\n", done.stderr
        assert inside(shown(layout, "python"), fetch).returncode != 0
    finally:
        server.shutdown()
        server.server_close()


def test_a_runtime_that_reserves_much_memory_and_fills_little_works(layout):
    reserve = "import mmap; m = mmap.mmap(-1, 16 << 30, prot=mmap.PROT_READ); print(len(m) >> 30)"
    fill = "x = bytearray(9 << 30); print('filled')"
    assert inside(shown(layout, "python"), f'python -c "{reserve}"').stdout == "16\n"
    assert inside(layout, f'python -c "{reserve}"').returncode != 0
    assert "MemoryError" in inside(shown(layout, "python"), f'python -c "{fill}"').stderr


def test_what_holds_the_experiment_is_not_shown(layout):
    with pytest.raises(UsageError, match="holds this experiment"):
        program("x", (layout.root.parent,), layout.root, network=False)


# Several contexts: each with a view of its own.


def test_each_context_has_its_own_working_file_and_results_and_sees_no_others(layout, tmp_path):
    views = [layout.root / "generated/run_1/contexts" / str(n) / "view" for n in (1, 2)]
    results = layout.workplace.results
    for number, view in enumerate(views, start=1):
        for name, text in ((SCHEDULER, f"context = {number}\n"), (results / "of", f"{number}\n")):
            (view / name).parent.mkdir(parents=True, exist_ok=True)
            (view / name).write_text(text)
    fence = sandbox.choose(layout.rung)
    mine = replace(layout, view=views[0])
    file = fence.seen(mine, layout.root / SCHEDULER)
    assert (file == layout.root / SCHEDULER) == (layout.rung == "bubblewrap")
    folder = fence.seen(mine, layout.root / results)
    command = (
        f"cat '{file}' '{folder}/of'; echo changed = 1 > '{file}'; cat '{file}'; "
        f"echo 1 > '{folder}/of'; cat '{views[1]}/{SCHEDULER}'; ls '{views[1]}'"
    )
    done = inside(mine, command)
    assert done.stdout == "context = 1\n1\nchanged = 1\n", done
    assert (views[0] / SCHEDULER).read_text() == "changed = 1\n"
    assert (views[0] / results / "of").read_text() == "1\n"
    assert (layout.root / SCHEDULER).read_text() == "first = 1\n"
    assert (views[1] / SCHEDULER).read_text() == "context = 2\n"
