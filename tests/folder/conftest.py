"""Folders of our own in every form that is read."""

from pathlib import Path

import pytest

from openglia.problems.folder import source as folder_source

EVALUATOR = """\
def evaluate(program_path):
    names = {}
    exec(compile(open(program_path).read(), program_path, "exec"), names)
    return {"combined_score": names["answer"]()}
"""
PROGRAM = "def answer():\n    return 2.5 + 1\n"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_source.paths, "CACHE", tmp_path / "cache")


@pytest.fixture
def folder(tmp_path):
    """Makes a folder from the names and texts of its files."""

    def make(evaluator: str = EVALUATOR, program: str = PROGRAM, **files: str) -> Path:
        place = tmp_path / "hügel 1"
        place.mkdir(exist_ok=True)
        (place / "evaluator.py").write_text(evaluator)
        (place / "initial_program.py").write_bytes(program.encode())
        for name, text in files.items():
            (place / name.replace("__", ".")).write_text(text)
        return place

    return make
