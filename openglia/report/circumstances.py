"""What a run cost, what speaks for its figures, and where they come from, as parts of the page."""

from collections.abc import Mapping
from typing import Any

from openglia.report import units, verdict
from openglia.report.data import Run, at, number, text
from openglia.report.markup import Html, element, folded, join, table
from openglia.report.parts import note, pairs, plain, words_of
from openglia.report.source import code_box


def cost_part(run: Run) -> Html:
    """Tokens, wall time and limits."""
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
                ["Agent", *(words_of(name) for name in names)],
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
                        words_of(str(key).removesuffix("_seconds")),
                        units.duration(number(value))
                        if number(value) is not None
                        else plain(value),
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
        parts += [element("h3", "Limits of the run"), pairs(limits)]
    return join(parts)


def integrity_part(run: Run) -> Html:
    """The harness's checks and the verification of the final router."""
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
                element("span", plain(at(check, "evidence")), class_="reason"),
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
        rest = {key: value for key, value in verification.items() if key != "worse"}
        parts += [element("h3", "Verification on held-out seeds"), pairs(rest)]
        if worse := verdict.worse(run):
            parts.append(element("ul", *(element("li", flag.meaning) for flag in worse)))
    else:
        parts.append(note("The final router was not verified on held-out seeds."))
    return join(parts)


def _benchmark_argument(run: Run) -> str:
    """What --benchmark takes to score on the same again."""
    from openglia.runs.folder import RunFolder
    from openglia.runs.scored_on import argument

    if all(text(run.results, "benchmark", key) for key in ("name", "hash")):
        return argument(RunFolder(run.folder), run.results)
    return "paper"


def provenance_part(run: Run) -> Html:
    """Versions, hashes and the commands that repeat the figures."""
    results = run.results
    folder = f"generated/{run.folder.name}"
    benchmark = _benchmark_argument(run)
    commands = "\n".join(
        [
            "# verify the final router again on the held-out seeds",
            f"python -m openglia verify {folder}",
            "# score it on the evaluation seeds",
            f"python -m openglia evaluate {folder}/final_scheduler.py --benchmark {benchmark}",
            "# write this report again",
            f"python -m openglia report {folder}",
        ]
    )
    known = {
        key: at(results, *key.split("."))
        for key in (
            "openglia", "run_id", "model", "seed", "started", "ended", "benchmark", "simulator",
            "execution_times", "vidur", "sandbox", "final.sha256", "versions",
        )
    }  # fmt: skip
    definition = at(results, "benchmark", "definition")
    if isinstance(definition, Mapping):
        rest = {k: v for k, v in results["benchmark"].items() if k != "definition"}
        known["benchmark"] = rest
    return join(
        [
            pairs({key: value for key, value in known.items() if value is not None})
            if any(value is not None for value in known.values())
            else note("results.json records no provenance."),
            folded("The benchmark in full", pairs(definition))
            if isinstance(definition, Mapping)
            else None,
            element("h3", "Commands to reproduce"),
            code_box("Commands to reproduce", commands, "bash"),
        ]
    )
