"""The agents' Markdown as HTML. Their text is hostile until shown otherwise."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from openglia.report.markup import Html, element
from openglia.report.source import highlight

DEEPEST_HEADING = 6


@cache
def _parser() -> Any:
    """CommonMark with tables. No raw HTML; of images only the words, as the page loads nothing."""
    from markdown_it import MarkdownIt

    options = {
        "html": False,
        "highlight": lambda code, language, _: str(highlight(code, language or "text")),
    }
    parser = MarkdownIt("commonmark", options).enable("table")
    parser.add_render_rule("image", _image_words)
    return parser


def render(markdown: str, *, top: int = 3) -> Html:
    """HTML of a Markdown text whose first heading level becomes ``<h{top}>``.

    Raw HTML is shown as text; links of other schemes than the web's and mail's are not made.
    """
    parser = _parser()
    tokens = parser.parse(markdown)
    _shift_headings(tokens, top - 1)
    return Html(parser.renderer.render(tokens, parser.options, {}))


def _image_words(_: Any, tokens: Sequence[Any], place: int, *__: Any) -> str:
    return str(element("span", f"[image: {tokens[place].content}]", class_="small"))


def _shift_headings(tokens: Sequence[Any], by: int) -> None:
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1:]) + by, DEEPEST_HEADING)}"
