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
`Shortfall`, `FillRate`, `NewsvendorCost`. Quantiles: `PinballLoss`, `QuantileCrossing`. Masks:
`IoU`, `Dice`, `BoundaryIoU`, `BoundaryF1`. Distances between boundaries: `SurfaceDice`, `HD95`,
`AverageSurfaceDistance`, and `Missing` of images without a mask. Classes: `Accuracy`,
`BalancedAccuracy`, `F1`, `AUC`, `AveragePrecision`, `LogLoss`, `BrierScore`, `CalibrationError`.
Any other function is one by `custom`, a `FunctionMetric`, and one of Keras a `KerasMetric`; sweeps
take both as they are, by `as_metric`. Of a model with several outputs `on` reads one, as an
`OnOutput`, or makes a metric between some; of targets that carry more than the value `reading`
reads some channels; `known` leaves out unknown targets. All are a `Metric`; a `WholeMetric` is made
of no sums. `counts_missing` says what a sweep measures beside a metric. What a metric is for the
best prediction without inputs, `constant` finds.
"""

from lossweights.metrics._base import Metric
from lossweights.metrics._channels import reading
from lossweights.metrics._class_functions import (
    accuracy,
    auc,
    average_precision,
    balanced_accuracy,
    brier_score,
    calibration_error,
    f1,
    log_loss,
)
from lossweights.metrics._confusion import F1, BalancedAccuracy
from lossweights.metrics._demand import (
    FillRate,
    NewsvendorCost,
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
    quantile_crossing,
    rmse,
    service_level,
    shortfall,
    surface_dice,
    under_rate,
)
from lossweights.metrics._known import known
from lossweights.metrics._missing import Missing, counts_missing, missing
from lossweights.metrics._output import OnOutput
from lossweights.metrics._outputs import on
from lossweights.metrics._own import FunctionMetric, KerasMetric, as_metric, custom
from lossweights.metrics._probabilities import Accuracy, BrierScore, CalibrationError, LogLoss
from lossweights.metrics._quantiles import PinballLoss, QuantileCrossing
from lossweights.metrics._ranking import AUC, AveragePrecision
from lossweights.metrics._regression import MAE, RMSE, Bias, EdgeRMSE
from lossweights.metrics._segmentation import BoundaryF1, BoundaryIoU, Dice, IoU
from lossweights.metrics._surface import HD95, AverageSurfaceDistance, SurfaceDice
from lossweights.metrics._whole import WholeMetric

__all__ = [
    "AUC",
    "F1",
    "HD95",
    "MAE",
    "RMSE",
    "Accuracy",
    "AveragePrecision",
    "AverageSurfaceDistance",
    "BalancedAccuracy",
    "Bias",
    "BoundaryF1",
    "BoundaryIoU",
    "BrierScore",
    "CalibrationError",
    "Dice",
    "EdgeRMSE",
    "FillRate",
    "FunctionMetric",
    "IoU",
    "KerasMetric",
    "LogLoss",
    "Metric",
    "Missing",
    "NewsvendorCost",
    "OnOutput",
    "PinballLoss",
    "QuantileCrossing",
    "ServiceLevel",
    "Shortfall",
    "SurfaceDice",
    "UnderRate",
    "WholeMetric",
    "accuracy",
    "as_metric",
    "auc",
    "average_precision",
    "average_surface_distance",
    "balanced_accuracy",
    "bias",
    "boundary_f1",
    "boundary_iou",
    "brier_score",
    "calibration_error",
    "counts_missing",
    "custom",
    "dice",
    "edge_rmse",
    "f1",
    "fill_rate",
    "hd95",
    "iou",
    "known",
    "log_loss",
    "mae",
    "missing",
    "newsvendor_cost",
    "on",
    "pinball_loss",
    "quantile_crossing",
    "reading",
    "rmse",
    "service_level",
    "shortfall",
    "surface_dice",
    "under_rate",
]
