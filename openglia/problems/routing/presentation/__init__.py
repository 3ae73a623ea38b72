"""How a routing run is shown: the words, the columns, and the plots of one seed in detail."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from openglia.paths import STUB
from openglia.presenting import units
from openglia.presenting.drawing import Absent, Plot
from openglia.presenting.presentation import Objective, RunData
from openglia.presenting.tolerant import interval, number, read_text


class RoutingPresentation:
    """See ``openglia.presenting.presentation``."""

    title = "Router"
    yardstick = "llq"
    yardstick_label = "LLQ"
    objective = Objective("mean_response_time", "mean response time", "s")
    labels: Mapping[str, str] = {
        "round_robin": "round robin",
        "lor": "LOR",
        "stub": "stub (random)",
    }
    columns: Sequence[tuple[str, Callable[[Any], str]]] = (
        ("Mean (s)", lambda e: units.figure(number(e, "mean_response_time"))),
        ("90 % interval (s)", lambda e: units.span(interval(e, "interval"))),
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
        "response time. TTFT: time to first token. TPOT: time per output token. Held: time from "
        "arrival until the router placed the request. Restarted: requests evicted from the KV "
        "cache at least once. KV use: blocks in use, mean over time and replicas."
    )

    @property
    def start(self) -> str | None:
        """The stub's source."""
        return read_text(STUB)

    def plots(self, run: RunData) -> list[Plot | Absent]:
        """Distribution of response times, KV cache and queues, on one seed simulated again."""
        # Only a report needs these and the simulator behind them.
        from openglia.problems.routing.presentation import measured, request_plots

        try:
            again = measured.measure(run)
        except measured.NotMeasured as reason:
            return [
                Absent("response_times", "Distribution of response times", str(reason)),
                Absent("timeline", "KV cache and queues over time", str(reason)),
            ]
        return [request_plots.distribution(again), request_plots.timeline(again)]
