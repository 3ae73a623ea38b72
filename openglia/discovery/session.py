"""The two agents of a run with all that is kept of them, and what they are told."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from openglia.discovery import command, digests
from openglia.discovery.activity import Activity
from openglia.discovery.experiment import Experiment
from openglia.discovery.limits import Budget, left
from openglia.discovery.prompts import prompt
from openglia.discovery.provider import Agents
from openglia.discovery.redaction import Redactor
from openglia.discovery.tracing import Journal, Trace
from openglia.discovery.turns import Turns
from openglia.discovery.verdict import Verdict, parse

# How often the Supervisor is asked again for an answer that can be read.
_REPEATED_QUESTIONS = 2
# Of a model's context window, at which a generation hands over to the next one.
_FULL = 80.0  # %


class Researcher(Protocol):
    """Who does the research: ``Turns`` of an agent, or a ``CommandResearcher``."""

    remembers: bool  # what it was told in earlier rounds

    async def work(self, text: str) -> str:
        """Work on what is said, and return an account."""

    async def ask(self, text: str) -> str:
        """Answer, without work."""

    async def go_on(self, text: str) -> str:
        """Finish the work that an earlier process began, or begin some with ``text``."""

    def load(self, *, without_question: bool = False) -> bool:
        """Take up what an earlier process left; False if there is nothing."""

    def save(self) -> None:
        """Keep what is there."""

    def last_words(self) -> str:
        """The last thing that it said; empty if nothing."""


class Session:
    """One discovery under way."""

    def __init__(
        self, experiment: Experiment, agents: Agents, redactor: Redactor, activity: Activity
    ) -> None:
        self.budget = Budget(
            experiment.limits,
            experiment.record,
            agents.usage,
            experiment.used,
            elsewhere=experiment.elsewhere,
            enough=self._enough,
        )
        self.account = ""  # the last one that the Researcher gave
        self.rounds = 0  # accounts given
        self.warnings: list[str] = []
        self._experiment = experiment
        self._agents = agents
        self._redactor = redactor
        self._activity = activity
        self._reviewed_at = experiment.record.evaluations_used
        self._trace = Trace(experiment.run_dir, redactor, experiment.shared_dir)
        if agents.present:
            self._trace.install()
        self._trace.note("discovery", model=experiment.model, resume=experiment.resume)
        self._researcher: Researcher = (
            self._turns(agents.researcher, self._interject)
            if experiment.agent is None
            else command.CommandResearcher(experiment, self.budget, redactor, activity)
        )
        self._supervisor = self._turns(agents.supervisor) if experiment.supervised else None
        # Before anything may end the discovery, which saves the histories.
        self._loaded = experiment.resume and self._load()

    @property
    def supervised(self) -> bool:
        """Whether there is a Supervisor to ask."""
        return self._supervisor is not None

    async def begin(self) -> None:
        """The first account: from the problem, or from where an earlier process was."""
        if not self._loaded:
            self._gave(await self._researcher.work(self._task))
            return
        record = self._experiment.record
        rest = left(self.budget.limits, self.budget.used, record.evaluations_used)
        message = prompt("resume", record=record.summary_for_supervisor(), left=rest)
        self._gave(await self._researcher.go_on(self._reminded(message)))

    async def review(self, account: str | None = None) -> Verdict | None:
        """The Supervisor's verdict on an account; None if it gives none that can be read.

        Args:
            account: default the last one; another is what is said in the middle of a turn.
        """
        assert self._supervisor is not None
        self._reviewed_at = self._experiment.record.evaluations_used
        known = bool(self._agents.supervisor.message_history)
        answer = await self._supervisor.ask(
            prompt(
                "review_again" if known else "review",
                account=self.account if account is None else account,
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
        """A further account, in answer to the Supervisor's questions, where there are any."""
        left = self.budget.evaluations_left()
        if verdict is not None:
            message = prompt(
                "refine", rating=verdict.rating, feedback=verdict.feedback, evaluations=left
            )
        else:
            name = "refine_unreviewed" if self.supervised else "refine_alone"
            message = prompt(name, evaluations=left)
        self._gave(await self._researcher.work(self._reminded(message)))

    async def digest(self) -> str | None:
        """What the Researcher hands over to the next generation; None if it gives nothing usable.

        A program of the user's is not run for it: the harness writes it from account and record.
        """
        if not self._researcher.remembers:
            return None
        self.budget.closing = True
        record = self._experiment.record.summary_for_supervisor()
        longest = f"{digests.LONGEST:,}"
        headings = "\n".join(digests.HEADINGS)
        message = prompt("digest", record=record, longest=longest, headings=headings)
        for _ in range(1 + _REPEATED_QUESTIONS):
            answer = await self._researcher.ask(message)
            problem = digests.problem(answer)
            if problem is None:
                return answer
            message = prompt("digest_again", problem=problem, longest=longest, headings=headings)
        self.warnings.append(f"the digest was written by the harness: the Researcher's {problem}")
        return None

    def close(self, status: str, reason: str | None) -> None:
        """Save what is there, however the discovery ended."""
        for agent in (self._researcher, self._supervisor):
            if agent is not None:
                agent.save()
        if not self.account:
            self.account = self._researcher.last_words()
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

    @property
    def _task(self) -> str:
        """All that the Researcher has to know."""
        limit = self.budget.seconds_left
        experiment, environment = self._experiment, self._experiment.environment
        task = prompt(
            "task",
            problem=experiment.problem.strip(),
            evaluations=self.budget.evaluations_left(),
            time="unlimited" if limit is None else f"{limit / 60:.0f} minutes for the whole run",
            run_id=environment.get("OPENGLIA_RUN_ID", experiment.run_dir.name),
            scratch=environment.get("OPENGLIA_SCRATCH_DIR", "$OPENGLIA_SCRATCH_DIR"),
        )
        if (inherited := experiment.inherited) is not None:
            task += "\n\n" + prompt(
                "generation",
                generation=inherited.generation,
                generations=inherited.generations,
                digest=inherited.digest.strip(),
                archive=inherited.archive,
                leave=prompt("leave") if inherited.leave else "",
            )
        if experiment.agent is None:
            return task  # its instruction says the rest
        how = prompt("command", case=experiment.case, longest=f"{command.LONGEST_ACCOUNT:,}")
        return f"{how}\n\n---\n\n{task}"

    def _reminded(self, message: str) -> str:
        """The message, after all that who has no memory has to know."""
        if self._researcher.remembers:
            return message
        return prompt(
            "again",
            task=self._task,
            record=self._experiment.record.summary_for_supervisor(),
            account=self.account or "(there is none)",
            message=message,
        )

    def _enough(self) -> str | None:
        """Why the Researcher has worked enough before any limit is reached."""
        if (why := self._experiment.enough()) is not None:
            return why
        if not self._experiment.hands_over or self._agents.researcher is None:
            return None
        usage = self._agents.researcher.usage_accumulator
        share = None if usage is None else usage.context_usage_percentage
        if share is None or share < _FULL:
            return None
        return f"the context window is nearly full ({share:.0f} %)"

    async def _interject(self) -> str | None:
        """The Supervisor's questions in the middle of a turn, if they are due."""
        every, used = self._experiment.review_every, self._experiment.record.evaluations_used
        if every is None or not self.supervised or used - self._reviewed_at < every:
            return None
        account = self._researcher.last_words()
        verdict = await self.review(account or "(It is at work, and has said nothing yet.)")
        return None if verdict is None else prompt("interjected", feedback=verdict.feedback)

    def _turns(
        self, agent: Any, interject: Callable[[], Awaitable[str | None]] | None = None
    ) -> Turns:
        experiment, spent = self._experiment, self._tell_spent
        journal = Journal(self._trace, agent, self.budget, spent, self._activity, interject)
        agent.tool_runner_hooks = journal.hooks()

        def say(line: str) -> None:
            experiment.say(self._redactor.text(line))

        return Turns(agent, journal, experiment.patience, say)

    def _gave(self, account: str) -> None:
        self.account = account
        self.rounds += 1
        self._tell_spent()

    def _tell_spent(self) -> None:
        if self._experiment.spent is not None:
            self._experiment.spent(self._agents.usage(), self.rounds)

    def _load(self) -> bool:
        """Load both histories; False if the Researcher has none, so that it starts afresh."""
        if self._supervisor is not None:
            self._supervisor.load(without_question=True)
        if not self._researcher.load():
            return False
        self.account = self._researcher.last_words()
        return True
