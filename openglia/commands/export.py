"""``openglia export``: write a folder with which a peer's optimizer works on a problem of ours.

The folder measures nothing by itself: the optimizer is a run's agent, and each of its programs is
scored by the run's harness. Imports inside functions are late for --help.
"""

import argparse
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openglia.errors import UsageError
from openglia.files import read_handed_over

if TYPE_CHECKING:
    from openglia.problems.problem import Problem

PEERS = Path(__file__).with_name("peers")
_START, _END = "EVOLVE-BLOCK-START", "EVOLVE-BLOCK-END"
# How a comment begins; in other languages the whole file may change, without marks.
_COMMENT = dict.fromkeys((".py", ".sh", ".jl", ".r", ".rb"), "#") | dict.fromkeys(
    (".c", ".cc", ".cpp", ".cu", ".go", ".h", ".java", ".js", ".rs", ".ts", ".v"), "//"
)
_DAY = 86_400  # seconds; the harness's own limits are shorter
_NO_SHELL = (
    "You have no shell and no files here: answer with changes to the program. A harness measures\n"
    "each one. combined_score is how many times as good it is as the yardstick: higher is better,\n"
    "a thousandth at most means that it breaks a constraint, and 0 that it failed."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "peer", choices=["openevolve"], help="whose form; SkyDiscover's is the same"
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="to be made")
    parser.add_argument("--problem", metavar="NAME", help="a folder or a name (default: routing)")
    parser.add_argument("--benchmark", metavar="NAME", help="routing: name or YAML file")


def run(arguments: argparse.Namespace) -> int:
    """Write the folder and say how to run it."""
    from openglia.problems.registry import DEFAULT, opened

    target: Path = arguments.folder
    if target.exists():
        raise UsageError(f"{target} is there already; name a folder to be made")
    problem = opened(arguments.problem or DEFAULT, arguments.benchmark, "auto")
    initial = f"initial_program{problem.presentation.suffix}"
    templates = PEERS / arguments.peer
    readme = (templates / "README.md").read_text(encoding="utf-8")
    words = {
        "NAME": problem.name,
        "OPTIONS": "".join(f" {shlex.quote(word)}" for word in _options(arguments)),
        "WHERE": shlex.quote(str(target.resolve())),
        "INITIAL": initial,
    }
    files = {
        initial: marked(read_handed_over(problem.start), problem.start.suffix),
        "evaluator.py": (templates / "evaluator.py").read_text(encoding="utf-8"),
        "config.yaml": _config(problem),
        "README.md": re.sub("|".join(words), lambda m: words[m[0]], readme),
    }
    target.mkdir(parents=True)
    for name, text in files.items():
        (target / name).write_text(text, encoding="utf-8", newline="")
        print(f"  {target / name}")
    print(f"How to run it, as a run's agent: {target / 'README.md'}")
    return 0


def marked(source: str, suffix: str) -> str:
    """The program with EVOLVE-BLOCK marks around all of it, unless it has its own."""
    comment = _COMMENT.get(suffix.lower())
    if _START in source or comment is None:
        return source
    end = "" if source.endswith("\n") else "\n"
    return f"{comment} {_START}\n{source}{end}{comment} {_END}\n"


def _options(arguments: argparse.Namespace) -> list[str]:
    """The words of ``./run.sh`` for the same problem."""
    named = {"--problem": arguments.problem, "--benchmark": arguments.benchmark}
    return [
        word
        for option, name in named.items()
        if name
        for word in (option, str(Path(name).resolve()) if Path(name).exists() else name)
    ]


def _config(problem: "Problem") -> str:
    """``config.yaml`` with the keys alone that OpenEvolve and SkyDiscover share."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Long texts line by line."""

    def literal(dumper: Any, text: str) -> Any:
        style = "|" if "\n" in text else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Dumper.add_representer(str, literal)
    text = "\n".join(line.rstrip() for line in problem.brief().splitlines())
    text = re.sub("\n{3,}", "\n\n", text).strip()
    config = {
        "max_iterations": 100,
        "checkpoint_interval": 10,
        "random_seed": 0,
        "max_code_length": 100_000,
        "llm": {
            "api_base": "https://api.openai.com/v1",
            "models": [{"name": "gpt-5"}],
            "timeout": 600,
        },
        "prompt": {"system_message": f"{text}\n\n{_NO_SHELL}\n"},
        "evaluator": {"timeout": _DAY, "max_retries": 0, "cascade_evaluation": False},
    }
    return yaml.dump(config, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=10_000)
