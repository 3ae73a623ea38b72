"""Pieces that several parts of a page are made of."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from openglia.report import units, verdict
from openglia.report.drawing import Absent, Plot, inline_svg
from openglia.report.markup import Html, element


def flag_mark(flag: verdict.Flag) -> Html:
    """A flag as a small label whose words carry the meaning, not its colour alone."""
    return element("span", flag.word, class_=f"flag {flag.tone}", title=flag.meaning)


def note(message: Any, tone: str = "plain") -> Html:
    """A remark that stands out."""
    return element("p", message, class_=f"note {tone}")


def figure(plot: Plot | Absent) -> Html:
    """A plot with its heading and caption, or why it is not drawn."""
    if isinstance(plot, Absent):
        return element(
            "div", element("h3", plot.title), note(f"Not drawn: {plot.reason}."), class_="absent"
        )
    return element(
        "figure",
        element("h3", plot.title, id=f"{plot.name}-title"),
        inline_svg(plot),
        element("figcaption", plot.caption),
        id=f"plot-{plot.name}",
        aria_labelledby=f"{plot.name}-title",
    )


def pairs(values: Mapping[str, Any]) -> Html:
    """Nested values as one list of names and values."""
    items = [
        element("div", element("dt", name), element("dd", value))
        for name, value in _flat(values, "")
    ]
    return element("dl", *items, class_="pairs")


def _flat(values: Mapping[str, Any], prefix: str) -> Iterable[tuple[str, str]]:
    for key, value in values.items():
        name = f"{prefix}{words_of(str(key))}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name} › ")
        else:
            yield name, plain(value)


def plain(value: Any) -> str:
    """A value of results.json as people read it."""
    if value is None:
        return units.DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, int | float | str) for item in value):
        return ", ".join(plain(item) for item in value)
    return json.dumps(value)


def words_of(name: str) -> str:
    """A key of results.json as words."""
    return name.replace("_", " ")
