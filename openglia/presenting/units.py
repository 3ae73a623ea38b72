"""Figures as people read them. None becomes a dash: not measured is not zero."""

DASH = "–"


def figure(value: float | None) -> str:
    """A measured number without its unit: 24.1."""
    if value is None:
        return DASH
    digits = 3 if abs(value) < 1 else 2 if abs(value) < 10 else 1
    return f"{value:.{digits}f}"


def measure(value: float | None, unit: str) -> str:
    """A measured number: 24.1 s."""
    return DASH if value is None else f"{figure(value)} {unit}"


def span(value: tuple[float, float] | None) -> str:
    """An interval without its unit: 23.0 to 25.2."""
    return DASH if value is None else f"{figure(value[0])} to {figure(value[1])}"


def duration(value: float | None) -> str:
    """A span of wall time: 1 h 03 min, 3 min 12 s, 4.2 s."""
    if value is None:
        return DASH
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def moment(value: str | None) -> str | None:
    """An ISO-8601 moment in UTC, to the minute: 2026-01-08 14:30 UTC; other text as it is."""
    whole = value is not None and len(value) >= 20 and value[10] == "T"
    if value is None or not whole or not value.endswith(("Z", "+00:00")):
        return value
    return f"{value[:10]} {value[11:16]} UTC"


def hundredths(value: float | None) -> str:
    """A share of one in per cent, without the sign: 12.3."""
    return DASH if value is None else f"{100 * value:.1f}"


def percent(value: float | None) -> str:
    """A share of one: 12.3 %."""
    return DASH if value is None else f"{hundredths(value)} %"


def ratio(value: float | None) -> str:
    """A ratio: 0.443."""
    return DASH if value is None else f"{value:.3f}"


def count(value: float | None) -> str:
    """A whole number, thousands apart by a thin space."""
    return DASH if value is None else f"{round(value):,}".replace(",", "\u2009")


def dollars(value: float | None) -> str:
    """An amount of money, small ones to two digits: US$ 1.23, US$ 0.0042."""
    if value is None:
        return DASH
    return f"US$ {value:,.2f}" if value >= 0.1 or value == 0 else f"US$ {value:.2g}"


def first_upper(words: str) -> str:
    """The words at the beginning of a sentence."""
    return words[:1].upper() + words[1:]
