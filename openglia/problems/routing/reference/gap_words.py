"""The section of RESULTS.md on the gap between the known routers and the clairvoyant."""

from statistics import fmean

from openglia.measuring.bootstrap import bootstrap_interval
from openglia.measuring.pairs import compare
from openglia.problems.routing.reference.gap import (
    ALL,
    FOR_MEMORY,
    FOR_ORDER,
    INFLATION,
    LATE,
    LENGTH,
    UNINFORMED,
    Policy,
)
from openglia.problems.routing.reference.informed import AHEAD
from openglia.problems.routing.reference.references import CLAIRVOYANT, REFERENCES
from openglia.problems.routing.reference.reproduce import Gap, Table
from openglia.tables import markdown


def section(gap: Gap, table: Table) -> list[str]:
    """Lines of Markdown; ``table`` is that of the same benchmark."""
    mean = {policy: fmean(figures["mean"]) for policy, figures in gap.policies.items()}
    others = {policy: fmean(figures["of_others"]) for policy, figures in gap.policies.items()}
    facts = {name: fmean(values) for name, values in gap.facts.items()}
    known = min(table.rows[r.label]["mean_response_time"] for r in REFERENCES)
    clairvoyant = table.rows[CLAIRVOYANT.label]["mean_response_time"]
    width = mean[UNINFORMED] - mean[ALL]

    def closed(policy: Policy) -> str:
        share = (mean[UNINFORMED] - mean[policy]) / width
        return f"{share:.0%} of it" if share > 0 else "none of it"

    return [
        f"## What the gap on {gap.benchmark.name} consists of",
        "",
        f"The best of the known routers has {known:.2f} s, the clairvoyant {clairvoyant:.2f} s. To "
        "see what lies between, one policy is given one piece of knowledge after the other: the "
        "smallest expected total first, to the replica with the lowest expected peak of memory, "
        "admitted while that fits. An output is a length, and for some requests a multiple of it. "
        "These are two secrets, independent of each other and of all that a router sees.",
        "",
        f"- **What it is about.** {facts['inflated']:.1%} of the requests have an inflated output. "
        f"They hold {facts['memory']:.0%} of the memory over time (tokens held, summed over "
        "iterations). Nothing tells them from the others before they have produced more than the "
        "others can.",
        f"- **Knowing only what may be known** (the exact distribution of outputs, and what each "
        f"request has produced so far), the policy has {mean[UNINFORMED]:.2f} s; knowing all, "
        f"{mean[ALL]:.2f} s. That is a gap of {width:.2f} s.",
        f"- **Which requests are inflated**, one bit for each, closes {closed(INFLATION)}; the "
        f"length before inflation {closed(LENGTH)}; both together all of it. An output that is "
        f"known once the request has passed the mean output closes {closed(LATE)}: it has been "
        "placed, and a router takes nothing back.",
        f"- **It is the order.** All outputs known for the order alone, and memory projected as by "
        f"the uninformed policy, close {closed(FOR_ORDER)}; known for admission and placement "
        f"alone {closed(FOR_MEMORY)}. The gain is to hold back the few that take most of the "
        "memory, not to fill the memory more exactly.",
        f"- **Who gains.** From the uninformed policy to the one that knows all, the mean of the "
        f"requests that are not inflated falls from {others[UNINFORMED]:.2f} to "
        f"{others[ALL]:.2f} s.",
        f"- **Bounds.** No router, clairvoyant or not, has less than {facts['alone']:.2f} s: that "
        "is the mean if each request had a replica of its own, and in this simulator company makes "
        "no batch shorter. A router that may know only what routers know can have "
        f"{mean[UNINFORMED]:.2f} s: the uninformed policy does, and the best known router "
        f"{known:.2f} s. How far below that one without foresight can get is not proven here.",
        "",
        markdown(_cells(gap)),
        f"The uninformed policy leaves {UNINFORMED.margin:.0%} of the memory free, which was the "
        f"best of a few shares in hindsight; the one that knows all {ALL.margin:.0%}. The "
        "clairvoyant of the tables looks at the end of each request, the policy here at "
        f"{len(AHEAD)} points ahead: in that they differ.",
        "",
    ]


def _cells(gap: Gap) -> list[list[str]]:
    cells = [["policy", "mean", "90 %", "to the uninformed", "inflated", "others", "restarted"]]
    uninformed = gap.policies[UNINFORMED]["mean"]
    for policy, figures in gap.policies.items():
        interval = bootstrap_interval(figures["mean"])
        paired = compare(figures["mean"], uninformed)
        ratio = f"{paired.value:.3f}"
        if paired.interval:
            ratio += f" ({paired.interval[0]:.2f} to {paired.interval[1]:.2f})"
        cells.append(
            [
                policy.words,
                f"{fmean(figures['mean']):.2f}",
                f"{interval[0]:.1f} to {interval[1]:.1f}" if interval else "",
                "" if policy is UNINFORMED else ratio,
                f"{fmean(figures['of_inflated']):.1f}",
                f"{fmean(figures['of_others']):.2f}",
                f"{fmean(figures['restarted']):.1%}",
            ]
        )
    return cells
