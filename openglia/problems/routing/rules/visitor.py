"""One walk over a router's syntax tree that finds what the rules refuse."""

import ast
import string
from collections.abc import Callable, Iterator

from openglia.problems.routing.rules import vocabulary as words
from openglia.problems.routing.rules.imports import Finding, Imports, module_uses

_LOGGER = "init_logger"


class Visitor:
    """Findings of one source; ``findings`` is complete after construction."""

    def __init__(self, tree: ast.Module) -> None:
        nodes = list(ast.walk(tree))
        self._parents = {child: node for node in nodes for child in ast.iter_child_nodes(node)}
        self._imports = Imports(tree)
        self._loggers = _loggers(nodes)
        self._own_names = _own_names(nodes)
        self._arrays = _arrays(nodes, self._imports)
        self.findings: list[Finding] = list(self._imports.findings)
        visits: dict[type[ast.AST], Callable[..., Iterator[Finding]]] = {
            ast.Name: self._name,
            ast.Attribute: self._attribute,
            ast.Call: self._call,
            ast.Subscript: self._subscript,
            ast.FunctionDef: self._definition,
            ast.ClassDef: self._class,
            ast.AsyncFunctionDef: self._async,
            ast.arg: self._argument,
            ast.MatchClass: self._match_class,
        }
        for node in nodes:
            if visit := visits.get(type(node)):
                self.findings += visit(node)

    def _name(self, node: ast.Name) -> Iterator[Finding]:
        name, parent = node.id, self._parents[node]
        called = isinstance(parent, ast.Call) and parent.func is node
        if name in words.REFUSED_BUILTINS:
            reason = words.REFUSED_BUILTINS[name]
            yield "builtin", node.lineno, f"`{name}` is not available to a router: {reason}"
        elif name in words.ATTRIBUTE_BUILTINS and not called:
            yield "computed-name", node.lineno, f"`{name}` must be called on the spot"
        elif name == "type" and not called and not _in_annotation(node, self._parents):
            yield "builtin", node.lineno, "`type` must be called on the spot, with one argument"
        elif _is_dunder(name) and name not in words.HARMLESS_DUNDERS:
            yield "interpreter", node.lineno, f"`{name}` reaches into the interpreter: leave it out"
        elif isinstance(node.ctx, ast.Load) and name in self._imports.modules:
            yield from module_uses(node, self._imports.modules[name], self._parents)
        elif isinstance(node.ctx, ast.Load) and name in self._loggers:
            fine = isinstance(parent, ast.Attribute) and parent.attr in words.LOGGER_METHODS
            if not fine:
                yield (
                    "interpreter",
                    node.lineno,
                    f"use {name} only as {name}.info(...) and the like",
                )
        elif name == _LOGGER and isinstance(node.ctx, ast.Load):
            statement = self._parents.get(parent)
            if not (called and isinstance(statement, ast.Assign) and _plain_target(statement)):
                yield "interpreter", node.lineno, "write `logger = init_logger(__name__)`"

    def _attribute(self, node: ast.Attribute) -> Iterator[Finding]:
        yield from self._access(node.attr, node.value, node.lineno)
        parent = self._parents[node]
        if not isinstance(node.ctx, ast.Load):
            yield from self._store(node.attr, node.value, node.lineno)
        elif node.attr == "format" and not _is_self(node.value):
            safe = isinstance(parent, ast.Call) and parent.func is node and _safe_format(node.value)
            if not safe and not self._is_module(node.value):
                message = "str.format reads attributes by computed names: use an f-string"
                yield "format", node.lineno, message

    def _access(self, name: str, base: ast.expr, line: int) -> Iterator[Finding]:
        """Check the use of attribute ``name`` of ``base``, read or written or called."""
        if name in words.ORACLE:
            message = (
                f"`{name}` tells or leads to output lengths, which a router must not know; "
                f"num_prefill_tokens and num_processed_decode_tokens are open"
            )
            yield "oracle", line, message
        elif name in words.SOFT_ORACLE and not self._soft_oracle(name, base):
            instead = "for arrays use len(a) or a.shape; " if name == "size" else ""
            message = f"`.{name}` of a request tells its output length: {instead}rename your own"
            yield "oracle", line, message
        elif _is_dunder(name) and name not in words.HARMLESS_DUNDERS:
            yield "interpreter", line, f"`.{name}` reaches into the interpreter: leave it out"
        elif name in words.INTERPRETER_ATTRIBUTES:
            yield "interpreter", line, f"`.{name}` is not available to a router: leave it out"
        elif name in words.SIMULATOR_METHODS or (
            name in words.SIMULATOR_METHODS_OF_OTHERS and not _is_own(base)
        ):
            yield "mutation", line, f"`.{name}` moves the simulation on: a router only reads"

    def _store(self, name: str, base: ast.expr, line: int) -> Iterator[Finding]:
        """Check that attribute ``name`` of ``base`` may be assigned or deleted."""
        foreign = isinstance(base, ast.Name) and base.id in self._imports.names
        of_type = isinstance(base, ast.Call) and _called(base) == "type"
        if foreign or of_type:
            yield "mutation", line, f"`.{name} =` changes a class of the simulator: leave it out"
        elif name in words.SIMULATOR_STATE | words.SIMULATOR_CONTAINERS and not _is_self(base):
            message = f"`.{name} =` changes the simulator's state: keep your own under another name"
            yield "mutation", line, message

    def _soft_oracle(self, name: str, base: ast.expr) -> bool:
        """Whether ``base`` is the router's own: self, with the name assigned, or an array."""
        if _is_self(base):
            return name in self._own_names
        return name == "size" and isinstance(base, ast.Name) and base.id in self._arrays

    def _call(self, node: ast.Call) -> Iterator[Finding]:
        name = _called(node)
        if name == "type" and (len(node.args) != 1 or node.keywords):
            yield "builtin", node.lineno, "`type` takes one argument here: write the class out"
        elif name in words.ATTRIBUTE_BUILTINS:
            yield from self._computed(node, name)
        func = node.func
        if (
            isinstance(func, ast.Attribute)
            and func.attr in words.CONTAINER_MUTATORS
            and isinstance(func.value, ast.Attribute)
        ):
            yield from self._container(func.value, node.lineno)

    def _computed(self, node: ast.Call, name: str) -> Iterator[Finding]:
        literal = node.args[1] if len(node.args) > 1 else None
        if not (isinstance(literal, ast.Constant) and isinstance(literal.value, str)):
            message = f"{name} with a computed name: write the name out"
            yield "computed-name", node.lineno, message
            return
        yield from self._access(literal.value, node.args[0], node.lineno)
        if name in ("setattr", "delattr"):
            yield from self._store(literal.value, node.args[0], node.lineno)
        if literal.value == "format":
            yield "format", node.lineno, "str.format is not open to a router: use an f-string"

    def _subscript(self, node: ast.Subscript) -> Iterator[Finding]:
        if not isinstance(node.ctx, ast.Load) and isinstance(node.value, ast.Attribute):
            yield from self._container(node.value, node.lineno)

    def _container(self, node: ast.Attribute, line: int) -> Iterator[Finding]:
        own_queue = _is_own(node.value) and node.attr == "_request_queue"
        if node.attr in words.SIMULATOR_CONTAINERS and not own_queue:
            message = f"`.{node.attr}` is the simulator's: copy it before you change it"
            yield "mutation", line, message

    def _definition(self, node: ast.FunctionDef) -> Iterator[Finding]:
        if _is_dunder(node.name) and node.name not in words.HARMLESS_DUNDERS:
            yield "interpreter", node.lineno, f"method {node.name} is not open to a router"

    def _class(self, node: ast.ClassDef) -> Iterator[Finding]:
        for keyword in node.keywords:
            if not (isinstance(keyword.value, ast.Name) and keyword.value.id == "ABCMeta"):
                yield "interpreter", node.lineno, "a class of a router takes no keywords"
        if _is_dunder(node.name):
            yield "interpreter", node.lineno, f"{node.name} is not open to a router"

    def _async(self, node: ast.AsyncFunctionDef) -> Iterator[Finding]:
        yield "interpreter", node.lineno, "a router has no event loop: write a plain function"

    def _argument(self, node: ast.arg) -> Iterator[Finding]:
        if _is_dunder(node.arg):
            yield "interpreter", node.lineno, f"rename the argument {node.arg}"

    def _match_class(self, node: ast.MatchClass) -> Iterator[Finding]:
        for name in node.kwd_attrs:
            yield from self._access(name, node.cls, node.lineno)

    def _is_module(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id in self._imports.modules


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _is_own(node: ast.expr) -> bool:
    return _is_self(node) or (isinstance(node, ast.Call) and _called(node) == "super")


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _plain_target(node: ast.Assign) -> bool:
    return all(isinstance(target, ast.Name) for target in node.targets)


def _in_annotation(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    while (parent := parents.get(node)) is not None:
        if getattr(parent, "annotation", None) is node or getattr(parent, "returns", None) is node:
            return True
        node = parent
    return False


def _safe_format(base: ast.expr) -> bool:
    """Whether ``base`` is a literal format whose fields name no attribute and no item."""
    if not (isinstance(base, ast.Constant) and isinstance(base.value, str)):
        return False
    pending = [base.value]
    try:
        while pending:
            for _, field, spec, _ in string.Formatter().parse(pending.pop()):
                if field and not field.isidentifier() and not field.isdigit():
                    return False
                if spec:
                    pending.append(spec)
    except ValueError:
        return False
    return True


def _loggers(nodes: list[ast.AST]) -> set[str]:
    return {
        target.id
        for node in nodes
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and _called(node.value) == _LOGGER
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _own_names(nodes: list[ast.AST]) -> set[str]:
    """Attributes that the file itself gives to its objects: assigned on self, or class fields."""
    stored = {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and _is_self(node.value)
    }
    fields = {
        statement.target.id
        for node in nodes
        if isinstance(node, ast.ClassDef)
        for statement in node.body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    }
    return stored | fields


def _arrays(nodes: list[ast.AST], imports: Imports) -> set[str]:
    """Names that are only ever bound to the result of a call into NumPy."""
    stored = [n.id for n in nodes if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)]
    bound = [
        node.targets[0].id
        for node in nodes
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and len(node.targets) == 1
        and isinstance(node.value, ast.Call)
        and _root(node.value.func) in imports.modules
        and any(m.startswith("numpy") for m in imports.modules[_root(node.value.func)])
    ]
    arguments = {node.arg for node in nodes if isinstance(node, ast.arg)}
    return {
        name for name in bound if stored.count(name) == bound.count(name) and name not in arguments
    }


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
