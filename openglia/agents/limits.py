"""What a run may use: one place that counts and says when it is enough."""

from collections.abc import Callable, Mapping

from openglia.agents.experiment import Limits, Record, Usage

# Once the evaluations are used up the Researcher may still analyse and write its account: so
# many calls of the model, over all that is left of the run.
CLOSING_CALLS = 20


class LimitReached(Exception):  # noqa: N818  (an expected ending)
    """A limit of the run is reached; the message is its one-line reason."""


class Budget:
    """The limits of one run, against what was used."""

    def __init__(
        self, limits: Limits, record: Record, usage: Callable[[], Mapping[str, Usage]]
    ) -> None:
        self.limits = limits
        self._record = record
        self._usage = usage
        self._closing_calls = 0

    @property
    def tokens_used(self) -> int:
        """Input and output tokens of all agents."""
        return sum(usage.total for usage in self._usage().values())

    @property
    def evaluations_exhausted(self) -> bool:
        """Whether no evaluation is left."""
        limit = self.limits.max_evaluations
        return limit is not None and self._record.evaluations_used >= limit

    def before_call(self, *, by_researcher: bool) -> None:
        """To be called before each call of a model.

        Raises:
            LimitReached: the call is not to be made.
        """
        limit = self.limits.max_tokens
        if limit is not None and self.tokens_used >= limit:
            raise LimitReached(f"the token limit is reached ({self.tokens_used} of {limit})")
        if by_researcher and self.evaluations_exhausted:
            if self._closing_calls >= CLOSING_CALLS:
                raise LimitReached(self.evaluations_reason())
            self._closing_calls += 1

    def after_round(self, refinements: int) -> None:
        """To be called when a round is over that did not end the discovery.

        Raises:
            LimitReached: there is to be no further round.
        """
        if self.evaluations_exhausted:
            raise LimitReached(self.evaluations_reason())
        if refinements >= self.limits.max_refinements:
            raise LimitReached(f"the refinements are used up ({self.limits.max_refinements})")

    def evaluations_reason(self) -> str:
        """One line on the evaluations that are used up."""
        return f"the evaluations are used up ({self.limits.max_evaluations})"

    def time_reason(self) -> str:
        """One line on the time that is over."""
        return f"the time limit is reached ({self.limits.time_limit:g} s)"

    def evaluations_left(self) -> str:
        """For the prompts."""
        limit = self.limits.max_evaluations
        return "unlimited" if limit is None else str(max(limit - self._record.evaluations_used, 0))
