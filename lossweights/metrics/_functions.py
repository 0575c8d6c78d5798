"""Each metric as a function of arrays, measured in float64 on the whole data set at once."""

from collections.abc import Sequence
from typing import Unpack

from lossweights.metrics import _demand, _masks, _quantiles, _regression, _segmentation, _surface
from lossweights.metrics._arrays import Array
from lossweights.terms.classes import ChosenClasses


def rmse(y_true: Array, y_pred: Array, sample_weight: Array | None = None) -> float:
    """The root mean squared error of arrays; see `RMSE`.

    >>> from lossweights import metrics
    >>> metrics.rmse([1.0, 2.0], [1.0, 4.0], sample_weight=[0.0, 1.0])
    2.0
    """
    return _regression.RMSE().evaluate(y_true, y_pred, sample_weight)


def mae(y_true: Array, y_pred: Array, sample_weight: Array | None = None) -> float:
    """The mean absolute error of arrays; see `MAE`.

    >>> from lossweights import metrics
    >>> metrics.mae([1.0, 2.0], [1.0, 4.0])
    1.0
    """
    return _regression.MAE().evaluate(y_true, y_pred, sample_weight)


def bias(y_true: Array, y_pred: Array, sample_weight: Array | None = None) -> float:
    """The mean of ``y_pred - y_true`` of arrays; see `Bias`.

    >>> from lossweights import metrics
    >>> metrics.bias([1.0, 2.0], [1.0, 4.0])
    1.0
    """
    return _regression.Bias().evaluate(y_true, y_pred, sample_weight)


def edge_rmse(
    y_true: Array,
    y_pred: Array,
    sample_weight: Array | None = None,
    *,
    axes: int | Sequence[int],
) -> float:
    """The RMSE of the signed gradients of arrays; see `EdgeRMSE`.

    >>> from lossweights import metrics
    >>> metrics.edge_rmse([[0.0, 2.0]], [[0.0, 5.0]], axes=1)
    3.0
    """
    return _regression.EdgeRMSE(axes).evaluate(y_true, y_pred, sample_weight)


def under_rate(y_true: Array, y_pred: Array, sample_weight: Array | None = None) -> float:
    """The share of values underestimated; see `UnderRate`.

    >>> from lossweights import metrics
    >>> metrics.under_rate([1.0, 2.0], [1.0, 1.0])
    0.5
    """
    return _demand.UnderRate().evaluate(y_true, y_pred, sample_weight)


def service_level(y_true: Array, y_pred: Array, sample_weight: Array | None = None) -> float:
    """The share of values covered; see `ServiceLevel`.

    >>> from lossweights import metrics
    >>> metrics.service_level([1.0, 2.0], [1.0, 1.0])
    0.5
    """
    return _demand.ServiceLevel().evaluate(y_true, y_pred, sample_weight)


def shortfall(y_true: Array, y_pred: Array, sample_weight: Array | None = None) -> float:
    """The mean quantity missing; see `Shortfall`.

    >>> from lossweights import metrics
    >>> metrics.shortfall([1.0, 4.0], [3.0, 1.0])
    1.5
    """
    return _demand.Shortfall().evaluate(y_true, y_pred, sample_weight)


def fill_rate(y_true: Array, y_pred: Array, sample_weight: Array | None = None) -> float:
    """The share of demand met; see `FillRate`.

    >>> from lossweights import metrics
    >>> metrics.fill_rate([4.0, 4.0], [4.0, 2.0])
    0.75
    """
    return _demand.FillRate().evaluate(y_true, y_pred, sample_weight)


def newsvendor_cost(
    y_true: Array,
    y_pred: Array,
    sample_weight: Array | None = None,
    *,
    under_cost: float,
    over_cost: float,
) -> float:
    """The mean cost of being wrong; see `NewsvendorCost`.

    >>> from lossweights import metrics
    >>> metrics.newsvendor_cost([1.0, 4.0], [3.0, 1.0], under_cost=4.0, over_cost=1.0)
    7.0
    """
    return _demand.NewsvendorCost(under_cost, over_cost).evaluate(y_true, y_pred, sample_weight)


def pinball_loss(
    y_true: Array,
    y_pred: Array,
    sample_weight: Array | None = None,
    *,
    tau: float | Sequence[float],
) -> float:
    """The pinball loss at ``tau``, or at several; see `PinballLoss`.

    >>> from lossweights import metrics
    >>> metrics.pinball_loss([1.0, 4.0], [3.0, 1.0], tau=0.5)
    1.25
    """
    return _quantiles.PinballLoss(tau).evaluate(y_true, y_pred, sample_weight)


def quantile_crossing(y_true: Array, y_pred: Array, sample_weight: Array | None = None) -> float:
    """The share of neighbouring quantiles that cross; see `QuantileCrossing`.

    >>> from lossweights import metrics
    >>> metrics.quantile_crossing([[0.0]], [[1.0, 2.0, 0.0]])
    0.5
    """
    return _quantiles.QuantileCrossing().evaluate(y_true, y_pred, sample_weight)


