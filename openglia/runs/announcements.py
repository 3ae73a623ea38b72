"""What a run tells its user, and its agents about the machine at hand."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from openglia import paths
from openglia.discovery.limits import left
from openglia.files import read_handed_over
from openglia.problems.routing.benchmark.tables import comparison_table, markdown
from openglia.runs.results import on_evaluation_seeds
from openglia.runs.solution import verdict, worse_lines
from openglia.runs.verification import Say

if TYPE_CHECKING:
    from openglia.discovery.experiment import Outcome, Used
    from openglia.runs.conduct import Options
    from openglia.runs.folder import RunFolder
    from openglia.runs.record import Record

MARK = "<!-- measured -->"

OFFLINE = """\
No model was named and no provider's key is in the environment, so the built-in researcher
`offline` is used. It is no language model: it searches a family of router policies by evaluation
alone, through the same loop, the same shell and the same scoring as a model would. To let a
language model work instead, give --model NAME or set OPENGLIA_MODEL (any model of fast-agent) and
its provider's key."""

WITHOUT_VIDUR = """\
!! VIDUR IS NOT INSTALLED. Routers are scored on the embedded simulator alone, and the final one
!! is not confirmed on Vidur. ./setup.sh installs it; OPENGLIA_VIDUR_REPO names a mirror."""


def introduce(
    folder: "RunFolder", options: "Options", sandbox: Any, results: Mapping[str, Any], say: Say
) -> None:
    """Say what is about to happen, and everything that the user may not expect."""
    say(f"run {folder.id}: benchmark {options.benchmark.name}, {options.simulator} simulator")
    choice = options.choice
    say(f"model {choice.model}: {choice.why}")
    if choice.model == "offline" and not choice.why.startswith("named by"):
        say(OFFLINE)
    if not results["vidur"]["installed"]:
        say(WITHOUT_VIDUR)
    say(f"sandbox {sandbox.name}: {sandbox.why}")
    if not sandbox.warning:
        for gap in sandbox.gaps:
            say(f"!  not denied: {gap}")
    if sandbox.warning:
        say(f"!! {sandbox.warning}")


def go_on(options: "Options", record: "Record", used: "Used", say: Say) -> None:
    """Say what a resumed run has left: its limits are the run's, not this process's."""
    rest = left(options.limits, used, record.evaluations_used)
    say(f"left of the run's limits: {rest}; --max-tokens and its like name new ones")


def problem(results: Mapping[str, Any]) -> str:
    """problem.md with the baselines as they were measured on this machine."""
    rows = [
        {"name": name, **result}
        for name, result in on_evaluation_seeds(results).items()
        if name != "final"
    ]
    benchmark = results["benchmark"]
    measured = (
        f"Measured on this machine for this run, benchmark `{benchmark['name']}`, "
        f"{len(benchmark['seeds'])} evaluation seeds:\n\n{markdown(comparison_table(rows))}"
    )
    return read_handed_over(paths.PROBLEM).replace(MARK, measured)


def discovery_ended(outcome: "Outcome", record: "Record", say: Say) -> None:
    """Say how the discovery ended."""
    reason = f": {outcome.reason}" if outcome.reason else ""
    say(f"discovery {outcome.status}{reason}; {record.evaluations_used} evaluations")
    if outcome.status == "interrupted":
        say("finishing the run with what it has; interrupt again to leave out the verification")


def conclude(folder: "RunFolder", results: Mapping[str, Any], say: Say) -> None:
    """Say what came of it."""
    say("")
    rows = [{"name": name, **result} for name, result in on_evaluation_seeds(results).items()]
    if rows:
        say(markdown(comparison_table(rows)).rstrip())
    say(verdict(results).replace("*", ""))
    for line in worse_lines(results):
        say(f"held-out seeds: {line}")
    for line in results["warnings"]:
        say(f"warning: {line}")
    reason = f" ({results['reason']})" if results["reason"] else ""
    say(f"{results['status']}{reason} after {results['elapsed_seconds']:.0f} s: {folder.path}")
    for name in ("solution.md", "report.html"):
        if (folder.path / name).exists():
            say(f"  {folder.path / name}")
