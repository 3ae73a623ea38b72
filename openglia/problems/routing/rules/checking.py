"""The static rules for a router: what its source may not say, checked before it is run.

A router gets no file, process, network, frame or interpreter access, and no output length. The
check reads the syntax tree only. It is the first of several fences: the embedded simulator's
objects hold no output length, Vidur's raise when it is read, every evaluation runs in a process
of its own with limits, and the simulator checks every placement. So where a rule cannot be sure it
lets ordinary code pass. Paper: "Glia", Sec. 5: a router reads prompt lengths, never outputs.
"""

import ast
import codecs
import io
import tokenize
import warnings
from dataclasses import dataclass

from openglia.problems.routing.hooks import ROUTER, Hook
from openglia.problems.routing.rules.visitor import Visitor

MAX_SOURCE_BYTES = 256 * 1024


@dataclass(frozen=True)
class Violation:
    """One broken rule. ``rule`` is one of syntax, interface, import, builtin, interpreter, oracle,
    computed-name, format, mutation; ``line`` counts from 1; ``message`` says how to mend it."""

    rule: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message} [{self.rule}]"


def check(source: str, path: str = "scheduler", hook: Hook = ROUTER) -> list[Violation]:
    """Check a candidate's source. An empty list: it may be evaluated.

    Returns:
        The violations by line, each once. ``path`` names the file in syntax errors.
    """
    source = source.removeprefix("\ufeff")  # a byte order mark, which Python passes over, too
    content = source.encode(errors="replace")
    if len(content) > MAX_SOURCE_BYTES:
        limit = MAX_SOURCE_BYTES // 1024
        return [Violation("syntax", 1, f"the file is larger than {limit} KiB: shorten it")]
    if coding := _foreign_encoding(content):
        message = f"the file declares the encoding {coding}: save it as UTF-8 and say so"
        return [Violation("syntax", 1, message)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source, filename=path)
            compile(tree, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        return [Violation("syntax", error.lineno or 1, f"syntax error: {error.msg}")]
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        reason = str(error) or type(error).__name__
        return [Violation("syntax", 1, f"the file cannot be compiled: {reason}")]
    findings = [*_interface(tree, hook), *Visitor(tree).findings]
    return [
        Violation(rule, line, message.replace("router", hook.noun))
        for rule, line, message in sorted(set(findings), key=lambda f: (f[1], f[2]))
    ]


def _foreign_encoding(content: bytes) -> str | None:
    """The encoding other than UTF-8 that the first two lines declare (PEP 263), if they do.

    The simulator would decode the file by it; the rules would have read something else.
    """
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    except SyntaxError as error:
        return str(error.msg).removeprefix("unknown encoding: ")
    return None if codecs.lookup(encoding).name in ("utf-8", "utf-8-sig") else encoding


def _interface(tree: ast.Module, hook: Hook) -> list[tuple[str, int, str]]:
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    router = classes.get(hook.class_name)
    if router is None:
        declared = f"class {hook.class_name}({hook.base})"
        message = f"there is no `{declared}` at the top level of the file"
        return [("interface", 1, message)]
    pending, seen = [hook.class_name], set()
    while pending:
        name = pending.pop()
        if name in seen or name not in classes:
            continue
        seen.add(name)
        methods = {n.name for n in classes[name].body if isinstance(n, ast.FunctionDef)}
        if methods.intersection(hook.methods):
            return []
        pending += [base.id for base in classes[name].bases if isinstance(base, ast.Name)]
    wanted = " or ".join(hook.signatures)
    return [("interface", router.lineno, f"class {hook.class_name} has no method {wanted}")]
