"""Formulas of the site as MathML, which browsers set by themselves: a hook of MkDocs."""

import re
from html import unescape
from typing import Any

from latex2mathml.converter import convert

_FORMULA = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.DOTALL)


def on_page_content(html: str, **_: Any) -> str:
    r"""Called with each page as HTML.

    >>> on_page_content(r'as <span class="arithmatex">\(x_1\)</span> is').count("<msub>")
    1
    """
    return _FORMULA.sub(lambda found: convert(unescape(found[1])), html)
