"""The two agents of a run with all that is kept of them, and what they are told."""

from openglia.discovery.activity import Activity
from openglia.discovery.experiment import Experiment
from openglia.discovery.limits import Budget, left
from openglia.discovery.prompts import prompt
from openglia.discovery.provider import Agents
from openglia.discovery.redaction import Redactor
from openglia.discovery.tracing import Journal, Trace, last_text
from openglia.discovery.turns import Turns
from openglia.discovery.verdict import Verdict, parse

# How often the Supervisor is asked again for an answer that can be read.
_REPEATED_QUESTIONS = 2


class Session:
    """One discovery under way."""

    def __init__(
        self, experiment: Experiment, agents: Agents, redactor: Redactor, activity: Activity
    ) -> None:
        self.budget = Budget(experiment.limits, experiment.record, agents.usage, experiment.used)
        self.account = ""  # the last one that the Researcher gave
        self.rounds = 0  # accounts given
        self.warnings: list[str] = []
        self._experiment = experiment
        self._agents = agents
        self._trace = Trace(experiment.run_dir, redactor)
        self._trace.install()
        self._trace.note("discovery", model=experiment.model, resume=experiment.resume)
        self._journals = []
        turns = []
        for agent in (agents.researcher, agents.supervisor):
            journal = Journal(self._trace, agent, self.budget, self._tell_spent, activity)
            agent.tool_runner_hooks = journal.hooks()
            self._journals.append(journal)
            turns.append(
                Turns(
                    agent,
                    journal,
                    experiment.patience,
                    lambda line: experiment.say(redactor.text(line)),
                )
            )
        self._researcher, self._supervisor = turns
        # Before anything may end the discovery, which saves the histories.
        self._loaded = experiment.resume and self._load()

    async def begin(self) -> None:
        """The first account: from the problem, or from where an earlier process was."""
        if self._loaded:
            record = self._experiment.record
            message = prompt(
                "resume",
                record=record.summary_for_supervisor(),
                left=left(self.budget.limits, self.budget.used, record.evaluations_used),
            )
            self._gave(await self._researcher.go_on(message))
            return
        limit = self.budget.seconds_left
        environment = self._experiment.environment
        message = prompt(
            "task",
            problem=self._experiment.problem.strip(),
            evaluations=self.budget.evaluations_left(),
            time="unlimited" if limit is None else f"{limit / 60:.0f} minutes for the whole run",
            run_id=environment.get("OPENGLIA_RUN_ID", self._experiment.run_dir.name),
            scratch=environment.get("OPENGLIA_SCRATCH_DIR", "$OPENGLIA_SCRATCH_DIR"),
        )
        self._gave(await self._researcher.work(message))

    async def review(self) -> Verdict | None:
        """The Supervisor's verdict on the last account; None if it gives none that can be read."""
        known = bool(self._agents.supervisor.message_history)
        answer = await self._supervisor.ask(
            prompt(
                "review_again" if known else "review",
                account=self.account,
                record=self._experiment.record.summary_for_supervisor(),
                round=self.budget.used.rounds + self.rounds,
                **({} if known else {"problem": self._experiment.problem.strip()}),
            )
        )
        for _ in range(_REPEATED_QUESTIONS):
            verdict = parse(answer)
            if isinstance(verdict, Verdict):
                return verdict
            answer = await self._supervisor.ask(prompt("unreadable", problem=verdict))
        verdict = parse(answer)
        if isinstance(verdict, Verdict):
            return verdict
        self.warnings.append(
            f"round {self.rounds}: the Supervisor gave no verdict that can be read ({verdict})"
        )
        return None

    async def refine(self, verdict: Verdict | None) -> None:
        """A further account, in answer to the Supervisor's questions."""
        left = self.budget.evaluations_left()
        if verdict is None:
            message = prompt("refine_unreviewed", evaluations=left)
        else:
            message = prompt(
                "refine", rating=verdict.rating, feedback=verdict.feedback, evaluations=left
            )
        self._gave(await self._researcher.work(message))

    def close(self, status: str, reason: str | None) -> None:
        """Save what is there, however the discovery ended."""
        for journal in self._journals:
            journal.save()
        if not self.account:
            self.account = last_text(self._journals[0].history())
        usage = self._agents.usage()
        if self._experiment.limits.max_tokens is not None and any(
            used.calls and not used.total for used in usage.values()
        ):
            self.warnings.append("the provider reports no token counts, so they are not limited")
        unknown = sum(used.calls - used.priced_calls for used in usage.values())
        if self._experiment.limits.max_cost is not None and unknown:
            self.warnings.append(
                f"the price of {unknown} calls is not known, so --max-cost does not limit them"
            )
        self._trace.note("discovery ended", status=status, reason=reason, rounds=self.rounds)

    def _gave(self, account: str) -> None:
        self.account = account
        self.rounds += 1
        self._tell_spent()

    def _tell_spent(self) -> None:
        if self._experiment.spent is not None:
            self._experiment.spent(self._agents.usage(), self.rounds)

    def _load(self) -> bool:
        """Load both histories; False if the Researcher has none, so that it starts afresh."""
        researcher, supervisor = self._journals
        supervisor.load(without_question=True)
        if not researcher.load():
            return False
        self.account = last_text(researcher.history())
        return True
