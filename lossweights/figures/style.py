"""Colours and marks of terms, scales of axes, and names that are safe to show."""

from __future__ import annotations

import html
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from lossweights.base.names import MODEL
from lossweights.base.palette import OKABE_ITO
from lossweights.search.choices import in_force

NOBODY = "no single term"
NEUTRAL = "#8a8a8a"
_MARKS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "pentagon", "star")
_WIDE = 8.0  # the largest by the smallest value, from which on an axis is logarithmic
_SHORT = 0.8  # of a power of ten: a logarithmic axis that needs more numbers than 1, 2 and 5
_MARGIN = 0.08  # of what an axis shows, beyond its outermost values
_FAR = 3.5  # from the middle of the values, in lengths of their middle half
_SMALLER = 3.0  # times, from which on those that are far off fall out of a picture
_SKEWED = 4.0  # or how many times longer the upper half is than the lower one


def label(text: object) -> str:
    """A name as plotly shows it: what looks like markup is shown, not obeyed.

    >>> label("<b>rmse</b>")
    '&lt;b&gt;rmse&lt;/b&gt;'
    """
    return html.escape(str(text), quote=False)


def colours(terms: Iterable[str]) -> dict[str, str]:
    """One colour for each term, and for the model's own losses: the same in every picture."""
    return dict(zip([*terms, MODEL], itertools.cycle(OKABE_ITO), strict=False))


def marks(terms: Iterable[str]) -> dict[str, str]:
    """One shape for each term, so that no picture needs its colours."""
    return dict(zip([*terms, MODEL], itertools.cycle(_MARKS), strict=False))


def marker(driver: str, terms: Sequence[str], **more: Any) -> dict[str, Any]:
    """The marker of a trial that a term drove."""
    return {
        "color": colours(terms).get(driver, NEUTRAL),
        "symbol": marks(terms).get(driver, "circle-open"),
        **more,
    }


def scale(values: Iterable[float]) -> str:
    """``"log"`` where the spread of what is shown asks for it, else ``"linear"``.

    >>> scale([0.7, 5.0, 60.0]), scale([49.0, 52.0, 60.0]), scale([-1.0, 100.0])
    ('log', 'linear', 'linear')
    """
    known = np.array([v for v in values if v is not None and math.isfinite(v)], dtype=float)
    if len(known) < 2 or known.min() <= 0:
        return "linear"
    low, middle, high = known.min(), float(np.median(known)), known.max()
    skewed = len(known) > 4 and high - middle > _SKEWED * (middle - low) > 0
    return "log" if high > _WIDE * low or skewed else "linear"


def axis(kind: str, values: Iterable[float]) -> dict[str, Any]:
    """An axis of a scale, with numbers as people write them if it is logarithmic.

    >>> axis("log", [0.7, 20.0])["ticktext"]
    ['0.5', '1', '2', '5', '10', '20']
    """
    if kind != "log":
        return {"type": kind}
    known = [math.log10(v) for v in values if v is not None and math.isfinite(v) and v > 0]
    low, high = math.floor(min(known, default=0)), math.ceil(max(known, default=1))
    few = max(known, default=1) - min(known, default=0) < _SHORT
    steps = (1, 1.5, 2, 3, 4, 6, 8) if few else (1, 2, 5) if high - low <= 3 else (1,)
    every = max(1, (high - low) // 8)
    ticks = [step * 10.0**at for at in range(low, high + 1, every) for step in steps]
    near = [
        tick
        for tick in ticks
        if min(known, default=0) - 0.35 <= math.log10(tick) <= max(known, default=1) + 0.35
    ]
    return {"type": "log", "tickvals": near, "ticktext": [f"{tick:g}" for tick in near]}


def window(kind: str, values: Iterable[float]) -> list[float] | None:
    """The range of an axis that shows these values alone, in the units of its scale.

    >>> window("linear", [0.0, 10.0, float("nan")]), window("log", [1.0, 1.0])
    ([-0.8, 10.8], None)
    """
    known = np.array([v for v in values if v is not None and math.isfinite(v)], dtype=float)
    if kind == "log":
        known = np.log10(known[known > 0])
    if len(known) == 0 or known.max() <= known.min():
        return None
    margin = _MARGIN * (known.max() - known.min())
    return [float(known.min() - margin), float(known.max() + margin)]


def focus(kind: str, values: Iterable[float], kept: Iterable[float]) -> list[float] | None:
    """The range of an axis on which most values are no dot; ``None`` if they are none anyway.

    What lies further from the middle half of the values than three times its length may fall out,
    if the rest is then shown at least three times as large.

    Args:
        kind: Scale of the axis.
        values: What is shown.
        kept: What must not fall out.

    >>> focus("linear", [0.3, 0.94, 0.95, 0.96, 0.97], [0.97])
    [0.9376, 0.972...]
    >>> focus("linear", [0.94, 0.95, 0.96, 0.97], [0.97])
    """
    known = np.array([v for v in values if math.isfinite(v)], dtype=float)
    known = np.log10(known[known > 0]) if kind == "log" else known
    if len(known) < 5:
        return None
    quarter, most = np.quantile(known, [0.25, 0.75])
    near = np.abs(known - (quarter + most) / 2) <= _FAR * (most - quarter)
    inside = [*known[near], *(math.log10(v) if kind == "log" else v for v in kept)]
    if np.ptp(known) < _SMALLER * np.ptp(inside) or not np.ptp(inside):
        return None
    return window("linear", inside)


def number_or_name(value: Any) -> str:
    """What was chosen, as text that is safe to show.

    >>> number_or_name(0.00123456), number_or_name("a<b")
    ('0.001235', 'a&lt;b')
    """
    return f"{value:.4g}" if isinstance(value, int | float) else label(value)


def trial_text(row: Mapping[Any, Any], metrics: Sequence[str], terms: Sequence[str]) -> str:
    """What is shown beside a trial that is pointed at."""
    lines = [f"<b>trial {row['number']}</b>"]
    lines += [f"{label(name)} {row[name]:.4g}" for name in metrics if row.get(name) is not None]
    lines += [f"weight of {label(t)} {row[f'relative/{t}']:.3g}" for t in terms]
    chosen = in_force({str(name): value for name, value in row.items()})
    lines += [f"{label(name)} {number_or_name(value)}" for name, value in chosen.items()]
    driver = row.get("driver")
    lines.append(f"driven by {label(driver if isinstance(driver, str) else NOBODY)}")
    return "<br>".join(lines)


def dress(figure: go.Figure, **layout: Any) -> go.Figure:
    """The look that all pictures share."""
    return figure.update_layout(
        template="plotly_white",
        margin={"t": 28, "r": 16, "b": 48, "l": 60},
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
        **layout,
    )
