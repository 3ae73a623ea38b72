"""Source code as highlighted HTML, and its difference to the stub."""

import difflib
from functools import cache
from typing import Any

from openglia.report.markup import Html, scroll_box


@cache
def _lexer(language: str) -> Any:
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        return get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        return get_lexer_by_name("text", stripnl=False)


def highlight(code: str, language: str, *, numbered: bool = False) -> Html:
    """The code as spans with Pygments' short class names, without a surrounding element.

    Pygments escapes the code.
    """
    from pygments import highlight as render
    from pygments.formatters import HtmlFormatter

    formatter = HtmlFormatter(nowrap=not numbered, linenos="inline" if numbered else False)
    markup = render(code, _lexer(language), formatter)
    if numbered:  # <div class="highlight"><pre><span></span>...</pre></div>
        markup = markup.partition("<pre>")[2].rpartition("</pre>")[0]
    return Html(markup)


def code_box(label: str, code: str, language: str = "python", *, numbered: bool = False) -> Html:
    """Highlighted code in its own scroll box."""
    inner = Html(f"<pre><code>{highlight(code, language, numbered=numbered)}</code></pre>")
    return scroll_box(label, inner, class_="code")


def difference(old: str, new: str, old_name: str, new_name: str) -> str:
    """A unified diff; empty if both are equal."""
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), old_name, new_name, lineterm=""
    )
    return "\n".join(lines)
