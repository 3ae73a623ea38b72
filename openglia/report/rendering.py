"""HTML by templates that escape all that they are given, save what is made here.

Everything that a run wrote is hostile until shown otherwise. Markup comes from four sources only:
our scripts, the plots' SVG, Pygments, which escapes the code, and the Markdown parser with raw HTML
off.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from openglia.presenting import units
from openglia.presenting.drawing import Absent, Plot, inline_svg

DEEPEST_HEADING = 6


def render(template: str, **values: Any) -> str:
    """The text of a template in ``templates/``."""
    return _environment().get_template(template).render(**values)


def markdown(text: str, top: int) -> Markup:
    """A Markdown text whose first heading level becomes ``<h{top}>``.

    Raw HTML is shown as text; links of other schemes than the web's and mail's are not made.
    """
    parser = _parser()
    tokens = parser.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1:]) + top - 1, DEEPEST_HEADING)}"
    return Markup(parser.renderer.render(tokens, parser.options, {}))


def code(text: str, language: str, *, numbered: bool = False) -> Markup:
    """Source as spans with Pygments' short class names, without a surrounding element."""
    formatter = HtmlFormatter(nowrap=not numbered, linenos="inline" if numbered else False)
    markup = highlight(text, _lexer(language), formatter)
    if numbered:  # <div class="highlight"><pre><span></span>...</pre></div>
        markup = markup.partition("<pre>")[2].rpartition("</pre>")[0]
    return Markup(markup)


@dataclass(frozen=True)
class Script:
    """A script of ours, and the hash by which a page's policy lets it run."""

    source: Markup
    hash: str


def script(name: str) -> Script:
    """A script of ``templates/``."""
    source = (Path(__file__).parent / "templates" / name).read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
    return Script(Markup(source), f"sha256-{digest}")


def svg(plot: Plot) -> Markup:
    """Both drawings of a plot."""
    return Markup(inline_svg(plot))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("openglia.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["DASH"] = units.DASH
    environment.tests["absent"] = lambda plot: isinstance(plot, Absent)
    for name in ("figure", "measure", "span", "duration", "ratio", "count"):
        environment.filters[name] = getattr(units, name)
    for made in (markdown, code, svg, script):
        environment.filters[made.__name__] = made
    return environment


@cache
def _lexer(language: str) -> Any:
    try:
        return get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        return get_lexer_by_name("text", stripnl=False)


@cache
def _parser() -> MarkdownIt:
    """CommonMark with tables. No raw HTML; of images only the words, as the page loads nothing."""
    options = {
        "html": False,
        "highlight": lambda text, language, _: code(text, language or "text"),
    }
    parser = MarkdownIt("commonmark", options).enable("table")
    parser.add_render_rule("image", _image_words)
    return parser


def _image_words(_: Any, tokens: Sequence[Any], place: int, *__: Any) -> str:
    return f'<span class="small">[image: {escape(tokens[place].content)}]</span>'
