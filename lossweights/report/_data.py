"""What the page of a report reads: trials, curves, predictions and figures as plain JSON values."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from lossweights.base.names import MODEL
from lossweights.figures.front import draw_front
from lossweights.figures.scene import Scene
from lossweights.figures.style import NOBODY, colours
from lossweights.results.result import SweepResult

_CURVE_NUMBERS = 120_000  # of all trials together: about a megabyte
_PARTS = ("share/", "decrease/")  # columns that are shown in percent
_PHONE = (285.0, 290.0)  # pixels of the front on a narrow screen, 390 wide
_EPOCHS = (5, 60)  # that are kept of each trial, at least and at most


def page_data(result: SweepResult) -> dict[str, Any]:
    """Everything that the page's scripts read, by name."""
    scene: Scene = result.plot.scene
    surrogate = result.plot.surrogate
    return {
        "name": result.name,
        "objectives": dict(result.objectives),
        "directions": dict(result.directions),
        "metrics": list(scene.metrics),
        "terms": list(scene.terms),
        "chosen": scene.chosen,
        "varied": scene.varied,
        "colours": colours(scene.terms),
        "model": MODEL,
        "nobody": NOBODY,
        "scales": None if result.scales is None else dict(result.scales),
        "trials": _trials(scene),
        "front": [int(number) for number in scene.front],
        "picks": dict(scene.picks),
        "curves": _curves(result),
        "whatif": None if surrogate is None else surrogate.to_json(),
        "figures": _figures(result),
        "narrow": _names_if_narrow(scene),
    }


def as_script(data: Any) -> str:
    """JSON for the inside of a script element: nothing in it can end that or begin another.

    >>> "</script>" in as_script({"a": "</script>"})
    False
    """
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _trials(scene: Scene) -> dict[str, list[Any]]:
    """The table by column, parts of 1 to four digits; what is not finite becomes ``None``."""
    table = scene.trials.assign(**scene.in_force())
    columns = {str(name): table[name].tolist() for name in table.columns}
    return {
        name: _short(column) if name.startswith(_PARTS) else [_plain(value) for value in column]
        for name, column in columns.items()
    }


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _curves(result: SweepResult) -> dict[int, dict[str, Any]]:
    """Unweighted magnitudes of each trial on the training probe, at evenly chosen epochs.

    With them what multiplied each: a number, or where weights moved one for each epoch.
    """
    parts = len(result.terms) + 1
    each = _CURVE_NUMBERS // max(1, len(result.finished) * parts)
    most = int(np.clip(each, *_EPOCHS))
    found = {}
    for number, finished in result.finished.items():
        trial = finished.result
        if not trial.reports:
            continue
        at = np.linspace(0, len(trial.reports) - 1, most).round().astype(int)
        kept = [int(index) for index in dict.fromkeys(at.tolist())]
        found[number] = {
            "epochs": [trial.reports[index].epoch for index in kept],
            "parts": {name: float(weight) for name, weight in trial.parts.items()},
            "sizes": [_short(row) for row in trial.magnitudes("train")[kept].T],
        }
        if any(report.weights is not None for report in trial.reports):  # they moved
            rows = trial.in_force().values()
            found[number]["moved"] = [_short(row[kept]) for row in rows]
    return found


def _short(values: Iterable[float]) -> list[float | None]:
    """Four digits are more than a curve shows."""
    return [float(f"{value:.4g}") if math.isfinite(value) else None for value in values]


def _figures(result: SweepResult) -> dict[str, Any]:
    """The figures by the name of their place in the page; none that would be empty."""
    plots, scene = result.plot, result.plot.scene
    if scene.complete.empty:
        return {}
    drawn = {"front": plots.front(), "weights": plots.weights(), "drive": plots.drive()}
    if len(scene.terms) == 3:
        drawn["ternary"] = plots.weights(ternary=True)
    drawn["parallel"] = plots.parallel()
    drawn["importance"] = plots.importance()
    figures = {name: figure.to_plotly_json() for name, figure in drawn.items() if figure.data}
    for figure in figures.values():
        figure["layout"].pop("template", None)  # the same long one in each; the page has its own
        for trace in figure["data"]:
            if "customdata" in trace:
                trace.pop("hovertext", None)  # the page makes it from the table
    return {name: _json(figure) for name, figure in figures.items()}


def _names_if_narrow(scene: Scene) -> list[Any]:
    """Where the names of the front stand on the screen of a phone, by trace."""
    if scene.complete.empty:
        return []
    return [_json(trace.textposition) for trace in draw_front(scene, _PHONE).data]


def _json(value: Any) -> Any:
    """Plain JSON values, numbers that are not finite as ``None``."""
    if isinstance(value, dict):
        return {str(key): _json(each) for key, each in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_json(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return _plain(value)
