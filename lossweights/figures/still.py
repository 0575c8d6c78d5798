"""A figure as a PNG file, for what shows pictures and runs no scripts, such as MLflow's previews.

Plotly itself draws PNG files with a Chrome, through Kaleido, and a machine that trains models has
none. So the traces that our own figures are made of are drawn by matplotlib, which MLflow brings.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import plotly.graph_objects as go

from lossweights.base.palette import OKABE_ITO

_INCHES = 72  # points of plotly's in one of matplotlib's
_DOTS = 110  # an inch
_MARKS = {
    "circle": "o", "square": "s", "diamond": "D", "triangle-up": "^", "cross": "P", "x": "X",
    "pentagon": "p", "star": "*", "circle-open": "o", "square-open": "s", "x-thin": "x",
}  # fmt: skip
_DASHES = {"dot": ":", "dash": "--"}
_PLACES = {"left": "right", "right": "left", "center": "center"}  # the text's own edge
_LEVELS = {"top": "bottom", "bottom": "top", "middle": "center"}


def draw_still(figure: go.Figure) -> bytes:
    """The figure as a PNG file: its lines, marks, bands, bars and names.

    Args:
        figure: One of this room, of scatter and bar traces on plain axes.

    >>> draw_still(go.Figure(go.Scatter(x=[1, 2], y=[3, 4])))[1:4]
    b'PNG'
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure  # never pyplot: it is the user's

    layout = figure.layout
    height = max(float(layout.height or 480) / _INCHES, 4.5)
    still = Figure(figsize=(11, height), dpi=_DOTS, facecolor="white")
    FigureCanvasAgg(still)
    # Where the axes lie, from left and from below; the legend is above.
    frames = ((0.08, 0.97), (0.7 / height, 1 - 0.8 / height))
    axes: dict[tuple[str, str], Any] = {}
    bars: dict[tuple[str, str], list[Any]] = {}
    for trace in figure.data:
        place = str(trace.xaxis or "x"), str(trace.yaxis or "y")
        if place not in axes:
            axes[place] = _axes(still, layout, place, frames)
        if isinstance(trace, go.Bar):
            bars.setdefault(place, []).append(trace)
        else:
            _scatter(axes[place], trace, len(axes[place].lines) + len(axes[place].collections))
    for place, traces in bars.items():
        _bars(axes[place], traces, stacked=layout.barmode == "relative")
    for shape in layout.shapes:  # all of ours are upright lines
        axes[shape.xref, shape.yref.split()[0]].axvline(shape.x0, color="#777", linestyle=":")
    for note in layout.annotations:
        x, y = (_inside(at, frame) for at, frame in zip((note.x, note.y), frames, strict=True))
        still.text(x, y, _plain(note.text), ha="center", va="bottom", fontsize=10)
    _legend(still, axes)
    made = io.BytesIO()
    still.savefig(made, format="png", dpi=_DOTS)
    return made.getvalue()


def _inside(at: float, frame: tuple[float, float]) -> float:
    low, high = frame
    return low + float(at) * (high - low)


