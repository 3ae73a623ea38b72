"""``openglia doctor``: what is in force on this machine, and why something is not.

Imports inside functions are late so that a package that is missing is a finding, not a crash.
"""

import argparse
import json
import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from openglia import __version__, bootstrap, paths
from openglia.errors import OpenGliaError
from openglia.problems.findings import Examination, Finding
from openglia.problems.registry import DEFAULT, kind

MINIMUM_DISK = 2 * 10**9  # bytes: predictors, traces and a few runs
MINIMUM_MEMORY = 2 * 10**9  # bytes


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--model", help="examine a run with this model")
    parser.add_argument("--sandbox", default="auto", help="examine a run with this sandbox")
    parser.add_argument("--problem", default=DEFAULT, help="examine a run on this problem")


def run(arguments: argparse.Namespace) -> int:
    """Print the findings. Exit status 0: a run would work."""
    from openglia.discovery.models import adopt_dotenv

    adopt_dotenv(os.environ)
    findings = examine(arguments.model, arguments.sandbox, arguments.problem)
    works = not any(finding.state == "problem" for finding in findings)
    if arguments.json:
        print(json.dumps({"works": works, "findings": [asdict(f) for f in findings]}))
        return 0 if works else 1
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        print(f"{finding.state:<7}  {finding.name:<{width}}  {finding.text}")
    print("A run would work." if works else "A run would not work: mend the problems above.")
    return 0 if works else 1


def examine(
    model: str | None = None, sandbox: str = "auto", problem: str = DEFAULT
) -> list[Finding]:
    """Look at everything a run needs. Nothing is changed, nothing is downloaded."""
    examinations: list[Examination] = [
        ("Python", _python),
        ("packages", _packages),
        *kind(problem).examinations(),
        ("model", lambda: _model(model)),
        ("sandbox", lambda: _sandbox(model, sandbox)),
        ("workers", _workers),
        ("commands", _commands),
        ("kernel", _kernel),
        ("cores", _cores),
        ("memory", _memory),
        ("disk", _disk),
        ("generated", _generated),
        ("locks", _locks),
    ]
    return [_safely(name, examination) for name, examination in examinations]


def _safely(name: str, examination: Callable[[], Finding]) -> Finding:
    try:
        return examination()
    except OpenGliaError as error:
        return Finding(name, "problem", str(error))
    except ImportError as error:
        return Finding(name, "problem", f"{error}; run ./setup.sh, which fills .venv")
    except OSError as error:
        return Finding(name, "problem", f"cannot be examined: {error}")


def _python() -> Finding:
    running = f"{platform.python_version()} in {sys.prefix}, OpenGLIA {__version__}"
    if not (paths.ROOT / ".venv" / "bin" / "python").exists():
        return Finding("Python", "problem", f"{running}; there is no .venv: run ./setup.sh")
    return Finding("Python", "ok", running)


def _packages() -> Finding:
    from importlib.metadata import PackageNotFoundError, version

    found, missing = [], []
    pins = [pin for pin in bootstrap.pins()[bootstrap.BASE] if ";" not in pin]  # for any machine
    for name in (pin.partition("==")[0] for pin in pins):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding("packages", "problem", f"missing: {', '.join(missing)}; run ./setup.sh")
    return Finding("packages", "ok", ", ".join(found))


def _model(option: str | None) -> Finding:
    from openglia.discovery.models import choose

    choice = choose(option, os.environ)
    return Finding("model", "ok", f"{choice.model}: {choice.why}")


def _sandbox(model: str | None, name: str) -> Finding:
    from openglia.discovery.models import OFFLINE, choose
    from openglia.sandbox import choosing as sandbox

    trusted = choose(model, os.environ).model == OFFLINE
    chosen = sandbox.choose(name, trusted_model=trusted)
    state: Literal["ok", "note"] = "note" if chosen.warning else "ok"
    text = chosen.warning or chosen.why
    if chosen.name == "bubblewrap" and os.geteuid() == 0:
        state = "note"
        text += "; as root, Linux does not limit the number of processes: better run as a user"
    if chosen.name != "none" and chosen.gaps:
        state = "note"
        text += f"; it does not deny all: {'; '.join(chosen.gaps)}"
    return Finding("sandbox", state, f"{chosen.name}: {text}")


