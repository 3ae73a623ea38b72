"""Figures as people read them. None becomes a dash: not measured is not zero."""

DASH = "–"


def seconds(value: float | None) -> str:
    """A measured time: 24.1 s."""
    if value is None:
        return DASH
    return (
        f"{value:.3f} s"
        if abs(value) < 0.1
        else f"{value:.2f} s"
        if abs(value) < 10
        else f"{value:.1f} s"
    )


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


def between(value: tuple[float, float] | None) -> str:
    """A 90 % interval of times."""
    return DASH if value is None else f"{value[0]:.1f} to {value[1]:.1f} s"


def percent(value: float | None) -> str:
    """A share of one: 12.3 %."""
    return DASH if value is None else f"{100 * value:.1f} %"


def ratio(value: float | None) -> str:
    """A ratio: 0.443."""
    return DASH if value is None else f"{value:.3f}"


def count(value: float | None) -> str:
    """A whole number, thousands apart by a thin space."""
    return DASH if value is None else f"{round(value):,}".replace(",", "\u2009")
