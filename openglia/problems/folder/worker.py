"""Calls an evaluator once: ``PYTHON worker.py JOB.json``. Standard library only.

A program of its own, in a process of its own: it may run under another environment's Python. JOB
holds ``evaluator`` (in a private copy of the problem's folder; its own folder is where it starts),
``program``, ``function``, ``arguments`` and ``result``: the file for what came of it. What the
evaluator prints goes where the process's output goes.
"""

import ast
import contextlib
import importlib.util
import json
import os
import resource
import sys
import traceback
import types
from pathlib import Path
from typing import Any

_TEXT = 2000  # characters of one artifact or message
_ITEMS = 1000  # of a list
_LARGEST_FILE = 256 << 20  # bytes, also of what is printed


def main(job_file: str) -> int:
    """Do the job; always status 0 once there is a result, be it an error."""
    job = json.loads(Path(job_file).read_text())
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE, _LARGEST_FILE))
    sys.dont_write_bytecode = True
    evaluator = Path(job["evaluator"])
    os.chdir(evaluator.parent)
    sys.path.insert(0, str(evaluator.parent))
    sys.argv = [str(evaluator)]
    try:
        result = _told(_evaluator(evaluator, job["function"])(job["program"], **job["arguments"]))
    except BaseException as error:
        lines = traceback.format_exception(error)
        said = f"{type(error).__name__}: {error}"
        if isinstance(error, ModuleNotFoundError):
            said += "; name what the evaluator needs in the folder's requirements.txt"
            needed = _imported(evaluator, Path(job["program"]))
            said += f": it imports {', '.join(needed)}" if needed else ""
        result = {"error": said[:_TEXT], "detail": "".join(lines)[-_TEXT:]}
    Path(job["result"]).write_text(json.dumps(result))
    return 0


class EvaluationResult:
    """What evaluators of OpenEvolve's form return, where that package is not installed."""

    def __init__(self, metrics: Any = None, artifacts: Any = None) -> None:
        self.metrics = dict(metrics or {})
        self.artifacts = dict(artifacts or {})


def _stand_in() -> None:
    """Let evaluators import the one name that they take from OpenEvolve."""
    if importlib.util.find_spec("openevolve") is None:
        package = types.ModuleType("openevolve")
        module = types.ModuleType("openevolve.evaluation_result")
        for made in (package, module):
            made.EvaluationResult = EvaluationResult  # type: ignore[attr-defined]
            sys.modules[made.__name__] = made


def _evaluator(path: Path, function: str) -> Any:
    _stand_in()
    spec = importlib.util.spec_from_file_location("evaluator", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["evaluator"] = module
    spec.loader.exec_module(module)
    return getattr(module, function)


def _imported(*programs: Path) -> list[str]:
    """Modules that the programs import, and the files beside the first, but for Python's own.

    All of them, for an environment with one of them alone would lack the others.
    """
    beside = {path.stem: path for path in programs[0].parent.glob("*.py")}
    waiting, seen, needed = list(programs), set(programs), set[str]()
    while waiting:
        found = set[str]()
        with contextlib.suppress(OSError, SyntaxError, ValueError):
            for node in ast.walk(ast.parse(waiting.pop().read_bytes())):
                if isinstance(node, ast.Import):
                    found |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    found.add(node.module)
        for name in {name.partition(".")[0] for name in found} - sys.stdlib_module_names:
            path = beside.get(name)
            if path is None:
                needed.add(name)
            elif path not in seen:
                seen.add(path)
                waiting.append(path)
    return sorted(needed - {"openevolve"})


def _told(returned: Any) -> dict[str, Any]:
    """What evaluate() returned, as JSON: a mapping, or an object with metrics and artifacts."""
    metrics = getattr(returned, "metrics", returned)
    artifacts = getattr(returned, "artifacts", None) or {}
    if not hasattr(metrics, "items"):
        return {"error": f"evaluate() returned no mapping but {type(returned).__name__}"}
    return {
        "metrics": {str(key): _plain(value) for key, value in metrics.items()},
        "artifacts": {str(key): str(value)[:_TEXT] for key, value in dict(artifacts).items()},
    }


def _plain(value: Any) -> Any:
    """Numbers as such, also NumPy's; all else as text."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value[:_ITEMS]]
    if value is None or isinstance(value, bool | int | float | str):
        return value if not isinstance(value, str) else value[:_TEXT]
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)[:_TEXT]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
