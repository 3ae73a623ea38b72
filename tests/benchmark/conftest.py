"""A small benchmark, routers good and bad, and a cache of their own."""

from pathlib import Path

import pytest

from openglia.problems.routing.benchmark.loading import load_benchmark
from openglia.problems.routing.evaluation import baselines, measuring

HEAD = """
from vidur.entities import Request
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler


class AIGlobalScheduler(BaseGlobalScheduler):
    def schedule(self) -> list[tuple[int, Request]]:
        self.sort_requests()
"""

ROUTERS = {
    # Each request to the replica with the fewest requests: LLQ, written as a user would.
    "llq": """
        placements = []
        load = {
            number: replica.num_pending_requests + replica.num_active_requests
            for number, replica in self._replica_schedulers.items()
        }
        while self._request_queue:
            request = self._request_queue.pop(0)
            target = min(load, key=lambda number: (load[number], number))
            load[target] += 1
            placements.append((target, request))
        return placements
    """,
    "first": """
        queue, self._request_queue[:] = list(self._request_queue), []
        return [(0, request) for request in queue]
    """,
    "raises": """
        raise ValueError("no idea where to send it")
    """,
    "endless": """
        while True:
            pass
    """,
    "nowhere": """
        queue, self._request_queue[:] = list(self._request_queue), []
        return [(17, request) for request in queue]
    """,
    "holds": """
        return []
    """,
    "peeks": """
        return [(request.num_decode_tokens, request) for request in self._request_queue]
    """,
}


@pytest.fixture
def router(tmp_path):
    """The path of a router's file, by name."""

    def write(name: str) -> str:
        path: Path = tmp_path / f"{name}.py"
        path.write_text(HEAD + ROUTERS[name].rstrip() + "\n")
        return str(path)

    return write


@pytest.fixture
def tiny(tmp_path):
    """The paper's setting for ten seconds, three seeds."""
    path = tmp_path / "tiny.yaml"
    path.write_text(
        "extends: paper\ndescription: for tests\nduration: 10\nseeds: 0-2\n"
        "held_out_seeds: [77, 78]\nlimits: {simulation_seconds: 120}\n"
    )
    return load_benchmark(str(path))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache instead of the user's, on disk and in memory."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(measuring, "CACHE", folder)
    monkeypatch.setattr(baselines, "CACHE", folder)
    monkeypatch.setattr(baselines, "_measured", {})
    return folder
