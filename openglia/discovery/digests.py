"""The digest that one generation of a chain hands over to the next: its form."""

import re

HEADINGS = (
    "## Best so far, and why it works",
    "## What was tried",
    "## What was refuted",
    "## Open questions",
    "## Next steps",
)
LONGEST = 6_000  # characters


def problem(text: str) -> str | None:
    """What is wrong with a digest, in a few words; None: it has its form."""
    if len(text) > LONGEST:
        return f"text has {len(text):,} characters, and at most {LONGEST:,} are wanted"
    found = [line.strip() for line in re.findall(r"(?m)^##? .*$", text)]
    missing = [heading for heading in HEADINGS if heading not in found]
    if missing:
        return f"text lacks the heading {missing[0]!r}"
    for heading in HEADINGS:
        _, _, rest = text.partition(heading)
        if not re.split(r"(?m)^## ", rest)[0].strip():
            return f"text says nothing under {heading!r}"
    return None


def from_record(account: str, best: str, record: str) -> str:
    """The digest as the harness writes it where the Researcher gave none.

    Args:
        account: the Researcher's last one, as far as it goes.
        best: one line on the best candidate so far.
        record: what was measured, Markdown.
    """
    account = account.strip() or "The Researcher left no account."
    room = LONGEST - 600 - len(record) - len(best)
    if len(account) > room:
        account = account[: max(room, 0)].rstrip() + " […]"
    told = account.replace("\n# ", "\n### ").replace("\n## ", "\n### ")
    bodies = (
        f"{best}\n\nThe last account, as the Researcher gave it:\n\n{told}",
        record,
        "The evaluations above that are worse than the best so far, and those that failed.",
        "None was written down.",
        "None was written down: look at the archive.",
    )
    parts = [f"{heading}\n\n{body}" for heading, body in zip(HEADINGS, bodies, strict=True)]
    return "\n\n".join(parts)[:LONGEST] + "\n"
