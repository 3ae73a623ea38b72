"""``openglia transfer``: how a candidate that was found on one setting fares on others.

Imports inside functions are late for --help.
"""

import argparse
import json
from pathlib import Path

from openglia.commands.run import say
from openglia.commands.score import FAILED
from openglia.commands.settings import settings
from openglia.errors import UsageError
from openglia.quantities import seconds
from openglia.tables import aligned


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("candidate", type=Path, metavar="ROUTER.py", help="the candidate's file")
    parser.add_argument("--problem", metavar="NAME", help="what it is for (default: routing)")
    parser.add_argument(
        "--benchmark", metavar="NAME", help="where it was found: name or YAML file (default: paper)"
    )
    parser.add_argument(
        "--to",
        type=settings,
        metavar="LIST",
        help="other benchmarks, by name or YAML file (default: those that follow a run)",
    )
    parser.add_argument(
        "--time-limit", type=seconds, metavar="TIME", help="of the others: 90, 15m (default: none)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON line only")


def run(arguments: argparse.Namespace) -> int:
    from openglia.problems.problem import source_of
    from openglia.problems.registry import DEFAULT, opened
    from openglia.report import transferred
    from openglia.runs import judgement, transfer

    home = opened(arguments.problem or DEFAULT, arguments.benchmark, "embedded")
    shown = home.presentation
    others = home.other_settings(arguments.to)
    if not others:
        raise UsageError(f"nothing follows a run on {home.name}; name other settings with --to")
    source_of(arguments.candidate)
    say(f"{home.name}: the candidate and the baselines on the held-out {shown.case}s")
    measured = {"final": home.measure(arguments.candidate, home.held_out)}
    score = shown.score(measured["final"])
    if not score.ok:
        say(f"openglia transfer: {arguments.candidate} fails on {home.name}: {score.reason}")
        return FAILED
    measured |= {name: home.measure_baseline(name, home.held_out) for name in home.baselines}
    checked = judgement.judge({}, measured, shown)
    found = transfer.measure(others, arguments.candidate, say, allowed=arguments.time_limit)
    transfer.judge(found, checked.ratio_held_out, shown)
    results = {
        **home.describe(),
        "baselines": {name: {"held_out": measured[name]} for name in home.baselines},
        "final": {"held_out": measured["final"]},
        "verification": checked.model_dump(),
        "transfer": found.model_dump(),
    }
    if arguments.json:
        print(json.dumps({key: results[key] for key in ("verification", "transfer")}))
    else:
        print(aligned(transferred.table(results, shown)))
        print(f"\n{transferred.note(results, shown)}\n\n{transferred.sentence(results)}.")
    return 0
