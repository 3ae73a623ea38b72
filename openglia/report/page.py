"""The page of one run."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from openglia.paths import STUB
from openglia.report import conversation, prose, units, verdict
from openglia.report.data import Run, at, interval, number, read_text, text
from openglia.report.drawing import Absent, Plot, inline_svg
from openglia.report.markup import Html, document, element, folded, join, scroll_box, table
from openglia.report.plots import label
from openglia.report.source import code_box, difference
from openglia.report.transcript import conversation_part

Section = tuple[str, str, Html]  # id, heading, content


def render(run: Run, plots: Sequence[Plot | Absent]) -> str:
    """The whole page as HTML text."""
    drawn = {plot.name: plot for plot in plots}
    sections: list[Section] = [
        (
            "results",
            "Results",
            _results(run, [drawn[n] for n in ("routers", "seeds") if n in drawn]),
        ),
        ("discovery", "What was discovered", _discovery(run)),
        ("search", "The search", _search(run, [drawn[n] for n in ("progress",) if n in drawn])),
        (
            "behaviour",
            "How it behaves",
            join(_figure(drawn[n]) for n in ("response_times", "timeline") if n in drawn),
        ),
        (
            "conversation",
            "The agents' conversation",
            conversation_part(conversation.read(run.folder)),
        ),
        ("cost", "Cost and timing", _cost(run)),
        ("integrity", "Integrity and verification", _integrity(run)),
        ("provenance", "Provenance", _provenance(run)),
    ]
    contents = element(
        "nav",
        element(
            "ul", *(element("li", element("a", words, href=f"#{i}")) for i, words, _ in sections)
        ),
        class_="contents",
        aria_label="Contents",
    )
    body = join(
        [
            _header(run),
            contents,
            element(
                "main",
                *(
                    element(
                        "section",
                        element("h2", words, id=f"{ident}-heading"),
                        content,
                        id=ident,
                        aria_labelledby=f"{ident}-heading",
                    )
                    for ident, words, content in sections
                ),
            ),
        ]
    )
    return document(f"{run.name} – OpenGLIA", style(), body)


def style() -> str:
    """The style sheet, which is part of every page."""
    return files("openglia.report").joinpath("style.css").read_text()


def flag_mark(flag: verdict.Flag) -> Html:
    """A flag as a small label whose words carry the meaning, not its colour alone."""
    return element("span", flag.word, class_=f"flag {flag.tone}", title=flag.meaning)


def note(message: Any, tone: str = "plain") -> Html:
    """A remark that stands out."""
    return element("p", message, class_=f"note {tone}")


def _header(run: Run) -> Html:
    results = run.results
    ended = verdict.status(run)
    final = at(results, "final")
    facts = [
        ("model", text(results, "model")),
        ("benchmark", text(results, "benchmark", "name")),
        ("simulator", text(results, "simulator")),
        ("started", text(results, "started")),
    ]
    tiles = [
        (
            "Final router",
            units.seconds(number(final, "held_out", "mean_response_time")),
            f"held-out seeds, 90 % interval {units.between(interval(final, 'held_out', 'interval'))}",
        ),
        (
            "Relative to LLQ",
            units.ratio(verdict.ratio_to_llq(run, "held_out")),
            f"held-out seeds; {units.ratio(verdict.ratio_to_llq(run, 'evaluation'))} on evaluation seeds",
        ),
        ("Evaluations", units.count(_evaluations(run)), _evaluation_words(run)),
        (
            "Wall time",
            units.duration(number(results, "elapsed_seconds")),
            f"model {text(results, 'model') or units.DASH}",
        ),
    ]
    remarks = [note(flag.meaning, flag.tone) for flag in verdict.flags(run)]
    if ended.word != "completed":
        remarks.insert(
            0, note(join([element("strong", f"Run {ended.word}. "), ended.meaning]), ended.tone)
        )
    warnings = at(results, "warnings")
    if isinstance(warnings, list):
        remarks += [note(str(warning), "warning") for warning in warnings]
    if run.missing:
        remarks.append(
            element(
                "div",
                element("p", element("strong", "Missing in this folder:")),
                element("ul", *(element("li", words) for words in run.missing)),
                class_="note warning",
            )
        )
    return element(
        "header",
        element("p", "OpenGLIA run report", class_="eyebrow"),
        element("h1", run.name, " ", flag_mark(ended), *(flag_mark(f) for f in verdict.flags(run))),
        element("p", verdict.headline(run), class_="headline"),
        element(
            "p", *(element("span", f"{k} ", element("b", v)) for k, v in facts if v), class_="facts"
        ),
        element(
            "dl",
            *(
                element(
                    "div",
                    element("dt", name),
                    element("dd", value, class_="value"),
                    element("dd", words, class_="detail"),
                )
                for name, value, words in tiles
            ),
            class_="tiles",
        ),
        *remarks,
    )


def _evaluations(run: Run) -> float | None:
    stated = number(run.results, "evaluations", "total")
    return stated if stated is not None else (len(run.scores) or None)


def _evaluation_words(run: Run) -> str:
    failed = sum(score.failed for score in run.scores)
    full = sum(score.full and not score.failed for score in run.scores)
    return f"{full} full, {failed} failed"


def _figure(plot: Plot | Absent) -> Html:
    if isinstance(plot, Absent):
        return element(
            "div", element("h3", plot.title), note(f"Not drawn: {plot.reason}."), class_="absent"
        )
    return element(
        "figure",
        element("h3", plot.title, id=f"{plot.name}-title"),
        inline_svg(plot),
        element("figcaption", plot.caption),
        id=f"plot-{plot.name}",
        aria_labelledby=f"{plot.name}-title",
    )


COLUMNS: tuple[tuple[str, Callable[[Any], str]], ...] = (
    ("Mean", lambda e: units.seconds(number(e, "mean_response_time"))),
    ("90 % interval", lambda e: units.between(interval(e, "interval"))),
    ("p50", lambda e: units.seconds(number(e, "p50"))),
    ("p90", lambda e: units.seconds(number(e, "p90"))),
    ("p99", lambda e: units.seconds(number(e, "p99"))),
    ("TTFT mean", lambda e: units.seconds(number(e, "ttft_mean"))),
    ("TTFT p99", lambda e: units.seconds(number(e, "ttft_p99"))),
    ("TPOT mean", lambda e: units.seconds(number(e, "tpot_mean"))),
    ("Queue at router", lambda e: units.seconds(number(e, "queue_time_mean"))),
    ("Restarted", lambda e: units.percent(number(e, "restarted_share"))),
    ("KV in use", lambda e: units.percent(number(e, "kv_use_mean"))),
)


def _results(run: Run, plots: Sequence[Plot | Absent]) -> Html:
    parts: list[Html] = [_figure(plot) for plot in plots]
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
                ["Router", "To LLQ", *(name for name, _ in COLUMNS)],
                rows,
                class_="figures",
            )
            if rows
            else note(f"Nothing is recorded for the {words.lower()}.")
        )
    parts.append(
        element(
            "p",
            "Times are in seconds of simulated time. TTFT: time to first token. TPOT: time per output "
            "token. Restarted: share of requests evicted from the KV cache at least once.",
            class_="small",
        )
    )
    return join(parts)


def _discovery(run: Run) -> Html:
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


def _search(run: Run, plots: Sequence[Plot | Absent]) -> Html:
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
                units.between(score.interval),
                units.ratio(number(result, "ratio_to_llq")),
                "new best" if score.number in best else "",
                element("code", candidate.removeprefix("candidates/")) if candidate else units.DASH,
            ]
        )
    listing = table(
        "All evaluations",
        ["No.", "At", "Scope", "Mean response time", "90 % interval", "To LLQ", "", "Candidate"],
        rows,
        class_="evaluations",
    )
    return join(
        [
            *(_figure(plot) for plot in plots),
            folded(f"All {len(rows)} evaluations", listing) if rows else None,
        ]
    )


def _cost(run: Run) -> Html:
    usage = at(run.results, "usage")
    parts: list[Any] = []
    if isinstance(usage, Mapping) and any(isinstance(v, Mapping) for v in usage.values()):
        agents = {str(k): v for k, v in usage.items() if isinstance(v, Mapping)}
        names = list(dict.fromkeys(str(key) for value in agents.values() for key in value))
        rows = [
            [agent, *(units.count(number(value, name)) for name in names)]
            for agent, value in agents.items()
        ]
        parts += [
            element("h3", "Tokens"),
            table(
                "Tokens by agent",
                ["Agent", *(_words(name) for name in names)],
                rows,
                class_="figures",
            ),
        ]
    else:
        parts.append(note("No use of tokens is recorded."))
    timings = at(run.results, "timings")
    if isinstance(timings, Mapping) and timings:
        parts += [
            element("h3", "Wall time"),
            table(
                "Wall time by part",
                ["Part", "Time"],
                [
                    [
                        _words(str(key).removesuffix("_seconds")),
                        units.duration(number(value))
                        if number(value) is not None
                        else _plain(value),
                    ]
                    for key, value in timings.items()
                ],
                class_="figures",
            ),
        ]
    else:
        parts.append(note("No timings are recorded."))
    limits = at(run.results, "limits")
    if isinstance(limits, Mapping) and limits:
        parts += [element("h3", "Limits of the run"), _pairs(limits)]
    return join(parts)


def _integrity(run: Run) -> Html:
    parts: list[Any] = []
    checks = at(run.results, "integrity", "checks")
    if isinstance(checks, list) and checks:
        tones = {"passed": "good", "failed": "bad"}
        rows = [
            [
                text(check, "name") or units.DASH,
                element(
                    "span",
                    text(check, "outcome") or "unknown",
                    class_=f"flag {tones.get(text(check, 'outcome') or '', 'plain')}",
                ),
                element("span", _plain(at(check, "evidence")), class_="reason"),
            ]
            for check in checks
        ]
        parts += [
            element("h3", "Integrity checks"),
            table("Integrity checks", ["Check", "Outcome", "Evidence"], rows),
        ]
    else:
        parts.append(note("No integrity checks are recorded."))
    verification = at(run.results, "verification")
    if isinstance(verification, Mapping) and verification:
        parts += [element("h3", "Verification on held-out seeds"), _pairs(verification)]
    else:
        parts.append(note("The final router was not verified on held-out seeds."))
    return join(parts)


def _provenance(run: Run) -> Html:
    results = run.results
    name = run.folder.name
    benchmark = text(results, "benchmark", "name") or "paper"
    commands = "\n".join(
        [
            "# verify the final router again on the held-out seeds",
            f"python -m openglia verify generated/{name}",
            "# score it on the evaluation seeds",
            f"python -m openglia evaluate generated/{name}/final_scheduler.py --benchmark {benchmark}",
            "# write this report again",
            f"python -m openglia report generated/{name}",
        ]
    )
    known = {
        key: at(results, *key.split("."))
        for key in (
            "openglia", "run_id", "model", "seed", "started", "ended", "benchmark", "simulator",
            "execution_times", "vidur", "sandbox", "final.sha256", "versions",
        )
    }  # fmt: skip
    return join(
        [
            _pairs({key: value for key, value in known.items() if value is not None})
            if any(value is not None for value in known.values())
            else note("results.json records no provenance."),
            element("h3", "Commands to reproduce"),
            code_box("Commands to reproduce", commands, "bash"),
        ]
    )


def _pairs(values: Mapping[str, Any]) -> Html:
    """Nested values as one list of names and values."""
    items = [
        element("div", element("dt", name), element("dd", value))
        for name, value in _flat(values, "")
    ]
    return element("dl", *items, class_="pairs")


def _flat(values: Mapping[str, Any], prefix: str) -> Iterable[tuple[str, str]]:
    for key, value in values.items():
        name = f"{prefix}{_words(str(key))}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name} › ")
        else:
            yield name, _plain(value)


def _plain(value: Any) -> str:
    if value is None:
        return units.DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, int | float | str) for item in value):
        return ", ".join(_plain(item) for item in value)
    return json.dumps(value)


def _words(name: str) -> str:
    return name.replace("_", " ")
