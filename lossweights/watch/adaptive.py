"""Adaptive weighting, all of it: the methods, and the Keras callback that uses one.

The public face of `lossweights.loss.adaptive` and of `lossweights.watch.schedule`, as
``lw.adaptive``: ``model.fit(..., callbacks=[lw.adaptive.schedule(loss, lw.adaptive.DWA(),
probe=(x, y))])``.
"""

from lossweights.loss.adaptive import (
    DWA,
    EnCodec,
    GradNorm,
    Method,
    ReLoBRaLo,
    SoftAdapt,
    State,
    Uncertainty,
)
from lossweights.watch.schedule import WeightSchedule, schedule

__all__ = [
    "DWA",
    "EnCodec",
    "GradNorm",
    "Method",
    "ReLoBRaLo",
    "SoftAdapt",
    "State",
    "Uncertainty",
    "WeightSchedule",
    "schedule",
]
