"""The family of schedulers that the offline researcher searches: its dimensions and their ranges.

As in ``openglia.problems.routing.family.policy``, ranges are broad and no value is preferred.
"""

from dataclasses import dataclass

from openglia.problems.routing.family.policy import Choice, Dimensions, Number


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """One scheduler of the family. A number that the choices leave unused is 0."""

    order: str  # who is looked at first among those that wait
    resume: str  # where the evicted ones stand among them
    admission: str  # when a request that fits is admitted
    victim: str  # who is evicted
    overtaking: str = "no"  # whether those behind one that is not admitted may go first
    age_weight: float = 0  # order aged_prompt: tokens by which a second of waiting shortens
    cap: int = 0  # admission cap: requests that run at once
    reservation: float = 0  # admission head_room: room for the output, share of the prompt
    constant: int = 0  # admission head_room: room for the output, tokens
    factor: float = 0  # admission learned: room for the output, share of the mean output
    margin: float = 0  # share of the blocks that an admission leaves free

    @property
    def reserves(self) -> bool:
        """Whether the scheduler keeps room for outputs."""
        return self.admission in ("head_room", "learned")


ORDER = Choice(
    "order",
    {
        "arrival": "first come, first served",
        "latest": "last come, first served",
        "shortest_prompt": "the shortest prompt first",
        "longest_prompt": "the longest prompt first",
        "aged_prompt": "the shortest prompt first, waiting counted in its favour",
    },
)
RESUME = Choice(
    "resume",
    {
        "first": "evicted requests go before all others",
        "in_order": "evicted requests wait among the others",
        "last": "evicted requests go after all others",
    },
)
ADMISSION = Choice(
    "admission",
    {
        "none": "whatever fits is admitted",
        "cap": "at most so many requests run at once",
        "head_room": "the prompts and a fixed room for the outputs must fit",
        "learned": "the prompts and the mean output seen so far must fit for all that run",
    },
)
VICTIM = Choice(
    "victim",
    {
        "youngest": "the one admitted last",
        "oldest": "the one admitted first",
        "fewest_tokens": "the one that loses the least work",
        "most_tokens": "the one that frees the most blocks",
        "fewest_restarts": "the one that was evicted least often, the youngest of these",
    },
)
OVERTAKING = Choice(
    "overtaking",
    {
        "no": "all wait behind a request that is not admitted",
        "yes": "requests behind one that is not admitted may go first",
    },
)
FAMILY = Dimensions(
    Parameters,
    (ORDER, RESUME, ADMISSION, VICTIM, OVERTAKING),
    (
        Number("age_weight", 0.1, 1000, lambda p: p.order == "aged_prompt", log=True),
        Number("cap", 4, 128, lambda p: p.admission == "cap", log=True, whole=True),
        Number("reservation", 0, 2, lambda p: p.admission == "head_room"),
        Number("constant", 1, 1024, lambda p: p.admission == "head_room", log=True, whole=True),
        Number("factor", 0, 2, lambda p: p.admission == "learned"),
        Number("margin", 0, 0.3, lambda p: p.reserves),
    ),
)
