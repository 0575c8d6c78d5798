"""Metrics to choose weights by: numbers of a whole data set that no loss weight can change.

An objective of a sweep must not depend on the weights that are searched, or the smallest weights
win. Each metric here has a class, which is a Keras metric and knows which way is better, and a
function of the same name for arrays:

>>> from lossweights import metrics
>>> metrics.rmse([1.0, 2.0, 3.0], [1.0, 2.0, 5.0]) ** 2
1.3333333333333333
>>> metrics.RMSE().direction
'minimize'

Accuracy: `RMSE`, `MAE`, `Bias`, `EdgeRMSE`. Demand and its cost: `UnderRate`, `ServiceLevel`,
`Shortfall`, `FillRate`, `NewsvendorCost`, `PinballLoss`. Masks: `IoU`, `Dice`, `BoundaryIoU`,
`BoundaryF1`. Distances between boundaries: `SurfaceDice`, `HD95`, `AverageSurfaceDistance`. Of a
model with several outputs `on` reads one, or makes a metric between some; of targets that carry
more than the value `reading` reads some channels; `known` leaves out unknown targets. All are a
`Metric`. What a metric is for the best prediction without inputs, `constant` finds.
"""

from lossweights.metrics._base import Metric
from lossweights.metrics._channels import reading
from lossweights.metrics._demand import (
    FillRate,
    NewsvendorCost,
    PinballLoss,
    ServiceLevel,
    Shortfall,
    UnderRate,
)
from lossweights.metrics._functions import (
    average_surface_distance,
    bias,
    boundary_f1,
    boundary_iou,
    dice,
    edge_rmse,
    fill_rate,
    hd95,
    iou,
    mae,
    newsvendor_cost,
    pinball_loss,
    rmse,
    service_level,
    shortfall,
    surface_dice,
    under_rate,
)
from lossweights.metrics._known import known
from lossweights.metrics._outputs import on
from lossweights.metrics._regression import MAE, RMSE, Bias, EdgeRMSE
from lossweights.metrics._segmentation import BoundaryF1, BoundaryIoU, Dice, IoU
from lossweights.metrics._surface import HD95, AverageSurfaceDistance, SurfaceDice

__all__ = [
    "HD95",
    "MAE",
    "RMSE",
    "AverageSurfaceDistance",
    "Bias",
    "BoundaryF1",
    "BoundaryIoU",
    "Dice",
    "EdgeRMSE",
    "FillRate",
    "IoU",
    "Metric",
    "NewsvendorCost",
    "PinballLoss",
    "ServiceLevel",
    "Shortfall",
    "SurfaceDice",
    "UnderRate",
    "average_surface_distance",
    "bias",
    "boundary_f1",
    "boundary_iou",
    "dice",
    "edge_rmse",
    "fill_rate",
    "hd95",
    "iou",
    "known",
    "mae",
    "newsvendor_cost",
    "on",
    "pinball_loss",
    "reading",
    "rmse",
    "service_level",
    "shortfall",
    "surface_dice",
    "under_rate",
]
