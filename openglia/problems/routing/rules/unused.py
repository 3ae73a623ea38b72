"""Methods of a router that nothing will ever call, such as hooks that this simulator does not have.

Not a rule: such a router is scored as it is. But whoever wrote the method thinks that it runs.
"""

import ast
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator

from openglia.problems.routing.hooks import ROUTER, Hook
from openglia.problems.routing.simulator.interface import BaseGlobalScheduler
from openglia.problems.routing.simulator.policy import ReplicaPolicy

# What the simulator calls or the base class offers; the second is Vidur's alone.
_OVERRIDDEN = {
    "BaseGlobalScheduler": {*dir(BaseGlobalScheduler), "get_replica_stage_scheduler"},
    "ReplicaPolicy": set(dir(ReplicaPolicy)),
}
_STILL_METHODS = ("staticmethod", "classmethod")


def uncalled_methods(source: str, hook: Hook = ROUTER) -> list[str]:
    """A line for each public method of the candidate that overrides and is called by nothing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source.removeprefix("\ufeff"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []  # the rules say it
    everywhere = Counter(_mentioned(tree))
    return [
        f"line {method.lineno}: nothing calls the method {method.name}: the simulator calls "
        f"{hook.called}, and this file does not call it either"
        for method in _methods(tree, hook)
        if not method.name.startswith("_")
        and method.name not in _OVERRIDDEN[hook.base]
        and everywhere[method.name] == Counter(_mentioned(method))[method.name]
    ]


def _methods(tree: ast.Module, hook: Hook) -> Iterator[ast.FunctionDef]:
    """Those of the candidate's class and of those classes of the file that it inherits from."""
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    pending, seen = [hook.class_name], set[str]()
    while pending:
        name = pending.pop()
        if name in seen or name not in classes:
            continue
        seen.add(name)
        for node in classes[name].body:
            # What another decorator makes of a method may be called by other means.
            if isinstance(node, ast.FunctionDef) and _is_plain(node.decorator_list):
                yield node
        pending += [base.id for base in classes[name].bases if isinstance(base, ast.Name)]


def _is_plain(decorators: Iterable[ast.expr]) -> bool:
    return all(isinstance(node, ast.Name) and node.id in _STILL_METHODS for node in decorators)


def _mentioned(tree: ast.AST) -> Iterator[str]:
    """Every name by which something may be called, as often as it stands there."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value  # getattr(self, "name")
