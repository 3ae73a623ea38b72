"""EVOLVE-BLOCK marks: the parts of a program that may change."""

START, END = "EVOLVE-BLOCK-START", "EVOLVE-BLOCK-END"


def changed_outside(initial: str, candidate: str) -> str | None:
    """What a candidate changed outside the blocks of the initial program; None: nothing.

    Without a mark in the initial program all of it may change.
    """
    if START not in initial:
        return None
    fixed, given = _outside(initial), _outside(candidate)
    for known, (number, line) in zip(fixed, given, strict=False):
        if known[1] != line:
            return f"line {number} lies outside the EVOLVE-BLOCKs and was changed: {line.strip()!r}"
    if len(given) < len(fixed):
        missing = fixed[len(given)][1].strip()
        return f"a line outside the EVOLVE-BLOCKs is missing: {missing!r}"
    if len(given) > len(fixed):
        number, line = given[len(fixed)]
        return f"line {number} lies outside the EVOLVE-BLOCKs and is new: {line.strip()!r}"
    return None


def inside(source: str) -> list[bool]:
    """For each line whether it may change."""
    if START not in source:
        return [True] * len(source.splitlines())
    found, open_ = [], False
    for line in source.splitlines():
        if END in line:
            open_ = False
        found.append(open_)
        if START in line:
            open_ = True
    return found


def _outside(source: str) -> list[tuple[int, str]]:
    """Numbered lines outside the blocks, the marks among them; ends of lines do not count."""
    source = source.removeprefix("\ufeff")
    lines = enumerate(source.splitlines(), start=1)
    return [
        (number, line.rstrip())
        for (number, line), free in zip(lines, inside(source), strict=True)
        if not free
    ]
