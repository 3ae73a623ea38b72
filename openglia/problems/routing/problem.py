"""The routing problem: one benchmark on one simulator, behind the door of every problem."""

import re
import threading
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openglia import paths
from openglia.files import read_handed_over
from openglia.presenting.score import Case, Line
from openglia.problems.problem import Check, Look, Problem, Progress, Say
from openglia.problems.routing import apart, asking, confirmation, scored_on, working_copy
from openglia.problems.routing.benchmark import cluster_words
from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.evaluation.baselines import (
    baselines_of,
    measure_baseline,
    with_constraints,
)
from openglia.problems.routing.evaluation.measuring import Evaluation, measure
from openglia.problems.routing.evaluation.scoring import evaluate
from openglia.problems.routing.evaluation.tables import evaluation_table
from openglia.problems.routing.family.task import TASK
from openglia.problems.routing.goal import goal
from openglia.problems.routing.hooks import ROUTER
from openglia.problems.routing.others import others
from openglia.problems.routing.presentation import RoutingPresentation
from openglia.problems.routing.simulators import Simulator, find, read_hash
from openglia.problems.routing.vidur import integrity
from openglia.problems.routing.vidur.checkout import Source
from openglia.problems.routing.vidur.facts import facts
from openglia.problems.routing.vidur.installation import is_installed
from openglia.problems.routing.workplace import workplace
from openglia.sandbox.layout import Workplace

if TYPE_CHECKING:
    from openglia.measuring.cluster import Cluster

MEASURED, GOAL = "<!-- measured -->", "<!-- objective -->"  # marks in problem.md
INTERFACE = Path(__file__).parent / "simulator" / "INTERFACE.md"

WITHOUT_VIDUR = """\
!! VIDUR IS NOT INSTALLED. Candidates are scored on the embedded simulator alone, and the final one
!! is not confirmed on Vidur. ./setup.sh installs it; OPENGLIA_VIDUR_REPO names a mirror."""

BEYOND_VIDUR = """\
!! VIDUR DOES NOT SIMULATE {}. Candidates are scored on the embedded simulator
!! alone, and the final one is not confirmed on Vidur."""


