"""Pictures of the pages: small, and the same for the same numbers."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any


def save_svg(figure: Any, path: Path) -> None:
    """Write a figure of matplotlib: without a date, and with words that stay words."""
    import matplotlib as mpl

    drawn = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "lossweights", "svg.fonttype": "none"}):
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    path.write_text(shortened(drawn.getvalue()), encoding="utf-8")


def save_webp(figure: Any, path: Path, dpi: int = 90, colours: int = 24) -> None:
    """Write a figure of many lines, which is smaller as pixels, of few colours, without loss."""
    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi)
    picture = Image.open(drawn).convert("RGB").quantize(colours, dither=Image.Dither.NONE)
    picture.convert("RGB").save(path, lossless=True, quality=100, method=6)


def shortened(svg: str) -> str:
    """An SVG with coordinates to a hundredth of a point, which nobody can tell from six digits.

    >>> shortened('<path d="M 37.313756 153.996948"/>')
    '<path d="M 37.31 154"/>'
    """
    return re.sub(r"-?\d+\.\d{3,}", lambda n: f"{float(n[0]):.2f}".rstrip("0").rstrip("."), svg)
