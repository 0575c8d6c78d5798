"""Adaptive weighting, all of it: the methods, and the Keras callback that uses one.

The public face of `lossweights.loss.adaptive` and of `lossweights.watch.schedule`, as
``lw.adaptive``: ``model.fit(..., callbacks=[lw.adaptive.schedule(loss, lw.adaptive.DWA(),
probe=(x, y))])``. And `ramps`, for weights that change by the epoch alone.
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
from lossweights.watch.ramps import RampedWeights, ramps
from lossweights.watch.schedule import WeightSchedule, schedule

__all__ = [
    "DWA",
    "EnCodec",
    "GradNorm",
    "Method",
    "RampedWeights",
    "ReLoBRaLo",
    "SoftAdapt",
    "State",
    "Uncertainty",
    "WeightSchedule",
    "ramps",
    "schedule",
]