def _workers() -> Finding:
    from openglia.measuring import worker_fence

    rung = worker_fence.rung()
    if rung is not None:
        text = f"each measurement runs in {rung.name}: no network, no home, one folder to write"
        return Finding("workers", "ok", text)
    problem = worker_fence.problem()
    text = f"not fenced, as {problem}: a candidate past the static rules would have your rights"
    return Finding("workers", "note", text)


def _commands() -> Finding:
    """Other programs that are called, and what is not to be had without them."""
    if shutil.which("bash") is None:
        text = "bash is not installed: an agent scores with a script of it; install bash"
        return Finding("commands", "problem", text)
    if shutil.which("git") is None:
        text = "git is not installed: no Vidur, and a run does not record OpenGLIA's own commit"
        return Finding("commands", "note", text)
    return Finding("commands", "ok", "bash, git")


def _kernel() -> Finding:
    """Calls that hold workers in check, each with a weaker substitute where it is refused."""
    import resource

    refused = []
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        refused.append("pidfd_open: what a candidate starts in a session of its own may outlive it")
    try:
        resource.prlimit(os.getpid(), resource.RLIMIT_AS)
    except (AttributeError, OSError):
        refused.append("prlimit: a worker's memory is bounded only once it simulates")
    if not Path(f"/proc/{os.getpid()}/task").is_dir():
        refused.append("/proc: children of workers are not found")
    if refused:
        return Finding("kernel", "note", f"not to be had here: {'; '.join(refused)}")
    return Finding("kernel", "ok", "pidfd_open, prlimit and /proc work")


def _cores() -> Finding:
    from openglia.measuring.processes import available_cores

    return Finding("cores", "ok", f"{available_cores()} to use")


def _memory() -> Finding:
    available = _available_memory()
    if available is None:
        return Finding("memory", "note", "how much is free cannot be told on this system")
    text = f"{available / 1e9:.1f} GB available"
    if available < MINIMUM_MEMORY:
        return Finding("memory", "note", f"{text}: little for parallel simulations")
    return Finding("memory", "ok", text)


def _available_memory() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    sizes = [int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    return sizes[0] * 1024 if sizes else None


def _disk() -> Finding:
    free = shutil.disk_usage(paths.ROOT).free
    text = f"{free / 1e9:.1f} GB free"
    if free < MINIMUM_DISK:
        return Finding("disk", "note", f"{text}: remove old runs from generated/")
    return Finding("disk", "ok", text)


def _generated() -> Finding:
    folder = paths.GENERATED
    if not folder.is_dir():
        return Finding("generated", "note", "absent; the first run makes it")
    if not os.access(folder, os.W_OK):
        return Finding(
            "generated", "problem", f"{folder} cannot be written: change its permissions"
        )
    runs = len(list(folder.glob("run_*")))
    return Finding("generated", "ok", f"writable, {runs} runs")


def _locks() -> Finding:
    """The kernel frees a lock with its holder, so one that is held belongs to a living process."""
    import fcntl

    held = []
    candidates = [*paths.ENVIRONMENT.glob("*.lock"), *paths.ENVIRONMENT.glob(".*.lock")]
    candidates += [*paths.CACHE.glob("**/*.lock"), *paths.GENERATED.glob("*.lock")]
    candidates += [*paths.GENERATED.glob(".*.lock"), *paths.GENERATED.glob("run_*/*.lock")]
    for path in sorted(set(candidates)):
        with path.open() as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = stream.read().strip() or "unknown"
                held.append(f"{paths.shown(path)} by process {holder}")
    if held:
        return Finding("locks", "note", f"held: {'; '.join(held)}")
    return Finding("locks", "ok", "none is held; none can go stale")
