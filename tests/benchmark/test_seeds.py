"""Lists of seeds, as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openglia.errors import UsageError
from openglia.problems.routing.seeds import format_seeds, parse_seeds


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("0-2", (0, 1, 2)), ("7", (7,)), ("4, 0-1", (4, 0, 1)), ("4294967295", (2**32 - 1,))],
)
def test_lists_and_ranges(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    "text", ["", "a", "1-", "-1", "2-1", "1,1", "0-2,1", "4294967296", "0-99999", "1.5"]
)
def test_all_else_is_refused(text):
    with pytest.raises(UsageError):
        parse_seeds(text)


@given(st.lists(st.integers(0, 50), min_size=1, unique=True))
def test_format_is_read_back(seeds):
    assert parse_seeds(format_seeds(seeds)) == tuple(seeds)
