"""The plan of the house: floors, no circles, a word of why for every import inside a function."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

from openglia.paths import ROOT

MODULES = sorted((ROOT / "openglia").rglob("*.py"))  # of the package, and its example
LATE = "Imports inside functions are"  # in the docstring of a module that explains all of its own


def test_contracts_of_pyproject_hold(capsys):
    failed = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_logo=True)
    assert not failed, capsys.readouterr().out


def test_a_broken_contract_is_found(tmp_path, monkeypatch, capsys):
    package = tmp_path / "house"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "upper.py").write_text("def late():\n    from house import lower\n")
    (package / "lower.py").write_text("def late():\n    from house import upper\n")
    contract = (
        '[tool.importlinter]\nroot_package = "house"\n[[tool.importlinter.contracts]]\n'
        'name = "circles"\ntype = "acyclic_siblings"\nancestors = ["house"]\n'
    )
    (tmp_path / "pyproject.toml").write_text(contract)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert lint_imports(config_filename=str(tmp_path / "pyproject.toml"), no_logo=True)
    capsys.readouterr()


def unexplained(source: str) -> Iterator[int]:
    """Lines with an import inside a function that neither a comment nor the module explains."""
    tree, lines = ast.parse(source), source.splitlines()
    if LATE in " ".join((ast.get_docstring(tree) or "").split()):
        return
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    nodes = {id(node): node for function in functions for node in ast.walk(function)}
    for body in [
        node.body for node in nodes.values() if isinstance(getattr(node, "body", 0), list)
    ]:
        explained = False
        for before, statement in zip([None, *body], body, strict=False):
            if not isinstance(statement, ast.Import | ast.ImportFrom):
                continue
            if not isinstance(before, ast.Import | ast.ImportFrom):  # the first of several
                above, own = (lines[statement.lineno - k].partition("#")[2] for k in (2, 1))
                explained = bool(above or own.replace("noqa: F401", "").strip())
            if not explained:
                yield statement.lineno


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_inside_functions_say_why(path: Path):
    assert list(unexplained(path.read_text())) == []


def test_one_without_a_reason_is_found():
    assert list(unexplained("def f():\n    import json\n")) == [2]
    assert list(unexplained("def f():\n    import json  # late: slow\n    import os\n")) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_has_a_docstring_and_at_most_300_lines(path: Path):
    source = path.read_text()
    said = ast.get_docstring(ast.parse(source)) or ""
    assert said.split("\n")[0].endswith((".", "?", ":", ";")), "one sentence first"
    assert len(source.splitlines()) <= 300 or "More than 300 lines" in said