def iou(
    y_true: Array,
    y_pred: Array,
    sample_weight: Array | None = None,
    *,
    threshold: float | None = 0.5,
    average: _masks.Average = "image",
    **chosen: Unpack[ChosenClasses],
) -> float:
    """The intersection over union of masks; see `IoU`.

    >>> from lossweights import metrics
    >>> metrics.iou([[[1, 1, 0]]], [[[0.9, 0.1, 0.1]]])
    0.5
    """
    return _segmentation.IoU(threshold=threshold, average=average, **chosen).evaluate(
        y_true, y_pred, sample_weight
    )


def dice(
    y_true: Array,
    y_pred: Array,
    sample_weight: Array | None = None,
    *,
    threshold: float | None = 0.5,
    average: _masks.Average = "image",
    **chosen: Unpack[ChosenClasses],
) -> float:
    """The Dice coefficient of masks; see `Dice`.

    >>> from lossweights import metrics
    >>> metrics.dice([[[1, 1, 0]]], [[[0.9, 0.9, 0.9]]])
    0.8
    """
    return _segmentation.Dice(threshold=threshold, average=average, **chosen).evaluate(
        y_true, y_pred, sample_weight
    )


def boundary_iou(
    y_true: Array,
    y_pred: Array,
    sample_weight: Array | None = None,
    *,
    dilation_ratio: float = 0.02,
    threshold: float | None = 0.5,
    **chosen: Unpack[ChosenClasses],
) -> float:
    """The IoU of the bands along the boundaries of masks; see `BoundaryIoU`.

    >>> from lossweights import metrics
    >>> metrics.boundary_iou([[[1, 1, 0]]], [[[0.9, 0.9, 0.9]]])
    0.6666666666666666
    """
    metric = _segmentation.BoundaryIoU(dilation_ratio, threshold=threshold, **chosen)
    return metric.evaluate(y_true, y_pred, sample_weight)


def boundary_f1(
    y_true: Array,
    y_pred: Array,
    sample_weight: Array | None = None,
    *,
    tolerance: float = 2.0,
    threshold: float | None = 0.5,
    **chosen: Unpack[ChosenClasses],
) -> float:
    """The F1 of the boundary pixels of masks; see `BoundaryF1`.

    >>> from lossweights import metrics
    >>> metrics.boundary_f1([[[1, 0, 0]]], [[[0.1, 0.1, 0.9]]], tolerance=1)
    0.0
    """
    metric = _segmentation.BoundaryF1(tolerance, threshold=threshold, **chosen)
    return metric.evaluate(y_true, y_pred, sample_weight)


def surface_dice(
    y_true: Array,
    y_pred: Array,
    sample_weight: Array | None = None,
    *,
    tolerance: float = 1.0,
    sampling: float | Sequence[float] | None = None,
    threshold: float | None = 0.5,
    **chosen: Unpack[ChosenClasses],
) -> float:
    """The share of both contours within a tolerance of the other; see `SurfaceDice`.

    >>> from lossweights import metrics
    >>> metrics.surface_dice([[[1, 0, 0]]], [[[0.9, 0.1, 0.1]]])
    1.0
    """
    metric = _surface.SurfaceDice(tolerance, sampling=sampling, threshold=threshold, **chosen)
    return metric.evaluate(y_true, y_pred, sample_weight)


def hd95(
    y_true: Array,
    y_pred: Array,
    sample_weight: Array | None = None,
    *,
    variant: _surface.Variant = "pooled",
    empty_distance: _surface.EmptyDistance = None,
    sampling: float | Sequence[float] | None = None,
    threshold: float | None = 0.5,
    **chosen: Unpack[ChosenClasses],
) -> float:
    """The 95th percentile of the distance between boundaries; see `HD95`.

    >>> from lossweights import metrics
    >>> metrics.hd95([[[1, 0, 0]]], [[[0.1, 0.1, 0.9]]])
    2.0
    """
    metric = _surface.HD95(
        variant, empty_distance=empty_distance, sampling=sampling, threshold=threshold, **chosen
    )
    return metric.evaluate(y_true, y_pred, sample_weight)


def average_surface_distance(
    y_true: Array,
    y_pred: Array,
    sample_weight: Array | None = None,
    *,
    empty_distance: _surface.EmptyDistance = None,
    sampling: float | Sequence[float] | None = None,
    threshold: float | None = 0.5,
    **chosen: Unpack[ChosenClasses],
) -> float:
    """The mean distance between the contours of masks; see `AverageSurfaceDistance`.

    >>> from lossweights import metrics
    >>> metrics.average_surface_distance([[[1, 0, 0]]], [[[0.9, 0.1, 0.1]]])
    0.0
    """
    metric = _surface.AverageSurfaceDistance(
        empty_distance=empty_distance, sampling=sampling, threshold=threshold, **chosen
    )
    return metric.evaluate(y_true, y_pred, sample_weight)
