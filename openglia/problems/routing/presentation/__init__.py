"""How a routing run is shown: the words, the columns, and the plots of one seed in detail."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from openglia import paths
from openglia.errors import OpenGliaError
from openglia.presenting import units
from openglia.presenting.drawing import Absent, Plot
from openglia.presenting.presentation import Figure, Group, Presentation, RunData
from openglia.presenting.score import Case, Line
from openglia.presenting.tolerant import at, interval, items, mapping, number, text
from openglia.problems.routing.benchmark.definition import BASELINE_WORDS, BEYOND_VIDUR, DEFAULT
from openglia.problems.routing.benchmark.objectives import OBJECTIVES
from openglia.problems.routing.evaluation.tables import comparison_table
from openglia.problems.routing.hooks import ROUTER
from openglia.problems.routing.presentation.keys import KEYS
from openglia.problems.routing.scored_on import argument
from openglia.problems.routing.seeds import format_seeds

Columns = Sequence[tuple[str, Callable[[Any], str]]]

# The objectives that are among the figures too, over the requests of all seeds, by their names.
_ALSO = {
    **{f"p{n}_response_time": f"p{n}" for n in (50, 90, 99)},
    "mean_ttft": "ttft_mean",
    "p99_ttft": "ttft_p99",
    "mean_tpot": "tpot_mean",
}


def _seconds(value: float) -> str:
    return f"{value:.0f} s" if abs(value) >= 100 else f"{value:.3g} s"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


class RoutingPresentation(Presentation):
    """See ``openglia.presenting.presentation``; of a benchmark's objective and constraints."""

    title = "Router"
    case = "seed"
    yardstick = "llq"
    yardstick_label = "LLQ"
    labels: Mapping[str, str] = {**BASELINE_WORDS, "stub": "stub (random)"}
    final_name = "final_scheduler.py"
    start = paths.STUB
    hook = ROUTER
    _columns: Columns = (
        ("Mean (s)", lambda e: units.figure(number(e, DEFAULT))),
        ("p50 (s)", lambda e: units.figure(number(e, "p50"))),
        ("p90 (s)", lambda e: units.figure(number(e, "p90"))),
        ("p99 (s)", lambda e: units.figure(number(e, "p99"))),
        ("TTFT (s)", lambda e: units.figure(number(e, "ttft_mean"))),
        ("TTFT p99 (s)", lambda e: units.figure(number(e, "ttft_p99"))),
        ("TPOT (s)", lambda e: units.figure(number(e, "tpot_mean"))),
        ("Held (s)", lambda e: units.figure(number(e, "queue_time_mean"))),
        ("Restarted (%)", lambda e: units.hundredths(number(e, "restarted_share"))),
        ("KV use (%)", lambda e: units.hundredths(number(e, "kv_use_mean"))),
    )
    legend = (
        "Simulated time; intervals are bootstrapped over seeds. p50, p90, p99: percentiles of the "
        "response time, over the requests of all seeds together, as are the columns after them; an "
        "objective and a constrained figure is the mean over seeds of each seed's own. "
        "TTFT: time to first token. TPOT: time per output token. Held: time from "
        "arrival until the router placed the request. Restarted: requests evicted from the KV "
        "cache at least once. KV use: blocks in use, mean over time and replicas."
    )
    # The time in the global queue is not among them: it is a part of the TTFT, and LLQ's is zero.
    _figures = (
        Figure(DEFAULT, "mean response time", _seconds),
        Figure("p50", "p50", _seconds),
        Figure("p90", "p90", _seconds),
        Figure("p99", "p99", _seconds),
        Figure("ttft_mean", "TTFT", _seconds),
        Figure("ttft_p99", "TTFT p99", _seconds),
        Figure("tpot_mean", "TPOT", _seconds),
        Figure("restarted_share", "restarted share", _percent),
        Figure("makespan", "makespan", _seconds),
    )

    def __init__(self, objective: str = DEFAULT, *, constrained: bool = False) -> None:
        """Args:
        objective: a name in ``benchmark.objectives``.
        constrained: whether the benchmark has constraints.
        """
        self.objective = OBJECTIVES[objective]
        self.keys = replace(KEYS, value=objective, ratio=f"ratio_to_{self.yardstick}")
        same = _ALSO.get(objective, objective)
        self.figures = [figure for figure in self._figures if figure.name != same]
        mean, *others = self._columns
        unit = f" ({self.objective.unit})" if self.objective.unit else ""
        of_objective = ("90 % interval" + unit, lambda e: units.span(interval(e, "interval")))
        first = [mean, of_objective]
        if objective != DEFAULT:
            title = f"{units.first_upper(self.objective.words)}{unit}"
            first = [(title, lambda e: units.figure(number(e, objective))), of_objective, mean]
        held = [("Constraints", lambda e: self.score(e).held)] if constrained else []
        self.columns = (*first, *held, *others)

    @classmethod
    def of(cls, results: Any) -> Self:
        """From a run's results; what is missing in them takes a default."""
        known = at(results, "benchmark", "definition")
        objective = text(known, "objective")
        return cls(
            objective if objective in OBJECTIVES else DEFAULT,
            constrained=bool(items(known, "constraints")),
        )

    @property
    def problem_words(self) -> list[str]:
        """The option of commands that says which problem it is, but for the default."""
        return [] if self.hook is ROUTER else ["--problem", self.hook.name]

    def spelled(self, cases: Sequence[Case]) -> str:
        """Ranges of seeds: 0-9."""
        return format_seeds([int(seed) for seed in cases])

    def table(self, lines: Group) -> list[list[str]]:
        """With p99, TTFT and restarts."""
        rows = [{"name": name, **line} for name, line in lines.items()]
        return comparison_table(rows, self.objective)

    def aside(self, line: Line) -> str:
        """The restarted share."""
        share = number(line, "restarted_share")
        return "" if share is None else f"restarted {_percent(share)}"

    def facts(self, results: Any) -> list[tuple[str, str]]:
        """Benchmark and simulator."""
        facts = [("benchmark", self.subject(results)), ("simulator", text(results, "simulator"))]
        return [(name, value) for name, value in facts if value]

    def subject(self, results: Any) -> str | None:
        """The benchmark's name."""
        return text(results, "benchmark", "name")

    def definition(self, results: Any) -> Mapping[str, Any]:
        """The benchmark in full."""
        return mapping(results, "benchmark", "definition")

    def cases(self, results: Any) -> tuple[Sequence[Case], Sequence[Case]]:
        """The benchmark's seeds."""
        known = at(results, "benchmark")
        return items(known, "seeds"), items(known, "held_out_seeds")

    def origin(self, results: Any) -> str:
        """Benchmark, simulator and execution times."""
        benchmark = results["benchmark"]
        origin = f"hash `{benchmark['hash']}`"
        if benchmark.get("file"):  # perhaps called like one that ships
            origin += f", from the file `{benchmark['file']}`"
        return (
            f"Benchmark `{benchmark['name']}` ({origin}), {results['simulator']} "
            f"simulator, execution times `{results.get('execution_times')}`. "
            f"{units.first_upper(self.objective.words)} over seeds with its 90 % bootstrap "
            f"interval; `to {self.yardstick_label}` is the ratio to {self.yardstick_label} on the "
            f"same seeds."
        )

    def confirmed(self, results: Any) -> tuple[str, str]:
        """What Vidur says, and whether it is there."""
        vidur = mapping(results, "vidur")
        cluster = mapping(results, "benchmark", "definition", "cluster")
        if keys := [f"cluster.{key}" for key in BEYOND_VIDUR if cluster.get(key)]:
            named = " and ".join(keys)
            return "", f"Vidur does not simulate {named}: nothing here was confirmed on it."
        if vidur.get("installed"):
            there = f"Vidur is installed at commit `{vidur.get('commit')}`."
        else:
            there = "Vidur is not installed: nothing here was confirmed on it."
        return _agreement(at(results, "verification", "agreement")), there

    def options(self, folder: Path, results: Any) -> list[str]:
        """Benchmark and simulator."""
        words = ["--benchmark", _scored_on(folder, results), "--simulator", results["simulator"]]
        return [*self.problem_words, *words]

    def evaluating(self, folder: Path, results: Any) -> str | None:
        """``openglia evaluate``."""
        final = paths.shown(folder / self.final_name)
        words = ["evaluate", str(final), *self.problem_words]
        words += ["--benchmark", _scored_on(folder, results)]
        return f"openglia {shlex.join(words)}"

    def plots(self, run: RunData) -> list[Plot | Absent]:
        """Distribution of response times, KV cache and queues, on one seed simulated again."""
        # Late: only a report needs these, and the simulator behind them.
        from openglia.problems.routing.presentation import measured, request_plots

        try:
            again = measured.measure(run, self.hook)
        except measured.NotMeasured as reason:
            return [
                Absent("response_times", "Distribution of response times", str(reason)),
                Absent("timeline", "KV cache and queues over time", str(reason)),
            ]
        return [
            request_plots.distribution(again, self.hook),
            request_plots.timeline(again, self.hook),
        ]


def _scored_on(folder: Path, results: Any) -> str:
    """What ``--benchmark`` takes; the name alone where the rest of the results is damaged."""
    try:
        return argument(folder, results)
    except (OpenGliaError, LookupError, TypeError):
        return text(results, "benchmark", "name") or "paper"


def _agreement(agreement: Any) -> str:
    if not isinstance(agreement, Mapping):
        return ""
    seeds = format_seeds(agreement["seeds"])
    if agreement["equal"]:
        return (
            f"Vidur gives all {agreement['requests']} requests of seeds {seeds} the same "
            f"completion times"
        )
    if agreement["required"]:
        return (
            f"THE SIMULATORS DISAGREE on {agreement['requests_differing']} of "
            f"{agreement['requests']} requests of seeds {seeds}"
        )
    means = agreement["mean_response_time"]
    return (
        f"on seeds {seeds} Vidur gives {means['vidur']:.2f} s and the embedded simulator "
        f"{means['embedded']:.2f} s, with other execution times"
    )


PRESENTATION = RoutingPresentation()
