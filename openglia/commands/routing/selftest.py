"""``openglia selftest``: plant a known flaw in the measuring and see the verdict expose it."""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

from openglia.commands.run import say
from openglia.files import sha256
from openglia.problems.routing import reference
from openglia.problems.routing.benchmark.definition import Benchmark
from openglia.problems.routing.benchmark.loading import load_benchmark
from openglia.problems.routing.problem import Routing
from openglia.problems.routing.simulators import find
from openglia.runs import judgement, solution, verification
from openglia.runs.results import Final, Integrity, Results
from openglia.tables import aligned

_FOLDER = Path(reference.__file__).parent
_LEAK = _FOLDER / "planted" / "leak.py"
_HONEST = _FOLDER / "routers" / "power_of_two.py"
BLOCKS = 800  # KV-cache blocks of a replica: with so few, who knows the lengths is far ahead


@dataclass(frozen=True)
class Case:
    """One verification; ``expected``: how it must come out, a word of ``_outcome``."""

    what: str
    router: Path
    rules: bool
    expected: str


CASES = (
    Case("flaw: the evaluator leaks lengths, the router reads them", _LEAK, False, "exposed"),
    Case("control: the same evaluator, an honest router", _HONEST, False, "passed"),
    Case("the evaluator as it is, the router that reads lengths", _LEAK, True, "refused"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Exit status: 0 the flaw is exposed and the control passes, 1 otherwise."


def run(_: argparse.Namespace) -> int:
    benchmark = tight()
    rows = [["case", "mean to LLQ's", "isolation", "expected", ""]]
    verdicts = []
    well = True
    for case in CASES:
        ratio, found, words = verify(case, benchmark)
        well = well and found == case.expected
        rows.append(
            [case.what, ratio, found, case.expected, "ok" if found == case.expected else "WRONG"]
        )
        verdicts.append(f"{case.what}:\n  {words}")
    print("\n" + aligned(rows) + "\n\n" + "\n".join(verdicts))
    return 0 if well else 1


def tight() -> Benchmark:
    """``smoke`` with little memory."""
    smoke = load_benchmark("smoke")
    policy = replace(smoke.cluster.replica_scheduler, num_blocks=BLOCKS)
    cluster = replace(smoke.cluster, replica_scheduler=policy)
    seeds, unseen = smoke.seeds[:2], smoke.held_out_seeds[:2]
    return replace(smoke, name="selftest", cluster=cluster, seeds=seeds, held_out_seeds=unseen)


def verify(case: Case, benchmark: Benchmark) -> tuple[str, str, str]:
    """Verify a final router as a run does: its ratio to LLQ, the outcome, the verdict."""
    problem = Routing(benchmark, find("embedded"))
    problem.rules = case.rules
    problem.baselines = ("llq",)
    shown = problem.presentation
    say(f"\n{case.what}")
    seen = verification.measure(problem, problem.everything, {"final": case.router}, say)
    lines, isolated = verification.measure_held_out(problem, case.router, say)
    final = lines["final"]
    if (ratio := shown.score(final).ratio) is None:
        return "-", "refused" if final["rule"] == "rules" else "failed", final["reason"]
    checked = judgement.judge(seen, lines, shown)
    checked.isolation = isolated
    integrity = Integrity(ok=True, checks=[])
    if isolated is not None:
        integrity.add(isolated)
    source = sha256(case.router.read_bytes())
    results = Results(
        run_id="selftest",
        outcome=None,
        final=Final(candidate=case.router.name, number=1, sha256=source, evaluation=final),
        verification=checked,
        integrity=integrity,
    )
    words = solution.verdict(results, shown)
    outcome = "none" if isolated is None else isolated.outcome
    exposed = not integrity.ok and "NOT THE SAME IN ISOLATION" in words
    return f"{ratio:.3f}", "exposed" if exposed else outcome, words
