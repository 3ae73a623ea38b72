"""Which bubblewrap is used: the system's if it works, else the packaged one."""

import shutil

import pytest

from openglia.sandbox import bubblewrap

BUNDLED = bubblewrap._bundled()


@pytest.fixture(autouse=True)
def forgotten():
    """What was found is found anew, before and after."""
    caches = (bubblewrap._found, bubblewrap.problem)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def test_the_packaged_one_serves_where_the_system_has_none(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert BUNDLED is not None
    assert bubblewrap.binary() == BUNDLED


def test_it_serves_also_where_the_systems_own_fails(monkeypatch, tmp_path):
    old = tmp_path / "bwrap"
    old.write_text("#!/bin/sh\necho 'bwrap: Unknown option --disable-userns' >&2\nexit 1\n")
    old.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda _: str(old))
    if bubblewrap.problem() is None:
        assert bubblewrap.binary() == BUNDLED
    monkeypatch.setattr(bubblewrap, "_bundled", lambda: None)
    bubblewrap._found.cache_clear()
    bubblewrap.problem.cache_clear()
    assert "Unknown option --disable-userns" in bubblewrap.problem()


def test_none_is_said(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(bubblewrap, "_bundled", lambda: None)
    assert bubblewrap.problem() == "bubblewrap is not installed"
