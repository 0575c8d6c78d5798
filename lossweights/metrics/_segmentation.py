"""How well predicted masks cover the true ones: IoU, Dice, and the same along the boundary.

Shapes, threshold, channels, averages and undefined cases are those of `MaskMetric`. All of these
are fractions between 0 and 1, larger is better, and work inside a graph.

The values of an image where exactly one mask is empty are 0, and where both are, undefined.
"""

from math import sqrt
from typing import Unpack

import keras

from lossweights.base.errors import MetricError
from lossweights.metrics._arrays import Array, Namespace, indicator, ratio
from lossweights.metrics._masks import Average, MaskArguments, MaskMetric, area, checked_pixels
from lossweights.metrics._morphology import dilate_ball, erode_cross, erode_square


class AreaMetric(MaskMetric):
    """A metric of the areas of masks, whose cases may be averaged or taken together.

    Args:
        average: ``"image"``: the mean over images (and channels) of their values. ``"dataset"``:
            one value, the summed numerators over the summed denominators.
        threshold, ignore, classes, name, dtype: As for every `MaskMetric`.

    Raises:
        MetricError: If ``average`` is neither.
    """

    unknown = "masks"

    def __init__(self, *, average: Average = "image", **shared: Unpack[MaskArguments]) -> None:
        if average not in ("image", "dataset"):
            raise MetricError(
                "Expected `average` to be 'image' (mean of the images' values) or 'dataset' "
                f"(one value of all pixels). Found {average!r}."
            )
        self.average = average
        super().__init__(**shared)


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class IoU(AreaMetric):
    """The intersection over union, ``|A ∩ B| / |A ∪ B|`` (Jaccard, New Phytologist 1912).

    Masks ``(batch, height, width)``, with or without channels, or volumes with channels; range
    ``[0, 1]``, larger is better. The mean over images, or one ratio of the whole data set.

    Args:
        average, threshold, ignore, classes, name, dtype: As for every `AreaMetric`.

    Raises:
        MetricError: ``average`` is neither of the two, or shapes are not those of masks.

    >>> from lossweights import metrics
    >>> metrics.IoU().evaluate([[[1, 1, 0, 0]]], [[[0.2, 0.9, 0.9, 0.9]]])
    0.25
    """

    default_name = "iou"

    def fraction(self, xp: Namespace, true: Array, pred: Array) -> tuple[Array, Array]:
        """Intersection and union of each case."""
        return area(xp, true * pred), area(xp, xp.maximum(true, pred))


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class Dice(AreaMetric):
    """The Dice coefficient, ``2·|A ∩ B| / (|A| + |B|)`` (Dice, Ecology 1945), the F1 of pixels.

    Masks ``(batch, height, width)``, with or without channels, or volumes with channels; range
    ``[0, 1]``, larger is better. The mean over images, or one ratio of the whole data set.

    Args:
        average, threshold, ignore, classes, name, dtype: As for every `AreaMetric`.

    Raises:
        MetricError: ``average`` is neither of the two, or shapes are not those of masks.

    >>> from lossweights import metrics
    >>> metrics.Dice().evaluate([[[1, 1, 0, 0]]], [[[0.2, 0.9, 0.9, 0.9]]])
    0.4
    >>> one_hot, all_background = [[[[0, 1]]]], [[[[0.9, 0.1]]]]
    >>> metrics.Dice(ignore=0).evaluate(one_hot, all_background)  # what finds nothing
    0.0
    """

    default_name = "dice"

    def fraction(self, xp: Namespace, true: Array, pred: Array) -> tuple[Array, Array]:
        """Twice the intersection, and the sum of the areas, of each case."""
        return 2.0 * area(xp, true * pred), area(xp, true) + area(xp, pred)


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class BoundaryIoU(MaskMetric):
    """The IoU of the bands along the boundaries (Cheng et al. 2021, arXiv 2103.16562).

    A band is the part of a mask within d pixels of its boundary: the mask less d erosions by 3×3,
    with ``d = max(1, round(dilation_ratio · diagonal))`` of the image. Outside the image is
    background. Unlike IoU it does not let a large interior hide a poor boundary. Masks
    ``(batch, height, width)``, with or without channels, or volumes with channels; range
    ``[0, 1]``, larger is better. The mean over images (and channels).

    Args:
        dilation_ratio: Width of the band as a fraction of the image diagonal; the authors' 0.02.
        threshold, ignore, classes, name, dtype: As for every `MaskMetric`.

    Raises:
        MetricError: If the ratio is not positive, shapes are not those of masks, or the size of
            the images is not known in the graph.

    >>> import numpy as np
    >>> from lossweights import metrics
    >>> square = np.zeros((1, 64, 64))
    >>> square[:, 16:48, 16:48] = 1.0
    >>> metrics.BoundaryIoU().evaluate(square, np.roll(square, 1, axis=2))
    0.6
    """

    default_name = "boundary_iou"

    def __init__(self, dilation_ratio: float = 0.02, **shared: Unpack[MaskArguments]) -> None:
        self.dilation_ratio = float(dilation_ratio)
        if not 0 < self.dilation_ratio < 1:
            raise MetricError(
                "Expected `dilation_ratio` strictly between 0 and 1, a fraction of the image "
                f"diagonal. Found {dilation_ratio!r}."
            )
        super().__init__(**shared)

    def fraction(self, xp: Namespace, true: Array, pred: Array) -> tuple[Array, Array]:
        """Intersection and union of the bands of each case."""
        size = tuple(pred.shape)[1:-1]
        if None in size:
            raise MetricError(
                f"Expected images of a known size to give `{self.name}` its width. Found shape "
                f"{tuple(pred.shape)} in the graph. Give the model's Input a size, or measure "
                "with `evaluate()`."
            )
        width = max(1, round(self.dilation_ratio * sqrt(sum(side**2 for side in size))))
        true, pred = (mask - erode_square(xp, mask, width) for mask in (true, pred))
        return area(xp, true * pred), area(xp, xp.maximum(true, pred))


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class BoundaryF1(MaskMetric):
    """The F1 of boundary pixels matched within a tolerance (Csurka et al., BMVC 2013).

    Boundary pixels are those of a mask with a direct neighbour outside it. Precision is the share
    of predicted boundary pixels at most ``tolerance`` pixels (Euclidean) from a true one, recall
    the reverse, and the value ``2·P·R / (P + R)``. Masks ``(batch, height, width)``, with or
    without channels, or volumes with channels; range ``[0, 1]``, larger is better. The mean over
    images (and channels).

    Args:
        tolerance: Largest distance of a match, in pixels. A common choice is 0.75 % of the image
            diagonal: 0.7 at 64×64, 2.7 at 256×256.
        threshold, ignore, classes, name, dtype: As for every `MaskMetric`.

    Raises:
        MetricError: If the tolerance is negative or not finite, or shapes are not those of masks.

    >>> import numpy as np
    >>> from lossweights import metrics
    >>> square = np.zeros((1, 64, 64))
    >>> square[:, 16:48, 16:48] = 1.0
    >>> metrics.BoundaryF1(tolerance=2).evaluate(square, np.roll(square, 2, axis=2))
    1.0
    """

    default_name = "boundary_f1"

    def __init__(self, tolerance: float = 2.0, **shared: Unpack[MaskArguments]) -> None:
        self.tolerance = checked_pixels("tolerance", tolerance)
        super().__init__(**shared)

    def fraction(self, xp: Namespace, true: Array, pred: Array) -> tuple[Array, Array]:
        """The F1 of each case, over one where there is a boundary and zero where there is none."""
        true, pred = (mask - erode_cross(xp, mask) for mask in (true, pred))
        n_true, n_pred = area(xp, true), area(xp, pred)
        found = area(xp, true * dilate_ball(xp, pred, self.tolerance))
        right = area(xp, pred * dilate_ball(xp, true, self.tolerance))
        # 2PR / (P + R) of P = right / n_pred and R = found / n_true, over a common denominator
        below = right * n_true + found * n_pred
        f1 = xp.where(below > 0, ratio(xp, 2.0 * right * found, below), xp.zeros_like(below))
        return f1, indicator(xp, n_true + n_pred > 0, below)
