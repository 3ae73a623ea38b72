"""What the harness reads of a routing line, by the names that the line has for it."""

from openglia.presenting.score import Keys

KEYS = Keys(
    value="mean_response_time",
    candidate="scheduler",
    cases="seeds",
    by_case="per_seed",
    ratio="ratio_to_llq",
    figures="by_seed",
)
