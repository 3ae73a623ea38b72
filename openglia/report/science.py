"""What was measured, found and tried, as parts of the page."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from openglia.paths import STUB
from openglia.report import prose, units, verdict
from openglia.report.data import Run, interval, number, read_text, text
from openglia.report.drawing import Absent, Plot
from openglia.report.markup import Html, element, folded, join, table
from openglia.report.parts import figure, note
from openglia.report.plots import label
from openglia.report.source import code_box, difference

COLUMNS: tuple[tuple[str, Callable[[Any], str]], ...] = (
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


def results_part(run: Run, plots: Sequence[Plot | Absent]) -> Html:
    """Every router on held-out and evaluation seeds."""
    parts: list[Html] = [figure(plot) for plot in plots]
    for group, words in (("held_out", "Held-out seeds"), ("evaluation", "Evaluation seeds")):
        rows = [
            [
                label(router),
                units.ratio(verdict.ratio_to_llq(run, group, router)),
                *(show(value.get(group)) for _, show in COLUMNS),
            ]
            for router, value in run.routers().items()
            if isinstance(value.get(group), Mapping)
        ]
        parts.append(element("h3", words))
        parts.append(
            table(
                f"Routers on the {words.lower()}",
                ["Router", "Ratio to LLQ", *(name for name, _ in COLUMNS)],
                rows,
                class_="figures",
            )
            if rows
            else note(f"Nothing is recorded for the {words.lower()}.")
        )
    parts.append(
        element(
            "p",
            "Simulated time; intervals are bootstrapped over seeds. p50, p90, p99: percentiles of "
            "the response time. TTFT: time to first token. TPOT: time per output token. Held: time "
            "from arrival until the router placed the request. Restarted: requests evicted from "
            "the KV cache at least once. KV use: blocks in use, mean over time and replicas.",
            class_="small",
        )
    )
    return join(parts)


def discovery_part(run: Run) -> Html:
    """The final router, what it changed in the stub, and the account of it."""
    parts: list[Any] = []
    if run.final_source is None:
        parts.append(note("There is no final_scheduler.py: no candidate evaluated cleanly."))
    else:
        parts.append(element("h3", "The final router"))
        origin = text(run.results, "final", "candidate")
        if origin:
            parts.append(element("p", "final_scheduler.py, the same as ", element("code", origin)))
        parts.append(code_box("final_scheduler.py", run.final_source, numbered=True))
        stub = read_text(STUB)
        if stub is not None:
            changes = difference(stub, run.final_source, "stub", "final_scheduler.py")
            parts.append(
                folded(
                    "Difference to the stub", code_box("Difference to the stub", changes, "diff")
                )
                if changes
                else note("The final router is the stub, unchanged.", "warning")
            )
    if run.solution is not None:
        parts.append(
            folded(
                "The account in solution.md",
                element("div", prose.render(run.solution, top=4), class_="prose"),
                class_="account",
            )
        )
    return join(parts)


def search_part(run: Run, plots: Sequence[Plot | Absent]) -> Html:
    """Every evaluation of the run."""
    rows = []
    best = {position for position, _ in run.best_so_far()}
    for score in run.scores:
        result = score.result
        outcome = (
            units.seconds(score.mean)
            if not score.failed
            else join(
                [
                    element("b", text(result, "rule") or "failed"),
                    ": ",
                    text(result, "reason") or "no reason recorded",
                ]
            )
        )
        candidate = score.candidate
        rows.append(
            [
                score.number,
                units.duration(score.elapsed),
                "full" if score.full else "narrowed",
                element("span", outcome, class_="reason" if score.failed else None),
                units.span(score.interval),
                units.ratio(number(result, "ratio_to_llq")),
                "new best" if score.number in best else "",
                element("code", candidate.removeprefix("candidates/")) if candidate else units.DASH,
            ]
        )
    listing = table(
        "All evaluations",
        [
            "No.",
            "At",
            "Scope",
            "Mean response time",
            "90 % interval (s)",
            "Ratio to LLQ",
            "Note",
            "Candidate",
        ],
        rows,
        class_="evaluations",
    )
    return join(
        [
            *(figure(plot) for plot in plots),
            folded(f"All {len(rows)} evaluations", listing) if rows else None,
        ]
    )
