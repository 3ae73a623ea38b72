"""From a point of the family to a scheduler file that a person can read.

``router.py`` is the whole family as one router with an ``if`` for each alternative. A rendered file
holds only what its policy needs, as if it had been written for it.
"""

import ast
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from string import Template

from openglia.problems.routing.family.policy import ADMISSION, LOAD, ORDER, Parameters, settings
from openglia.problems.space import described

FAMILY = Path(__file__).with_name("router.py")
# Of requests that do not fit, so many are held back before all behind them wait too. More than one:
# those behind may overtake. The bound keeps a call cheap when thousands wait.
_HELD = {"no": 1, "yes": 8}


def render(parameters: Parameters) -> str:
    """The scheduler file of ``parameters``. It obeys the rules of ``problem.md``."""
    values = {name.upper(): value for name, value in asdict(parameters).items()} | {
        "PROJECTS": parameters.projects,
        "LEARNS": parameters.learns,
        "HELD": _HELD[parameters.overtaking],
    }
    source = with_values(FAMILY.read_text(encoding="utf-8"), values)
    return Template(without_unused(settled(source, values))).substitute(
        summary=textwrap.fill(f"Policy: {described(settings(parameters))}.", 96),
        order=ORDER.means(parameters.order),
        load=LOAD.means(parameters.load),
        admission=ADMISSION.means(parameters.admission).capitalize(),
        with_room=", with room for its output" if parameters.admission == "head_room" else "",
    )


def with_values(source: str, values: Mapping[str, object]) -> str:
    """The source with other values of the constants that ``values`` names."""

    def assignment(match: re.Match[str]) -> str:
        value = values[match[1]]
        return f"{match[1]} = {value:g}" if isinstance(value, float) else f"{match[1]} = {value!r}"

    return re.sub(rf"^({'|'.join(values)}) = \S+", assignment, source, flags=re.MULTILINE)


def settled(source: str, values: Mapping[str, object]) -> str:
    """The source without each ``if`` on ``values`` alone: its body stays if it holds, or goes."""
    lines = source.splitlines(keepends=True)
    kept, indents = [True] * len(lines), [0] * len(lines)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.If) and _mentioned(node.test) <= values.keys():
            assert not node.orelse, "an alternative is an if of its own"
            holds = eval(ast.unparse(node.test), {}, dict(values))
            body = range(node.test.end_lineno or 0, node.end_lineno or 0)  # lines, from 0
            for number in range(node.lineno - 1, body.stop):
                kept[number] &= holds and number in body
                indents[number] += 4
    return "".join(
        line.removeprefix(" " * indent)
        for line, stays, indent in zip(lines, kept, indents, strict=True)
        if stays
    )


def without_unused(source: str, entries: Sequence[str] = ("schedule",)) -> str:
    """The source without what nothing uses: constants, imports of one name, methods of its class
    that neither are ``entries`` nor serve them.

    Blank lines before it go with it, and so does what precedes the docstring.
    """
    lines = source.splitlines(keepends=True)
    tree = ast.parse(source)
    (router,) = (node for node in tree.body if isinstance(node, ast.ClassDef))
    parts = {name: node for node in (*tree.body, *router.body) if (name := _name(node))}
    used: set[str] = set()
    waiting = {"self.__init__", *(f"self.{entry}" for entry in entries)}.union(
        *map(_mentioned, router.bases)
    )
    while waiting:
        used |= waiting
        waiting = {
            name for known in waiting if known in parts for name in _mentioned(parts[known])
        } - used
    dropped = set(range(tree.body[0].lineno - 1))
    for name in parts.keys() - used:
        first = parts[name].lineno - 1
        while not lines[first - 1].strip():
            first -= 1
        dropped |= set(range(first, parts[name].end_lineno or 0))
    return "".join(line for number, line in enumerate(lines) if number not in dropped)


def _name(node: ast.stmt) -> str | None:
    """How a part of the source is mentioned elsewhere; None: it stays in any case."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name
        case ast.Import(names=[ast.alias(asname=str(name))]):
            return name
        case ast.ImportFrom(names=[ast.alias(name=name, asname=None)]):
            return name
        case ast.FunctionDef(name=name):
            return f"self.{name}"
    return None


def _mentioned(node: ast.AST) -> set[str]:
    """Names in the code, and those of attributes of ``self`` as ``self.name``."""
    found = set()
    for part in ast.walk(node):
        match part:
            case ast.Name(id=name):
                found.add(name)
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                found.add(f"self.{name}")
    return found
