"""What a run tells its user."""

from openglia.discovery.experiment import Outcome, Used
from openglia.discovery.limits import left
from openglia.presenting.presentation import Presentation
from openglia.problems.problem import Say
from openglia.runs.folder import RunFolder
from openglia.runs.options import Options
from openglia.runs.record import Record
from openglia.runs.results import Results
from openglia.runs.solution import verdict, worse_lines
from openglia.sandbox.choosing import Sandbox
from openglia.tables import markdown

OFFLINE = """\
No model was named and no provider's key is in the environment, so the built-in researcher
`offline` is used. It is no language model: it searches a family of candidates by evaluation
alone, through the same loop, the same shell and the same scoring as a model would. To let a
language model work instead, give --model NAME or set OPENGLIA_MODEL (any model of fast-agent) and
its provider's key."""


def introduce(
    folder: RunFolder, options: Options, sandbox: Sandbox, results: Results, say: Say
) -> None:
    """Say what is about to happen, and everything that the user may not expect."""
    facts = options.problem.presentation.facts(results.to_json())
    say(f"run {folder.id}: {', '.join(f'{name} {value}' for name, value in facts)}")
    _who(options, say)
    for line in options.problem.introduction():
        say(line)
    say(f"{folder.report} shows how it stands, from the first evaluation on")
    say(f"sandbox {sandbox.name}: {sandbox.why}")
    if sandbox.warning:
        say(f"!! {sandbox.warning}")
        return
    for gap in sandbox.gaps:
        say(f"!  not denied: {gap}")


def _who(options: Options, say: Say) -> None:
    """Who does the research, and who supervises."""
    choice, agent = options.choice, options.agent
    if agent is not None:
        say(f"agent: {agent.command}")
        if agent.network:
            say(
                "!! --agent-network: the agent's command can reach any host, this machine's own "
                "services too, and what it can read it can send away"
            )
        if agent.variables:
            say(f"!  it gets the variables {', '.join(agent.variables)}")
    if options.model:
        say(f"model {choice.model}{'' if agent is None else ' supervises'}: {choice.why}")
    if options.offline and not choice.why.startswith("named by"):
        say(OFFLINE)
    if not options.supervised:
        why = "--no-supervisor" if not options.supervisor else "no model is configured for one"
        say(f"no Supervisor: {why}; nobody questions the account")


def go_on(options: Options, record: Record, used: Used, say: Say) -> None:
    """Say what a resumed run has left: its limits are the run's, not this process's."""
    rest = left(options.limits, used, record.evaluations_used)
    say(f"left of the run's limits: {rest}; --max-tokens and its like name new ones")


def discovery_ended(outcome: Outcome, record: Record, say: Say) -> None:
    """Say how the discovery ended."""
    reason = f": {outcome.reason}" if outcome.reason else ""
    say(f"discovery {outcome.status}{reason}; {record.evaluations_used} evaluations")
    if outcome.status == "interrupted":
        say("finishing the run with what it has; interrupt again to leave out the verification")


def conclude(folder: RunFolder, results: Results, shown: Presentation, say: Say) -> None:
    """Say what came of it."""
    say("")
    if lines := results.on_evaluation_cases:
        say(markdown(shown.table(lines)).rstrip())
    say(verdict(results, shown).replace("*", ""))
    for line in worse_lines(results):
        say(f"held-out {shown.case}s: {line}")
    for line in results.warnings:
        say(f"warning: {line}")
    reason = f" ({results.reason})" if results.reason else ""
    say(f"{results.status}{reason} after {results.elapsed_seconds:.0f} s: {folder.path}")
    for name in ("solution.md", "report.html"):
        if (folder.path / name).exists():
            say(f"  {folder.path / name}")