class Routing(Problem):
    """Discover a router for ``benchmark``; ``file`` is absolute, where it was given by a path."""

    kind = "routing"
    hook = ROUTER
    shown_by = RoutingPresentation
    task = TASK
    statement_file = paths.PROBLEM
    interfaces: tuple[Path, ...] = (INTERFACE,)  # what a candidate may read, Markdown
    working_file = paths.WORKING_SCHEDULER
    sources: tuple[str, ...] = (
        "environment/benchmarks",
        "environment/vidur_overrides",
        "environment/stubs/ai_global_scheduler_stub.py",
        "problem.md",
    )
    rules = True  # the static rules are in force: always, but where a flaw is planted

    def __init__(
        self, benchmark: Benchmark, simulator: Simulator, file: Path | None = None
    ) -> None:
        self.benchmark = benchmark
        self.simulator = simulator
        self.name = benchmark.name
        self.hash = benchmark.hash
        self.cases: tuple[int, ...] = benchmark.seeds
        self.held_out_cases: tuple[int, ...] = benchmark.held_out_seeds
        self.baselines = baselines_of(benchmark, self.hook)
        self.presentation = self.shown_by(
            benchmark.objective, constrained=bool(benchmark.constraints)
        )
        self.offline = replace(self.task, presentation=self.presentation)
        self._file = file
        trace = benchmark.workload.get("trace")
        if trace is not None and trace["repository"] is None:
            self.unseen = (Path(trace["file"]),)

    def statement(self, measured: str) -> str:
        """problem.md with the objective, and the baselines as measured on this machine."""
        words = (
            f"Measured on this machine for this run, benchmark `{self.name}`, "
            f"{len(self.cases)} evaluation seeds:\n\n{measured}"
        )
        return self._words(words)

    def brief(self) -> str:
        """Likewise without the commands, and what a candidate may read."""
        words = re.sub(r"(?ms)^## How to evaluate\n.*?(?=^## |\Z)", "", self._words(""))
        parts = [words, *map(read_handed_over, self.interfaces)]
        return "\n\n".join(map(str.strip, parts)) + "\n"

    @property
    def workplace(self) -> Workplace:
        """The experiment without the held-out seeds."""
        return workplace(paths.ROOT, self.working_file, (self.statement_file, *self.interfaces))

    def prepare(self, source: bytes | None = None, root: Path = paths.ROOT) -> None:
        working_copy.prepare(source or self.start.read_bytes(), self.working_file, root)

    def look(self, asked: Mapping[str, Any]) -> Look:
        """See ``asking.read``."""
        return asking.read(asked, self.benchmark)

    def measure(
        self,
        candidate: Path,
        look: Look,
        *,
        output: Path | None = None,
        jobs: int | None = None,
        progress: Progress | None = None,
        cancelled: threading.Event | None = None,
    ) -> Line:
        """See ``evaluation.scoring.evaluate``."""
        evaluation = evaluate(
            str(candidate),
            self._narrowed(look),
            seeds=_seeds(look),
            simulator=self.simulator,
            output_dir=output,
            jobs=jobs,
            stop_if_worse=look.asked.get("stop_if_worse"),
            request_metrics=look.asked.get("requests") is not False,
            hook=self.hook,
            rules=self.rules,
            progress=progress,
            cancelled=cancelled,
        )
        return self._line(evaluation, look)

    def measure_baseline(self, name: str, look: Look) -> Line:
        """See ``benchmark.baselines.measure_baseline``."""
        measured = measure_baseline(
            name, self.benchmark, seeds=_seeds(look), simulator=self.simulator, hook=self.hook
        )
        return self._line(measured, look)

    def fingerprint(self) -> str | None:
        """The embedded simulator's tables; Vidur's own checkout is never taken on trust."""
        if self.simulator.name != "embedded":
            return None
        return read_hash(self.simulator, self.benchmark.cluster)

    def on(self, cluster: "Cluster") -> Problem:
        """Seed by seed; the baselines too."""
        from openglia.problems.routing.evaluation.elsewhere import on_cluster  # late: few need it

        elsewhere = copy(self)
        elsewhere.simulator = on_cluster(self.simulator, cluster, self.benchmark.cluster)
        elsewhere.room = cluster.room
        return elsewhere

    def failed(self, rule: str, reason: str, look: Look, source: str | bytes | None = None) -> Line:
        """With the benchmark and the simulator."""
        where = {"benchmark": self.name, "simulator": self.simulator.name}
        return {**super().failed(rule, reason, look, source), **where}

    def told(self, line: Line) -> str:
        """The table of ``openglia evaluate``."""
        return evaluation_table(line, self.presentation.objective)

    def describe(self) -> dict[str, Any]:
        """With the benchmark in full and the simulator."""
        return {
            **super().describe(),
            "benchmark": scored_on.described(self.benchmark, self._file),
            "simulator": self.simulator.name,
        }

    def state(self) -> dict[str, Any]:
        """Vidur's."""
        return {"vidur": facts()}

    def of_line(self, line: Line) -> dict[str, Any]:
        """Where the execution times are from."""
        return {"execution_times": line.get("execution_times")}

    def keep(self, folder: Path) -> None:
        """Write ``benchmark.yaml``."""
        scored_on.keep(folder, self.benchmark)

    def differs(self, results: Mapping[str, Any]) -> str | None:
        """Another benchmark, other seeds or another simulator."""
        recorded = results["benchmark"]
        if (recorded["hash"], recorded["seeds"]) != (self.hash, list(self.cases)):
            return (
                f"was scored on benchmark {recorded['name']} (hash {recorded['hash']}, "
                f"{len(recorded['seeds'])} seeds) and not on {self.name} (hash {self.hash}, "
                f"{len(self.cases)} seeds): the scores do not compare; leave out --benchmark"
            )
        if results["simulator"] != self.simulator.name:
            return (
                f"was scored on the {results['simulator']} simulator; resume it with "
                f"--simulator {results['simulator']}"
            )
        return None

    def remark(self, results: Mapping[str, Any]) -> str | None:
        """The benchmark's file has changed."""
        return scored_on.remark(results, self.benchmark)

    def comparable(self, results: Mapping[str, Any], line: Line) -> bool:
        """On the run's simulator, with the run's execution times."""
        times = line.get("execution_times")
        return self.simulator.name == results["simulator"] and (
            times is None or times == results["execution_times"]
        )

    def introduction(self) -> list[str]:
        """What is replayed, what scores, and loudly if that is not confirmed on Vidur."""
        vidur = [] if is_installed() else [WITHOUT_VIDUR]
        if keys := self.benchmark.cluster.beyond_vidur:
            vidur = [BEYOND_VIDUR.format(" and ".join(f"cluster.{key}" for key in keys))]
        return [*scored_on.replayed_in_words(self.benchmark), *vidur]

    def difference(self, first: Path, second: Path, case: Case) -> str | None:
        """Request by request."""
        found = confirmation.difference(first, second, int(case))
        return str(found) if found.differing else None

    def measure_isolated(self, candidate: Path, look: Look, output: Path) -> Line | str | None:
        """See ``apart``."""
        if (why := apart.impossible(self.benchmark, self.simulator, self.hook.noun)) is not None:
            return why
        evaluation = measure(
            str(candidate),
            apart.with_patience(self.benchmark),
            seeds=_seeds(look),
            simulator="embedded",
            output_dir=output,
            hook=self.hook,
            isolated=True,
            rules=self.rules,
        )
        return self._line(with_constraints(evaluation, self.benchmark), look)

    def confirm(self, final: Path, say: Say) -> dict[str, Any] | None:
        """A few seeds on Vidur, where it is installed and did not score the run itself."""
        if self.simulator.name == "vidur" or not is_installed():
            return None
        if self.benchmark.cluster.beyond_vidur:
            say("verification: not on Vidur, which does not simulate this cluster")
            return None
        return confirmation.compare_with_vidur(self.benchmark, final, say, self.hook)

    def other_settings(self, names: Sequence[str] | None = None) -> list[Problem]:
        """Other benchmarks, on the embedded simulator; see ``others``."""
        return [type(self)(other, find("embedded")) for other in others(self.benchmark, names)]

    def examine(self) -> list[Check]:
        """Vidur's checkout."""
        return [integrity.check_checkout(Source.from_environment().commit)]

    def _words(self, measured: str) -> str:
        told = read_handed_over(self.statement_file).replace(GOAL, goal(self.benchmark))
        cluster = cluster_words.section(self.benchmark.cluster)
        return told.replace(MEASURED, "\n\n".join([*cluster, measured]))

    def _narrowed(self, look: Look) -> Benchmark:
        extent = self.benchmark.duration if look.extent is None else look.extent
        return replace(self.benchmark, duration=extent)

    def _line(self, evaluation: Evaluation, look: Look) -> Line:
        """The JSON line; on held-out seeds with the figures of each, to compare them in pairs."""
        line = evaluation.to_json()
        if evaluation.statistics is not None and set(look.cases) <= set(self.held_out_cases):
            by_seed = evaluation.statistics.by_seed
            line[self.presentation.keys.figures] = {name: list(v) for name, v in by_seed.items()}
        return line


def _seeds(look: Look) -> tuple[int, ...]:
    return tuple(int(case) for case in look.cases)
