"""Routing as a kind of problem: from options, or from a run's folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from openglia.presenting.presentation import Presentation
from openglia.problems.findings import Examination
from openglia.problems.problem import Problem
from openglia.problems.registry import Kind
from openglia.problems.routing import findings, scored_on
from openglia.problems.routing.benchmark.loading import is_path, load_benchmark
from openglia.problems.routing.presentation import PRESENTATION
from openglia.problems.routing.problem import Routing
from openglia.problems.routing.simulators import find, require

DEFAULT_BENCHMARK = "paper"


class RoutingKind(Kind):
    """See ``openglia.problems.registry.Kind``."""

    name = "routing"
    summary = "place LLM requests on the replicas of a serving cluster (Glia, arXiv 2510.27176)"
    presentation: Presentation = PRESENTATION
    problem: type[Routing] = Routing

    def open(self, benchmark: str | None, simulator: str, place: Path | None = None) -> Problem:
        """A benchmark by its name or its file."""
        del place
        named = benchmark or DEFAULT_BENCHMARK
        file = Path(named).resolve() if is_path(named) else None
        opened = load_benchmark(named)
        scored_on.usable(opened)
        require(chosen := find(simulator), opened)
        return self.problem(opened, chosen, file)

    def restore(self, folder: Path, results: Mapping[str, Any], simulator: str = "auto") -> Problem:
        """From results.json alone."""
        chosen = find(results["simulator"] if simulator == "auto" else simulator)
        file = results["benchmark"].get("file")
        benchmark = scored_on.restore(folder, results)
        scored_on.usable(benchmark)
        require(chosen, benchmark)
        return self.problem(benchmark, chosen, Path(file) if file else None)

    def shown(self, results: Any, _folder: Path) -> Presentation:
        """By the objective of the run."""
        return self.problem.shown_by.of(results)

    def examinations(self) -> list[Examination]:
        """The experiment's files, Vidur, the simulator."""
        return findings.EXAMINATIONS


KIND = RoutingKind()
