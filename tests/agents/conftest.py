"""A discovery with a model on the loopback interface."""

import asyncio
import gc
import os
import ssl
from dataclasses import dataclass
from pathlib import Path

import pytest

from openglia.discovery.experiment import Experiment, Limits, Outcome, Patience

PLANTED_KEY = "sk-planted-0123456789abcdef"
MODELS = {"openai": "generic.stand-in", "anthropic": "anthropic.claude-sonnet-5-5"}


class Unconfined:
    """A sandbox that marks its commands and confines nothing."""

    def command(self, argv, layout):
        return ["/usr/bin/env", f"IN_SANDBOX={layout}", *argv]


@dataclass
class Record:
    evaluations_used: int = 0
    summary: str = "1 evaluation: 54.3 s"

    def summary_for_supervisor(self):
        return self.summary


@dataclass
class Laboratory:
    """Runs discoveries in a folder of its own."""

    folder: Path
    environ: dict
    record: Record

    @property
    def root(self):
        return self.folder / "a root"

    @property
    def run_dir(self):
        return self.root / "generated" / "run_1"

    def read(self, name):
        return (self.run_dir / name).read_text()

    def experiment(self, model="generic.stand-in", *, patience=None, **changes):
        self.run_dir.mkdir(parents=True, exist_ok=True)
        return Experiment(
            run_dir=self.run_dir,
            root=self.root,
            problem="Route $requests to {{replicas}}.",
            model=model,
            record=self.record,
            sandbox=Unconfined(),
            layout="layout-1",
            environment={
                "PATH": os.environ["PATH"],
                "OPENGLIA_RUN_ID": "run_1",
                "OPENGLIA_SCRATCH_DIR": str(self.folder / "scratch"),
                "OPENGLIA_EVALUATOR": "/run/evaluator.sock",
            },
            patience=patience or Patience(call_retries=1, turn_retries=1, backoff=0.01, silence=20),
            **changes,
        )

    def discover(self, server, protocol="openai", *, limits=None, **changes) -> Outcome:
        from openglia.discovery.loop import discover

        self.serve(server)
        return asyncio.run(
            discover(self.experiment(MODELS[protocol], limits=limits or Limits(), **changes))
        )

    def serve(self, server):
        self.environ["GENERIC_BASE_URL"] = f"http://127.0.0.1:{server.port}/v1"
        self.environ["ANTHROPIC_BASE_URL"] = f"http://127.0.0.1:{server.port}"


@pytest.fixture
def lab(tmp_path, monkeypatch):
    # Each client would read the certificates of all authorities; no test gets as far as to one.
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda *_, **__: None)
    gc.freeze()  # a discovery collects garbage, and need not look through fast-agent each time
    # Nothing of the developer's own may decide a test, and nothing may be written to the home.
    home = tmp_path / "home"
    home.mkdir()
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_TOKEN", "_BASE_URL")) or name.startswith("FAST_AGENT"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GENERIC_API_KEY", PLANTED_KEY)
    monkeypatch.setenv("ANTHROPIC_API_KEY", PLANTED_KEY)
    monkeypatch.chdir(tmp_path)
    environ = _Environ(monkeypatch)
    yield Laboratory(tmp_path, environ, Record())
    assert list(home.iterdir()) == []


class _Environ(dict):
    def __init__(self, monkeypatch):
        self._monkeypatch = monkeypatch

    def __setitem__(self, name, value):
        self._monkeypatch.setenv(name, value)


@pytest.fixture(params=["openai", "anthropic"])
def protocol(request):
    return request.param
