"""What of the experiment agents on LLM serving see: all but the held-out seeds."""

from collections.abc import Sequence
from pathlib import Path

from openglia import paths
from openglia.sandbox.layout import Workplace, interpreter_prefixes, system_mounts

# Of the package: the simulator to read, and what scoring by the harness imports. Not the reference
# routers, the rules' tables, the workload generator or the loader of benchmarks: so the engine can
# be read here but not run, and every score goes through the evaluator.
_PACKAGE = (
    "__init__.py",
    "benchmark/__init__.py",
    "benchmark/catalogue.py",
    "benchmark/catalogue.yaml",
    "benchmark/definition.py",
    "evaluation/__init__.py",
    "evaluation/tables.py",
    "hardware",
    "hooks.py",
    "seeds.py",
    "simulator",
)
_COMMANDS = ("routing/__init__.py", "routing/evaluate.py")
_ENVIRONMENT = (
    "benchmarks",
    "stubs",
    "vidur_overrides",
    "run_all.sh",
    "run_baseline.sh",
    "vidur",
)
_HELD_OUT = "held_out_seeds"


def workplace(
    root: Path = paths.ROOT,
    working_file: Path = paths.WORKING_SCHEDULER,
    statement: Sequence[Path] = (paths.PROBLEM,),
) -> Workplace:
    """Of the experiment in ``root``; ``statement``: what else tells of the problem."""
    package = Path("openglia/problems/routing")
    benchmarks = root / "environment" / "benchmarks"
    shown = [
        *(package / name for name in _PACKAGE),
        *(Path("openglia/commands") / name for name in _COMMANDS),
        *(Path("environment") / name for name in _ENVIRONMENT),
    ]
    told = [path.relative_to(paths.ROOT) for path in statement]
    return Workplace(
        # What lies in a folder that is shown is not shown twice: no fence can do that.
        readable=[p for p in told if not any(p.is_relative_to(one) for one in shown)] + shown,
        replaced={
            path.relative_to(root): redact(path.read_text("utf-8-sig", "replace"))
            for path in sorted(benchmarks.glob("*.y*ml"))
        },
        results=paths.SIMULATOR_RESULTS.relative_to(paths.ROOT),
        hidden=[Path("environment/vidur/.git")],
        working_file=working_file.relative_to(paths.ROOT),
    )


def is_shown(file: Path, root: Path = paths.ROOT) -> bool:
    """Whether an agent's commands can read a file that a benchmark names.

    They can read the system's programs, the interpreter's folders and what of the experiment is
    ``readable``.
    """
    place = file.resolve()
    shown = [root / name for name in workplace(root).readable]
    shown += [
        root / ".venv",
        *interpreter_prefixes(root),
        *(mount.target for mount in system_mounts()),
    ]
    return any(place.is_relative_to(folder.resolve()) for folder in shown)


def redact(text: str) -> str:
    """A benchmark's YAML without its held-out seeds; all else stays, comments where possible.

    A file that is not a mapping shows nothing: it is no benchmark.
    """
    kept, dropping = [], False
    for line in text.splitlines(keepends=True):
        bare = line.strip()
        if line.startswith(_HELD_OUT):
            dropping = True
            kept.append("# The held-out seeds are known to the verification alone.\n")
            continue
        # The value may go on: indented lines, or items and brackets of a list at the margin.
        dropping = dropping and (not bare or line[0] in " \t-]}")
        if not dropping:
            kept.append(line)
    return "".join(kept) if _HELD_OUT not in "".join(kept) else _without_comments(text)


def _without_comments(text: str) -> str:
    import yaml  # late: most benchmarks are redacted by the line

    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        return "# not a benchmark\n"
    return yaml.safe_dump({k: v for k, v in value.items() if k != _HELD_OUT}, sort_keys=False)
