"""What a generation leaves to the next one of its chain: an account, a digest, an archive."""

import shutil
from collections.abc import Sequence

from openglia.discovery import digests
from openglia.discovery.experiment import Inheritance, Outcome
from openglia.files import write_atomically
from openglia.presenting.presentation import Presentation
from openglia.runs.contexts import Stage
from openglia.runs.record import Record

BARREN = 3  # generations without gain, after which the next one leaves the family of ideas
_DIGEST, _ACCOUNT = "digest.md", "account.md"


def hand_over(stage: Stage, outcome: Outcome, record: Record, shown: Presentation) -> None:
    """Keep the account, and the digest: the Researcher's, or else what the record gives."""
    write_atomically(stage.path / _ACCOUNT, outcome.account)
    if stage.generations == 1:
        return
    text = outcome.digest
    if text is None:
        summary = record.summary_for_supervisor(stage.context)
        text = digests.from_record(outcome.account, _best(stage, record, shown), summary)
    write_atomically(stage.path / _DIGEST, text)
    write_atomically(stage.digest, text)


def join(stages: Sequence[Stage]) -> None:
    """Give every context the digests of all; ``stages``: the same generation of each."""
    own = [one for one in stages if (one.path / _DIGEST).is_file()]
    joined = "\n\n".join(
        f"# Of context {one.context}\n\n{(one.path / _DIGEST).read_text(encoding='utf-8')}"
        for one in own
    )
    for one in own:
        write_atomically(one.digest, joined)


def inherited(stage: Stage, record: Record, shown: Presentation) -> Inheritance | None:
    """What a generation finds; None: it is the first."""
    if stage.generation == 1:
        return None
    _fill_archive(stage, record, shown)
    best = record.best(stage.context)
    found_in = stage.generation if best is None else best.generation or 0
    return Inheritance(
        generation=stage.generation,
        generations=stage.generations,
        digest=stage.digest.read_text(encoding="utf-8"),
        archive=stage.archive,
        leave=found_in < stage.generation - BARREN,
    )


def _best(stage: Stage, record: Record, shown: Presentation) -> str:
    best = record.best(stage.context)
    if best is None:
        return "No candidate was evaluated cleanly on everything yet."
    score = shown.score(best.result)
    value = shown.objective.shown(score.value or 0.0)
    held = "".join(f"; {words}" for words in score.constraints)
    return f"Evaluation {best.number}: {shown.objective.words} {value}{held}."


def _fill_archive(stage: Stage, record: Record, shown: Presentation) -> None:
    """Candidates with their scores, accounts, and where scratch folders are."""
    candidates = stage.archive / "candidates"
    candidates.mkdir(parents=True, exist_ok=True)
    rows = []
    for one in record.of(stage.context):
        name = f"{one.number:04d}{shown.suffix}"
        if not (candidates / name).exists():
            shutil.copyfile(stage.folder.path / one.candidate, candidates / name)
        score = shown.score(one.result)
        value = (
            f"failed, {score.rule}: {score.reason}"
            if score.value is None
            else "; ".join([shown.objective.shown(score.value), *score.broken])
        )
        scope = f"all {shown.case}s" if one.full else shown.listed(score.cases)
        rows.append(f"| {one.number} | {one.generation} | {scope} | {value} | candidates/{name} |")
    parts = [
        "# Archive\n",
        f"| evaluation | generation | on | {shown.objective.words} | file |",
        "|---|---|---|---|---|",
        *rows,
        "",
    ]
    for earlier in stage.before:
        account = earlier.path / "account.md"
        if account.is_file():
            name = f"account_{earlier.generation}.md"
            shutil.copyfile(account, stage.archive / name)
            parts.append(f"- generation {earlier.generation}: its account is in `{name}`,")
            parts.append(f"  its scratch folder is `{earlier.scratch}`")
    write_atomically(stage.archive / "README.md", "\n".join(parts) + "\n")
