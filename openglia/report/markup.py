"""HTML in which everything is escaped unless it is markup already."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any


class Html(str):
    """Text that is markup. Plain ``str`` is escaped wherever it is put into a page."""

    __slots__ = ()


def element(name: str, *children: Any, **attributes: Any) -> Html:
    """An element. Children are escaped unless they are ``Html``.

    ``class_`` and ``aria_label`` become ``class`` and ``aria-label``. None is left out.
    """
    words = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        spelled = key.rstrip("_").replace("_", "-")
        words.append(spelled if value is True else f'{spelled}="{escape(str(value))}"')
    return Html(f"<{' '.join(words)}>{join(children)}</{name}>")


def join(parts: Iterable[Any], separator: str = "") -> Html:
    """The parts one after the other, escaped unless they are ``Html``; None is left out."""
    return Html(
        separator.join(
            part if isinstance(part, Html) else escape(str(part))
            for part in parts
            if part is not None
        )
    )


def scroll_box(label: str, *children: Any, class_: str = "") -> Html:
    """A box that scrolls by itself, so that wide content never widens the page."""
    return element(
        "div",
        *children,
        class_=f"scroll {class_}".strip(),
        role="region",
        aria_label=label,
        tabindex="0",
    )


def table(
    label: str, header: Sequence[Any], rows: Iterable[Sequence[Any]], *, class_: str = ""
) -> Html:
    """A table in its own scroll box. The first cell of a row is the row's heading."""
    head = element("tr", *(element("th", cell, scope="col") for cell in header))
    body = [
        element(
            "tr",
            element("th", row[0], scope="row"),
            *(element("td", cell) for cell in row[1:]),
        )
        for row in rows
    ]
    return scroll_box(
        label,
        element("table", element("thead", head), element("tbody", *body), class_=class_ or None),
    )


def folded(summary: Any, *children: Any, class_: str | None = None, opened: bool = False) -> Html:
    """Content behind a summary line that opens it."""
    return element(
        "details", element("summary", summary), *children, class_=class_, open=opened or None
    )


def document(title: str, style: str, body: Html) -> str:
    """A whole page. Its policy lets it load nothing and run no script, whatever it shows."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )
