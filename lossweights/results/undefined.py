"""Why an objective has no value, where its description tells, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_DISTANCES = ("HD95", "AverageSurfaceDistance")
_EMPTY = (
    "in some image one of the true and the predicted mask is empty, so there is no distance. Say "
    "what such an image counts: empty_distance= in pixels, or 'apart' to count how many there are"
)
_NONE_LEFT = (
    "no image has both a true and a predicted mask. Say what such an image counts: "
    "empty_distance= in pixels"
)


def way_out(described: Any) -> str:
    """What to do where a metric is not finite though the training is well; empty if unknown.

    Args:
        described: The metric as a manifest describes it, of whatever age.

    >>> way_out({"class": "RMSE"}), way_out({"class": "HD95", "empty_distance": 20.0})
    ('', '')
    >>> way_out({"class": "HD95", "empty_distance": None})[:45]
    'in some image one of the true and the predict'
    """
    if not isinstance(described, Mapping):
        return ""
    if described.get("class") == "OnOutput":  # with the metric spelled out
        spelled = str(described.get("metric"))
        if any(f"'{kind}'" in spelled for kind in _DISTANCES):
            return _EMPTY if "'empty_distance': None" in spelled else ""
    elif described.get("class") in _DISTANCES and "empty_distance" in described:
        return {None: _EMPTY, "apart": _NONE_LEFT}.get(described["empty_distance"], "")
    return ""
