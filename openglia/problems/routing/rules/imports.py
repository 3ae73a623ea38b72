"""Which modules a router may import, and which of their names it may use."""

import ast
import functools
import importlib
import types
from collections.abc import Iterator

from openglia.problems.routing.rules import vocabulary as words

Finding = tuple[str, int, str]  # rule, line, message

ALLOWED = words.STANDARD_MODULES | words.NUMPY_MODULES | words.VIDUR_MODULES
_CLOCKS = {"time", "datetime"}


@functools.cache
def published(module: str) -> frozenset[str]:
    """The names that a standard module publishes, other modules left out."""
    loaded = importlib.import_module(module)
    names = getattr(loaded, "__all__", None) or [n for n in dir(loaded) if not n.startswith("_")]
    return frozenset(
        name for name in names if not isinstance(getattr(loaded, name, None), types.ModuleType)
    )


def refusal(module: str, name: str) -> str | None:
    """Why a router may not use ``name`` of an allowed ``module``; None if it may."""
    full = f"{module}.{name}"
    if full in words.REFUSED_MEMBERS:
        return f"{full} is not available: {words.REFUSED_MEMBERS[full]}"
    if module in words.VIDUR_MODULES:
        fine = name == "init_logger" if module == "vidur.logger" else name[:1].isupper()
        return None if fine else f"{full} is not open to a router: import only its classes"
    if module in words.NUMPY_MODULES:
        if name == "size":
            return "numpy.size reads the attribute size, an oracle: use len(a) or a.shape"
        if name.startswith("_") or name in words.NUMPY_REFUSED[module]:
            return f"{full} is not available to a router: it reaches beyond arithmetic on arrays"
        return None
    if name not in published(module):
        return f"{full} is not a public name of {module}"
    return None


class Imports:
    """The import statements of one source: findings, and the modules that names stand for."""

    def __init__(self, tree: ast.AST) -> None:
        self.findings: list[Finding] = []
        self.modules: dict[str, set[str]] = {}  # a name -> the modules it may stand for
        self.names: set[str] = set()  # everything else that was imported
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self._import(node.lineno, alias)
            elif isinstance(node, ast.ImportFrom):
                self._import_from(node)

    def _import(self, line: int, alias: ast.alias) -> None:
        if alias.name in words.VIDUR_MODULES:
            self._find(line, f"write `from {alias.name} import Name` instead")
        elif alias.name not in ALLOWED:
            self._find(line, _not_allowed(alias.name))
        elif alias.asname:
            self.modules.setdefault(alias.asname, set()).add(alias.name)
        else:
            top = alias.name.split(".", 1)[0]
            self.modules.setdefault(top, set()).add(top)

    def _import_from(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if node.level:
            self._find(node.lineno, "relative imports reach the simulator; name the module in full")
            return
        if module not in ALLOWED:
            self._find(node.lineno, _not_allowed(module))
            return
        for alias in node.names:
            bound = alias.asname or alias.name
            if f"{module}.{alias.name}" in words.NUMPY_MODULES:
                self.modules.setdefault(bound, set()).add(f"{module}.{alias.name}")
            elif alias.name == "*":
                self._find(node.lineno, f"import the names you need from {module}, not *")
            elif reason := refusal(module, alias.name):
                self._find(node.lineno, reason)
            else:
                self.names.add(bound)

    def _find(self, line: int, message: str) -> None:
        self.findings.append(("import", line, message))


def module_uses(
    name: ast.Name, modules: set[str], parents: dict[ast.AST, ast.AST]
) -> Iterator[Finding]:
    """Check one use of a name that stands for a module: ``module.public_name`` and nothing else."""
    for module in sorted(modules):
        node: ast.AST = name
        here = module
        while True:
            parent = parents[node]
            if not (isinstance(parent, ast.Attribute) and parent.value is node):
                if not _is_none_test(parent):
                    message = f"module {here} used as a value: write {here}.NAME each time"
                    yield "import", name.lineno, message
                break
            deeper = f"{here}.{parent.attr}"
            if deeper in ALLOWED and isinstance(parent.ctx, ast.Load):
                node, here = parent, deeper
                continue
            if not isinstance(parent.ctx, ast.Load):
                yield "mutation", parent.lineno, f"{deeper} is changed: modules are read only"
            elif reason := refusal(here, parent.attr):
                yield "import", parent.lineno, reason
            break


def _is_none_test(parent: ast.AST) -> bool:
    return isinstance(parent, ast.Compare) and isinstance(parent.ops[0], ast.Is | ast.IsNot)


def _not_allowed(module: str) -> str:
    if module.split(".", 1)[0] in _CLOCKS:
        return (
            f"module {module} is not allowed: real time is not simulated time; "
            f"the latest arrived_at in the queue tells how late it is"
        )
    if module.startswith("vidur"):
        allowed = ", ".join(sorted(words.VIDUR_MODULES))
        return f"module {module} is not open to a router; of vidur there are {allowed}"
    standard = ", ".join(sorted(words.STANDARD_MODULES - {"__future__"}))
    return f"module {module} is not allowed; a router may import {standard}, numpy"
