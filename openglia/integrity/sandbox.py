"""The fence around every command of an agent: bubblewrap, Docker, or none.

Inside, the agent's paths are the same as outside; ``openglia.integrity.layout`` says what is
there. There is no network: scoring goes through the evaluator's socket, a file. Time and the
amount of output are limited by the shell that runs the command (``openglia.agents.shell``).
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from openglia.errors import OpenGliaError, UsageError
from openglia.integrity import bubblewrap
from openglia.integrity.bubblewrap import MAX_PROCESSES, TMP_BYTES, attempt
from openglia.integrity.bubblewrap import problem as bubblewrap_problem
from openglia.integrity.layout import Layout, Mount, experiment_mounts, system_mounts

NAMES = ("auto", "bubblewrap", "docker", "none")

MAX_MEMORY_KIB = 8 * 1024 * 1024  # address space of one process

_DOCKER_IMAGE = "python:3.12-slim"


class Sandbox(Protocol):
    """One way to run a command for an agent."""

    @property
    def name(self) -> str:
        """One of bubblewrap, docker, none."""

    @property
    def why(self) -> str:
        """One line: why this one is in force."""

    @property
    def warning(self) -> str | None:
        """What must be said aloud before a run, if anything."""

    def command(self, argv: list[str], layout: Layout) -> list[str]:
        """The command that runs ``argv`` in ``layout.root``, fenced and limited."""

    def environment(self, layout: Layout, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """All variables of the command; nothing of the harness's own but ``extra`` is passed."""


@dataclass(frozen=True)
class _Base:
    why: str
    warning: str | None = None

    def environment(self, layout: Layout, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """All variables of the command; nothing of the harness's own but ``extra`` is passed."""
        return {
            "PATH": f"{layout.root / '.venv' / 'bin'}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(layout.scratch),
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(layout.root),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "OPENGLIA_SCRATCH_DIR": str(layout.scratch),
            **(extra or {}),
        }


class Bubblewrap(_Base):
    """Namespaces of its own for everything (Debian package bubblewrap)."""

    name = "bubblewrap"

    def command(self, argv: list[str], layout: Layout) -> list[str]:
        """The command that runs ``argv`` in ``layout.root``, fenced and limited."""
        words = bubblewrap.fence((*system_mounts(), *experiment_mounts(layout)))
        words += ["--new-session", "--remount-ro", str(layout.root), "--remount-ro", "/"]
        return [*words, "--chdir", str(layout.root), "--", *_limited(argv, processes=True)]


class Docker(_Base):
    """A container of the local Docker engine, with the same mounts.

    Not tested by the project's tests, which have no engine. The image gives the root file system
    only; it must be there already, as the container has no network and none is pulled.
    """

    name = "docker"

    def command(self, argv: list[str], layout: Layout) -> list[str]:
        """The command that runs ``argv`` in ``layout.root``, fenced and limited."""
        words = ["docker", "run", "--rm", "--init", "--network", "none", "--pull", "never"]
        words += ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
        words += ["--pids-limit", str(MAX_PROCESSES), "--memory", f"{MAX_MEMORY_KIB}k"]
        words += ["--user", f"{os.getuid()}:{os.getgid()}", "--workdir", str(layout.root)]
        words += ["--tmpfs", f"/tmp:size={TMP_BYTES}"]
        for mount in (*system_mounts(), *experiment_mounts(layout)):
            words += _docker_words(mount)
        for name in self.environment(layout):
            words += ["--env", name]
        words += ["--env", "OPENGLIA_RUN_ID", "--env", "OPENGLIA_EVALUATOR"]
        image = os.environ.get("OPENGLIA_DOCKER_IMAGE", _DOCKER_IMAGE)
        return [*words, image, *_limited(argv, processes=True)]


class Unfenced(_Base):
    """No fence: only the small environment and the limits on memory and files."""

    name = "none"

    def command(self, argv: list[str], layout: Layout) -> list[str]:  # noqa: ARG002
        """The command that runs ``argv``, limited; the shell starts it in ``layout.root``."""
        return _limited(argv, processes=False)


def choose(name: str = "auto", *, trusted_model: bool = False) -> Sandbox:
    """Choose the sandbox for a run.

    Args:
        name: one of ``NAMES``. auto: bubblewrap where it works, else Docker, else none.
        trusted_model: the agents are the offline researcher, code of this project. Then auto may
            end in none, with a warning; a language model needs an explicit none.

    Raises:
        UsageError: there is no such sandbox.
        OpenGliaError: the named one does not work here, or auto found none.
    """
    if name not in NAMES:
        raise UsageError(f"there is no sandbox {name!r}; choose one of {', '.join(NAMES)}")
    if name == "none":
        return Unfenced("--sandbox none", _loud("--sandbox none was given"))
    reasons = []
    if name in ("auto", "bubblewrap"):
        problem = bubblewrap_problem()
        if problem is None:
            return Bubblewrap("bubblewrap works here")
        reasons.append(problem)
    if name in ("auto", "docker"):
        problem = docker_problem()
        if problem is None:
            return Docker(
                "; ".join([*reasons, "a Docker engine answers (no test of this project tries it)"])
            )
        reasons.append(problem)
    why = "; ".join(reasons)
    if name == "auto" and trusted_model:
        return Unfenced(f"{why}; the offline researcher may do without", _loud(why))
    remedy = "install bubblewrap (Debian: apt install bubblewrap)"
    if name == "docker":
        remedy = f"start the engine and pull {_DOCKER_IMAGE}"
    raise OpenGliaError(
        f"no sandbox for the agent's commands: {why}; {remedy}, or accept --sandbox none"
    )


def docker_problem() -> str | None:
    """Why Docker cannot be used here, in one line; None: an engine answers and has the image."""
    if shutil.which("docker") is None:
        return "docker is not installed"
    image = os.environ.get("OPENGLIA_DOCKER_IMAGE", _DOCKER_IMAGE)
    problem = attempt(["docker", "image", "inspect", "--format", "{{.Id}}", image])
    return problem and f"docker cannot be used ({problem})"


def _docker_words(mount: Mount) -> list[str]:
    match mount.kind:
        case "tmpfs":
            return ["--tmpfs", str(mount.target)]
        case "link":
            return []  # the image has its own
    readonly = ",readonly" if mount.kind == "read-only" else ""
    return ["--mount", f"type=bind,source={mount.source},target={mount.target}{readonly}"]


def _limited(argv: list[str], *, processes: bool) -> list[str]:
    return bubblewrap.limited(argv, memory_kib=MAX_MEMORY_KIB, processes=processes)


def _loud(why: str) -> str:
    return (
        f"NO SANDBOX ({why}): the agent's commands run with all your rights, "
        f"on all your files, with network access"
    )
