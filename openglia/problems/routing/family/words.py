"""A router of the family in words, for the Researcher's account."""

from openglia.problems.routing.family.policy import ADMISSION, LOAD, ORDER, Parameters, settings
from openglia.problems.space import described


def explain(best: Parameters) -> str:
    """Its idea and its policy, as Markdown."""
    return f"{_idea(best)}\n\n{_policy(best)}"


def _idea(best: Parameters) -> str:
    held = (
        "Nobody is held back: every request is placed when it arrives."
        if best.admission == "none"
        else "What no replica admits is held back in the global queue and offered again at the "
        "next arrival or completion, when more is known and memory has been freed."
    )
    return (
        f"## The router\n\nOrder: {ORDER.means(best.order)}. "
        f"Admission: {ADMISSION.means(best.admission)}. "
        f"Among the replicas that admit a request: {LOAD.means(best.load)}. {held}"
    )


def _policy(best: Parameters) -> str:
    steps = []
    if best.learns:
        steps.append("Learn output lengths from what has completed on each replica.")
    if best.projects:
        steps.append(
            "Project each replica's memory: a request that has produced *a* tokens still runs *h* "
            "tokens later with the probability that the completed and running requests seen so "
            "far suggest (Kaplan-Meier); if so it holds its tokens so far plus *h*. Their sum has "
            f"a mean and a variance, for *h* up to {best.horizon}."
        )
    steps.append(f"Sort the queue: {ORDER.means(best.order)}.")
    if best.admission == "projected":
        steps.append(
            f"Admit while the highest projected mean plus {best.caution:g} standard deviations "
            f"leaves {best.margin:g} of the blocks free."
        )
    elif best.admission != "none":
        steps.append(f"Admit while {ADMISSION.means(best.admission)}.")
    least = LOAD.means(best.load).replace("fewest", "least:").replace("lowest", "least:")
    steps.append(f"Place on the replica with the {least}.")
    numbered = "\n".join(f"{number}. {step}" for number, step in enumerate(steps, start=1))
    return (
        f"Step by step, at every arrival and completion:\n\n{numbered}\n\n"
        f"Constants, found by the search: {described(settings(best))}."
    )
