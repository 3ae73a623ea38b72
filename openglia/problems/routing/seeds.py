"""Lists of seeds as people write them: ``0-2``, ``7``, ``0-4,8``."""

import re

from openglia.errors import UsageError, shown

_MAXIMUM = 2**32 - 1  # what numpy.random.seed takes


def parse_seeds(text: str) -> tuple[int, ...]:
    """The seeds in the order written.

    Raises:
        UsageError: not a list of seeds and ranges, a seed named twice, or one out of range.
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,10})(?:-([0-9]{1,10}))?", part.strip())
        if match is None:
            raise UsageError(f"{shown(text)} is not a list of seeds such as 0-9 or 0,3,7")
        first = int(match[1])
        last = first if match[2] is None else int(match[2])
        if last < first or last > _MAXIMUM or last - first >= 10_000:
            raise UsageError(f"{shown(part.strip())} is not a range of seeds")
        seeds.extend(range(first, last + 1))
    if len(set(seeds)) < len(seeds):
        raise UsageError(f"{shown(text)} names a seed twice")
    return tuple(seeds)


def format_seeds(seeds: tuple[int, ...] | list[int]) -> str:
    """The shortest spelling that ``parse_seeds`` reads back to the same seeds."""
    parts: list[list[int]] = []
    for seed in seeds:
        if parts and seed == parts[-1][-1] + 1:
            parts[-1].append(seed)
        else:
            parts.append([seed])
    return ",".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else str(part[0]) for part in parts)