def _axes(
    still: Any, layout: Any, place: tuple[str, str], frames: tuple[tuple[float, float], ...]
) -> Any:
    """The axes of a part of the figure."""
    across, up = (layout[f"{name[0]}axis{name[1:]}"] for name in place)
    (left, right), (low, high) = (
        (_inside(end, frame) for end in (axis.domain or (0, 1)))
        for axis, frame in zip((across, up), frames, strict=True)
    )
    axes = still.add_axes((left, low, right - left, high - low))
    axes.grid(color="#e5e5e5", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    _dress(axes, "x", across)
    _dress(axes, "y", up)
    return axes


def _dress(axes: Any, way: str, axis: Any) -> None:
    """Scale, range, marks and title of an axis."""
    is_log = axis.type == "log"
    if is_log:
        getattr(axes, f"set_{way}scale")("log")
        getattr(axes, f"{way}axis").set_minor_locator(_no_marks())
    if axis.tickvals is not None:
        getattr(axes, f"set_{way}ticks")(list(axis.tickvals), list(axis.ticktext or axis.tickvals))
    if axis.range is not None:
        ends = [10.0**end if is_log else end for end in axis.range]
        getattr(axes, f"set_{way}lim")(*ends)
    if axis.tickformat == ".0%":
        from matplotlib.ticker import PercentFormatter

        getattr(axes, f"{way}axis").set_major_formatter(PercentFormatter(1.0, decimals=0))
    if axis.autorange == "reversed":
        getattr(axes, f"invert_{way}axis")()
    getattr(axes, f"set_{way}label")(_plain(axis.title.text))


def _no_marks() -> Any:
    from matplotlib.ticker import NullLocator

    return NullLocator()


def _scatter(axes: Any, trace: Any, order: int) -> None:
    """A scatter trace: band, line, marks with bars, and texts."""
    x, y = (np.asarray(values, dtype=float) for values in (trace.x, trace.y))
    mode = trace.mode or "lines+markers"
    label = "_" if trace.showlegend is False or not trace.name else _plain(trace.name)
    colour = trace.line.color or trace.marker.color or OKABE_ITO[order % len(OKABE_ITO)]
    if trace.stackgroup:
        below = getattr(axes, "stacked", np.zeros_like(y))
        axes.fill_between(x, below, below + y, color=colour, alpha=0.75, label=label, linewidth=0)
        axes.stacked = below + y
        return
    if trace.fill == "tonexty":  # to the line before it, which is not drawn
        axes.fill_between(x, y, axes.lines[-1].get_ydata(), color=colour, alpha=0.3, linewidth=0)
        return
    if trace.fill == "toself":
        band = 0.5 * (trace.opacity or 1.0)
        axes.fill(x, y, facecolor=colour, alpha=band, edgecolor=colour, linestyle="--", label=label)
        return
    for bar, length in (("xerr", trace.error_x), ("yerr", trace.error_y)):
        if length.array is not None:
            axes.errorbar(x, y, **{bar: list(length.array)}, fmt="none", ecolor="#777", lw=1)
    if "lines" in mode:
        steps = {"drawstyle": "steps-post"} if trace.line.shape == "hv" else {}
        dash = _DASHES.get(trace.line.dash, "-")
        in_legend = "_" if "markers" in mode else label
        width = trace.line.width if trace.line.width is not None else 1.5
        axes.plot(x, y, color=colour, linestyle=dash, linewidth=width, label=in_legend, **steps)
    if "markers" in mode:
        _marks(axes, trace, x, y, label)
    if "text" in mode:
        for at in zip(x, y, *_texts(trace, len(x)), strict=True):
            _name(axes, *at)


def _marks(axes: Any, trace: Any, x: Any, y: Any, label: str) -> None:
    marker = trace.marker
    symbol = str(marker.symbol or "circle")
    colour = marker.color or marker.line.color or OKABE_ITO[0]
    is_open = symbol.endswith("-open")
    filled = {"facecolors": "none", "edgecolors": colour} if is_open else {"color": colour}
    size = float(marker.size or 6) * 0.75
    axes.scatter(
        x, y, s=size**2, marker=_MARKS.get(symbol, "o"), alpha=marker.opacity or 1.0,
        linewidths=1.2 if is_open or symbol == "x-thin" else 0, label=label, zorder=3, **filled,
    )  # fmt: skip


def _texts(trace: Any, count: int) -> Iterator[Any]:
    """The texts of a trace, and where they stand."""
    yield [trace.text] * count if isinstance(trace.text, str) else list(trace.text)
    place = trace.textposition or "middle center"
    yield [place] * count if isinstance(place, str) else list(place)


def _name(axes: Any, x: float, y: float, text: str, place: str) -> None:
    level, side = place.split()
    shift = {"left": -6, "right": 6, "center": 0}[side], {"top": 6, "bottom": -6}.get(level, 0)
    axes.annotate(
        _plain(text), (x, y), xytext=shift, textcoords="offset points", fontsize=8,
        ha=_PLACES[side], va=_LEVELS[level], annotation_clip=True,
        weight="bold" if "<b>" in text else "normal",
    )  # fmt: skip


def _bars(axes: Any, traces: list[Any], *, stacked: bool) -> None:
    """Bars of several traces: on each other, what is negative downwards, or side by side."""
    is_flat = traces[0].orientation == "h"
    groups = list(dict.fromkeys(g for t in traces for g in (t.y if is_flat else t.x)))
    spots = {group: at for at, group in enumerate(groups)}
    ends = {True: np.zeros(len(groups)), False: np.zeros(len(groups))}
    thick = 0.8 if stacked else 0.8 / len(traces)
    for number, trace in enumerate(traces):
        named, sizes = (trace.y, trace.x) if is_flat else (trace.x, trace.y)
        at = np.array([spots[group] for group in named], dtype=int)
        values = np.array([np.nan if v is None else v for v in sizes], dtype=float)
        places = at if stacked else at - 0.4 + thick * (number + 0.5)
        down = values < 0
        starts = np.where(down, ends[True][at], ends[False][at]) if stacked else np.zeros(len(at))
        draw, start = (axes.barh, "left") if is_flat else (axes.bar, "bottom")
        label = _plain(trace.name or "")
        draw(places, values, thick, **{start: starts}, color=trace.marker.color, label=label)
        for side in (True, False):
            chosen = (down == side) & np.isfinite(values)
            np.add.at(ends[side], at[chosen], values[chosen])
    names = [_plain(group) for group in groups]
    if is_flat:
        axes.set_yticks(range(len(groups)), names)
    else:
        tilt = {"rotation": 45, "ha": "right"} if len(groups) > 6 else {}
        axes.set_xticks(range(len(groups)), names, **tilt)


def _legend(still: Any, axes: dict[tuple[str, str], Any]) -> None:
    """One legend for all parts, each name once."""
    found: dict[str, Any] = {}
    for part in axes.values():
        for handle, name in zip(*part.get_legend_handles_labels(), strict=True):
            found.setdefault(name, handle)
    if found:
        still.legend(
            list(found.values()), list(found), loc="upper left", bbox_to_anchor=(0.07, 1.0),
            ncols=5, frameon=False, fontsize=9,
        )  # fmt: skip


def _plain(text: Any) -> str:
    """A text without plotly's markup, and none of matplotlib's own."""
    if text is None:
        return ""
    return html.unescape(re.sub(r"</?b>|<br>", " ", str(text))).strip().replace("$", r"\$")
