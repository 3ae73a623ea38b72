"""What a run may use: one place that counts and says when it is enough."""

from collections.abc import Callable, Mapping
from datetime import timedelta

from openglia.discovery.experiment import Limits, Record, Usage, Used

# Once the evaluations are used up the Researcher may still analyse and write its account: so
# many calls of the model, over all that is left of the run.
CLOSING_CALLS = 20

_NOTHING = Used()


class LimitReached(Exception):  # noqa: N818  (an expected ending)
    """A limit of the run is reached; the message is its one-line reason."""


class Budget:
    """The limits of one run, against what was used."""

    def __init__(
        self,
        limits: Limits,
        record: Record,
        usage: Callable[[], Mapping[str, Usage]],
        used: Used = _NOTHING,
        *,
        elsewhere: Callable[[], Used] = lambda: _NOTHING,
        enough: Callable[[], str | None] = lambda: None,
    ) -> None:
        """Args:
        used: by earlier processes of the run.
        elsewhere: tokens and money that others use up of the same limits meanwhile.
        enough: why the Researcher is to stop, if it is, whatever the limits.
        """
        self.closing = False  # a last word is asked for: only tokens and money still count
        self.limits = limits
        self.used = used
        self._record = record
        self._usage = usage
        self._elsewhere = elsewhere
        self._enough = enough
        self._closing_calls = 0

    @property
    def tokens_used(self) -> int:
        """Input and output tokens of all agents, since the run's first start."""
        own = sum(usage.total for usage in self._usage().values())
        return self.used.tokens + own + self._elsewhere().tokens

    @property
    def usd_used(self) -> float:
        """US$ of all agents' calls, since the run's first start."""
        own = sum(usage.usd for usage in self._usage().values())
        return self.used.usd + own + self._elsewhere().usd

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
        most = self.limits.max_cost
        if most is not None and (usd := self.usd_used) >= most:
            raise LimitReached(f"the cost limit is reached (US$ {usd:.4g} of {most:g})")
        if not by_researcher or self.closing:
            return
        if (why := self._enough()) is not None:
            raise LimitReached(why)
        if self.evaluations_exhausted:
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
        self.before_refinement(refinements)

    def before_refinement(self, refinements: int) -> None:
        """To be called before a round after the first; ``refinements`` of them were made.

        Raises:
            LimitReached: there is to be no further round.
        """
        if refinements >= self.limits.max_refinements:
            raise LimitReached(f"the refinements are used up ({self.limits.max_refinements})")

    def evaluations_reason(self) -> str:
        """One line on the evaluations that are used up."""
        return f"the evaluations are used up ({self.limits.max_evaluations})"

    def time_reason(self) -> str:
        """One line on the time that is over."""
        return f"the time limit is reached ({self.limits.time_limit:g} s)"

    @property
    def seconds_left(self) -> float | None:
        """Of the time, at the start of this process; None is no limit."""
        limit = self.limits.time_limit
        return None if limit is None else max(limit - self.used.seconds, 0.0)

    def evaluations_left(self) -> str:
        """For the prompts."""
        limit = self.limits.max_evaluations
        return "unlimited" if limit is None else str(max(limit - self._record.evaluations_used, 0))


def left(limits: Limits, used: Used, evaluations: int) -> str:
    """What a run that goes on has left of its limits; ``evaluations`` were used."""

    def part(name: str, limit: float | None, before: float, spell: Callable[[float], str]) -> str:
        if limit is None:
            return f"{name} unlimited"
        return f"{name} {spell(max(limit - before, 0))} of {spell(limit)}"

    refinements = max(used.rounds - 1, 0)
    return ", ".join(
        (
            part("evaluations", limits.max_evaluations, evaluations, "{:,}".format),
            part("refinements", limits.max_refinements, refinements, "{:,}".format),
            part("tokens", limits.max_tokens, used.tokens, "{:,}".format),
            *(
                (part("cost", limits.max_cost, used.usd, "US$ {:.2f}".format),)
                if limits.max_cost is not None
                else ()
            ),
            part("time", limits.time_limit, used.seconds, _clock),
        )
    )


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
