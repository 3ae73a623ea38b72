"""The page of one run."""

from collections.abc import Sequence
from importlib.resources import files

from openglia.report import conversation, units, verdict
from openglia.report.circumstances import cost_part, integrity_part, provenance_part
from openglia.report.data import Run, at, interval, number, text
from openglia.report.drawing import Absent, Plot
from openglia.report.markup import Html, document, element, join
from openglia.report.parts import figure, flag_mark, note
from openglia.report.science import discovery_part, results_part, search_part
from openglia.report.transcript import conversation_part

Section = tuple[str, str, Html]  # id, heading, content


def render(run: Run, plots: Sequence[Plot | Absent]) -> str:
    """The whole page as HTML text."""
    drawn = {plot.name: plot for plot in plots}
    sections: list[Section] = [
        (
            "results",
            "Results",
            results_part(run, [drawn[name] for name in ("routers", "seeds")]),
        ),
        ("discovery", "What was discovered", discovery_part(run)),
        ("search", "The search", search_part(run, [drawn["progress"]])),
        (
            "behaviour",
            "How it behaves",
            join(figure(drawn[name]) for name in ("response_times", "timeline")),
        ),
        (
            "conversation",
            "The agents' conversation",
            conversation_part(conversation.read(run.folder)),
        ),
        ("cost", "Cost and timing", cost_part(run)),
        ("integrity", "Integrity and verification", integrity_part(run)),
        ("provenance", "Provenance", provenance_part(run)),
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


def _header(run: Run) -> Html:
    results = run.results
    ended = verdict.status(run)
    final = at(results, "final")
    facts = [
        ("model", text(results, "model")),
        ("benchmark", text(results, "benchmark", "name")),
        ("simulator", text(results, "simulator")),
        ("started", units.moment(text(results, "started"))),
    ]
    tokens = sum(
        number(results, "usage", agent, kind) or 0
        for agent in conversation.AGENTS
        for kind in ("input_tokens", "output_tokens")
    )
    tiles = [
        (
            "Final router, mean response",
            units.seconds(number(final, "held_out", "mean_response_time")),
            f"held-out seeds, 90 % interval {units.span(interval(final, 'held_out', 'interval'))}",
        ),
        (
            "Relative to LLQ",
            *_relative(run),
        ),
        ("Evaluations", units.count(_evaluations(run)), _evaluation_words(run)),
        (
            "Wall time",
            units.duration(number(results, "elapsed_seconds")),
            f"{units.count(tokens)} tokens" if tokens else "no tokens recorded",
        ),
    ]
    remarks = [note(flag.meaning, flag.tone) for flag in verdict.flags(run) + verdict.worse(run)]
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


def _relative(run: Run) -> tuple[str, str]:
    """The ratio on held-out seeds, and in words what it is."""
    means = units.ratio(verdict.ratio_to_llq(run, "held_out"))
    seen = units.ratio(verdict.ratio_to_llq(run, "evaluation"))
    paired = verdict.paired_ratio(run)
    if paired is None:
        return means, f"held-out seeds; on evaluation seeds {seen}"
    ratio, spread = paired
    return units.ratio(ratio), (
        f"held-out seeds, seed by seed, {spread}; of the means {means}, on evaluation seeds {seen}"
    )


def _evaluations(run: Run) -> float | None:
    stated = number(run.results, "evaluations", "total")
    return stated if stated is not None else (len(run.scores) or None)


def _evaluation_words(run: Run) -> str:
    failed = sum(score.failed for score in run.scores)
    full = sum(score.full and not score.failed for score in run.scores)
    return f"{full} full, {failed} failed"
