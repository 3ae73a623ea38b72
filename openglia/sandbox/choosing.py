"""The fence around every command of an agent, or none.

Inside, the agent's paths are the same as outside; ``openglia.sandbox.layout`` says what is
there. There is no network: scoring goes through the evaluator's socket, a file. Time and the
amount of output are limited by the shell that runs the command (``openglia.discovery.shell``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from openglia.errors import OpenGliaError, UsageError
from openglia.sandbox import bubblewrap, fence
from openglia.sandbox.fence import Rung
from openglia.sandbox.layout import Layout, View, experiment_mounts, system_mounts

NAMES = ("auto", *(rung.name for rung in fence.LADDER), "none")

MAX_MEMORY_KIB = 8 * 1024 * 1024  # address space of one process

_REMEDY = (
    "allow user namespaces (for bubblewrap, which ./setup.sh brings; "
    "Debian: apt install bubblewrap), or use a kernel with Landlock (6.12 or later)"
)


class Sandbox(Protocol):
    """One way to run a command for an agent."""

    @property
    def name(self) -> str:
        """One of bubblewrap, landlock, none."""

    @property
    def why(self) -> str:
        """One line: why this one is in force."""

    @property
    def gaps(self) -> tuple[str, ...]:
        """What it does not deny, a line each."""

    @property
    def warning(self) -> str | None:
        """What must be said aloud before a run, if anything."""

    def command(self, argv: list[str], layout: Layout) -> list[str]:
        """The command that runs ``argv`` in ``layout.root``, fenced and limited."""

    def environment(self, layout: Layout, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """All variables of the command; nothing of the harness's own but ``extra`` is passed."""

    def seen(self, layout: Layout, path: Path) -> Path:
        """Where the command finds the view's own version of a path below ``layout.root``."""


@dataclass(frozen=True)
class _Base:
    why: str
    warning: str | None = None

    def seen(self, layout: Layout, path: Path) -> Path:
        """Where the command finds the view's own version of a path below ``layout.root``."""
        if layout.view is None:
            return path
        return layout.view / path.relative_to(layout.root)

    def environment(self, layout: Layout, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """All variables of the command; nothing of the harness's own but ``extra`` is passed."""
        return {
            "PATH": layout.path,
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


@dataclass(frozen=True, kw_only=True)
class Fenced(_Base):
    """A rung of the ladder."""

    rung: Rung

    @property
    def name(self) -> str:
        """Of the rung."""
        return self.rung.name

    @property
    def gaps(self) -> tuple[str, ...]:
        """What it does not deny."""
        return self.rung.gaps

    def seen(self, layout: Layout, path: Path) -> Path:
        """At the experiment's own path, where the fence can lay one file over another."""
        return path if self.rung.overlays else super().seen(layout, path)

    def command(self, argv: list[str], layout: Layout) -> list[str]:
        """The command that runs ``argv`` in ``layout.root``, fenced and limited."""
        # Where the fence cannot give a /tmp of its own, the scratch folder serves.
        variables = {} if self.name == "bubblewrap" else {"TMPDIR": str(layout.scratch)}
        view = View(
            mounts=[*system_mounts(), *experiment_mounts(layout)],
            root=layout.root,
            folder=layout.root,
            variables=variables,
            memory_kib=MAX_MEMORY_KIB,
            data_alone=layout.own is not None,
            network=layout.own is not None and layout.own.network,
        )
        return self.rung.command(view, argv)


class Unfenced(_Base):
    """No fence: only the small environment and the limits on memory and files."""

    name = "none"
    gaps = ("everything",)

    def command(self, argv: list[str], layout: Layout) -> list[str]:
        """The command that runs ``argv``, limited; the shell starts it in ``layout.root``."""
        return bubblewrap.limited(
            argv,
            memory_kib=MAX_MEMORY_KIB,
            data_alone=layout.own is not None,
            processes=False,
        )


def choose(name: str = "auto", *, trusted_model: bool = False) -> Sandbox:
    """Choose the sandbox for a run.

    Args:
        name: one of ``NAMES``. auto: the highest rung of the ladder that works.
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
    found = fence.find(name)
    if found.rung is not None:
        why = f"{found.rung.name} works here"
        return Fenced(why=f"{found.why}; {why}" if found.problems else why, rung=found.rung)
    problem = found.why
    if name == "auto" and trusted_model:
        return Unfenced(f"{problem}; the offline researcher may do without", _loud(problem))
    raise OpenGliaError(
        f"no sandbox for the agent's commands: {problem}; {_REMEDY}, or accept --sandbox none"
    )


def _loud(why: str) -> str:
    return (
        f"NO SANDBOX ({why}): the agent's commands run with all your rights, "
        f"on all your files, with network access"
    )
