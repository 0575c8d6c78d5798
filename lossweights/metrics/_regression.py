"""How far predictions are from their targets: RMSE, MAE, bias, and the RMSE of their edges.

All values are in the unit of the target. Every sample weighs the same: its statistic is the mean
over its other axes, and the data set's is the mean over samples.
"""

from collections.abc import Sequence
from numbers import Integral
from typing import Unpack

import keras

from lossweights.base.errors import MetricError
from lossweights.metrics._arrays import Array, Namespace, namespace_of, per_sample_mean, ratio
from lossweights.metrics._base import MeanMetric, Metric, MetricArguments


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class RMSE(Metric):
    """The root mean squared error, ``sqrt(mean((y_true - y_pred)²))``.

    Shapes ``(batch, ...)``, any rank; unit of the target; range ``[0, ∞)``, smaller is better. The
    root is taken once, over the whole data set: not the mean of the roots of batches or samples.

    Arguments and errors are those of every `Metric`.

    >>> from lossweights import metrics
    >>> metrics.RMSE().evaluate([0.0, 0.0], [1.0, 7.0])
    5.0
    """

    direction = "minimize"
    unit = "target"
    unknown = "elements"
    default_name = "rmse"
    n_statistics = 1

    def statistics(self, xp: Namespace, y_true: Array, y_pred: Array) -> list[Array]:
        """The mean squared error of each sample."""
        return [per_sample_mean(xp, xp.square(y_true - y_pred))]

    def value(self, sums: Array) -> Array:
        """The root of the mean over samples."""
        xp = namespace_of(sums)
        return xp.sqrt(ratio(xp, sums[..., 0], sums[..., -1]))


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class MAE(MeanMetric):
    """The mean absolute error, ``mean(|y_true - y_pred|)``.

    Shapes ``(batch, ...)``, any rank; unit of the target; range ``[0, ∞)``, smaller is better.

    Arguments and errors are those of every `Metric`.

    >>> from lossweights import metrics
    >>> metrics.MAE().evaluate([0.0, 0.0], [3.0, -4.0])
    3.5
    """

    direction = "minimize"
    unit = "target"
    unknown = "elements"
    default_name = "mae"

    def statistics(self, xp: Namespace, y_true: Array, y_pred: Array) -> list[Array]:
        """The mean absolute error of each sample."""
        return [per_sample_mean(xp, xp.abs(y_true - y_pred))]


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class Bias(MeanMetric):
    """The mean signed error, ``mean(y_pred - y_true)``: positive where predictions are too high.

    Shapes ``(batch, ...)``, any rank; unit of the target; range ``(-∞, ∞)``. Zero is best and
    neither end is, so ``direction`` is None and a bias is no objective by itself: look at it
    beside RMSE, or minimise `UnderRate` or `Shortfall` to push it up.

    Arguments and errors are those of every `Metric`.

    >>> from lossweights import metrics
    >>> metrics.Bias().evaluate([0.0, 0.0], [3.0, -4.0])
    -0.5
    """

    direction = None
    unit = "target"
    unknown = "elements"
    default_name = "bias"

    def statistics(self, xp: Namespace, y_true: Array, y_pred: Array) -> list[Array]:
        """The mean signed error of each sample."""
        return [per_sample_mean(xp, y_pred - y_true)]


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class EdgeRMSE(Metric):
    """The RMSE of signed gradients: how wrong the steps between neighbours are.

    With ``e = y_true - y_pred`` and ``Δ_a`` the difference of neighbours along axis a, the square
    root of ``mean over axes a of mean((Δ_a e)²)``. A constant offset of the prediction costs
    nothing, a smeared or inverted edge does. Differences are per grid step: the value of the same
    scene shrinks as resolution grows. Unit of the target; range ``[0, ∞)``, smaller is better.
    Differences keep their sign, unlike the gradient difference loss of Mathieu, Couprie and LeCun
    (arXiv 1511.05440), to which an inverted mask looks perfect.

    Args:
        axes: The axes to difference along, the batch axis 0 excluded: ``1`` for the time axis of
            ``(batch, time)``, ``(1, 2)`` for images. Negative axes count from the last one.
        name, dtype: As for every `Metric`.

    Raises:
        MetricError: If an axis is the batch axis, is named twice, is missing in the data, or has
            a single position.

    >>> from lossweights import metrics
    >>> step = [[0.0, 0.0, 1.0, 1.0]]
    >>> metrics.EdgeRMSE(axes=1).evaluate(step, [[5.0, 5.0, 6.0, 6.0]])
    0.0
    >>> metrics.EdgeRMSE(axes=1).evaluate(step, [[1.0, 1.0, 0.0, 0.0]]) ** 2  # one step of 3 by 2
    1.3333333333333333
    """

    direction = "minimize"
    unit = "target"
    default_name = "edge_rmse"
    n_statistics = 1

    def __init__(self, axes: int | Sequence[int], **host: Unpack[MetricArguments]) -> None:
        named = tuple(axes) if isinstance(axes, Sequence) else (axes,)
        if not named or 0 in named or not all(isinstance(axis, Integral) for axis in named):
            raise MetricError(
                "Expected `axes` to be one or more integers, the batch axis 0 excluded. "
                f"Found {axes!r}. Use 1 for a time axis, (1, 2) for images."
            )
        self.axes = tuple(int(axis) for axis in named)
        super().__init__(**host)

    def statistics(self, xp: Namespace, y_true: Array, y_pred: Array) -> list[Array]:
        """The mean squared difference of neighbouring errors of each sample."""
        error = y_true - y_pred
        squares = []
        for axis in self._resolved(tuple(error.shape)):
            before = (slice(None),) * axis
            step = error[(*before, slice(1, None))] - error[(*before, slice(None, -1))]
            squares.append(per_sample_mean(xp, xp.square(step)))
        return [sum(squares) / len(squares)]

    def value(self, sums: Array) -> Array:
        """The root of the mean over samples."""
        xp = namespace_of(sums)
        return xp.sqrt(ratio(xp, sums[..., 0], sums[..., -1]))

    def _resolved(self, shape: tuple[int | None, ...]) -> list[int]:
        """The axes of an array of this shape, counted from the first."""
        axes = [a + len(shape) if a < 0 else a for a in self.axes]
        fits = all(0 < a < len(shape) and shape[a] != 1 for a in axes)
        if not fits or len(set(axes)) < len(axes):
            raise MetricError(
                f"Expected axes {self.axes} to name different axes, none of them the batch axis "
                f"and each at least 2 long. Found arrays of shape {shape}."
            )
        return axes
