"""Terms on contours: how well the outline of a predicted mask lies on the true one.

Both take masks of probabilities between 0 and 1 and look at their *inner ring*

    ``ring(m) = m - erode(m) = maxpool(1 - m) - (1 - m)``

the part of each element that goes when the mask is eroded. The edge of the image is no contour: a
mask that runs out of the image has no ring there.

Both are ratios of sums over the named axes, taken for each sample and channel and then averaged
over channels. A ratio needs something to divide by, so where nothing is outlined it is defined:

- neither mask has a contour (both empty, or both full): 0, there is nothing to get wrong;
- only one of them has: 1, the whole contour is missing or made up. The gradient is then 0, so pair
  these terms with a region term such as Dice, which pulls where they cannot.

An element weight counts in all the sums; what reads several elements counts as little as the least
of them, so that nothing outside a mask is seen. A common factor of the weights of a sample cancels.
"""

from collections.abc import Iterable
from typing import Unpack

import keras
from keras import ops

from lossweights.base.errors import TermError
from lossweights.terms._axes import NamedAxes, dilate, erode, full_weight
from lossweights.terms._of_classes import MaskHost, MaskTerm
from lossweights.terms._tensors import Tensor, as_floats, mean_per_sample
from lossweights.terms.reduction import split_element_weight
from lossweights.terms.targets import Array, Targets


@keras.saving.register_keras_serializable(package="lossweights")
class SoftBoundaryDice(MaskTerm):
    """One minus the Dice overlap of the two inner rings, ``1 - 2 sum(b_p b_y) / sum(b_p + b_y)``.

    It is 0 for the true mask and near 1/2 as soon as a straight outline is off by one element, and
    grows little from there: it tells a sharp outline from a nearly sharp one, not a far one from a
    farther one.

    Args:
        axes: The axes of space or time: 1 for a series, ``(1, 2)`` for images, ``(1, 2, 3)`` for
            volumes. Any other axis but the first is one of channels. By default those of images;
            what may be a volume by its shape then has to have them named.
        ignore: A class that counts nothing, or several: 0 for the background.
        classes: The classes that count, instead of ``ignore``. By default all.
        name, reduction, dtype: As for every `Term`.

    Shapes: ``y_true`` and ``y_pred`` alike, ``(batch, height, width)`` or with channels behind; the
    value is ``(batch,)``.
    Units: none. Range: 0 to 1.

    Raises:
        TermError: ``axes`` name the batch, are not there, or hold fewer than 2 elements; or none
            are named and the data may be a volume.

    Source: the inner ring of Bokhovkin and Burnaev (arXiv:1905.07852) in the overlap of Dice
    (Ecology 26, 1945).

    >>> import numpy as np
    >>> y = np.zeros((1, 6, 6)); y[:, 1:4, 1:4] = 1.0
    >>> dice = SoftBoundaryDice(axes=(1, 2))
    >>> float(dice(y, y)), round(float(dice(y, np.roll(y, 1, axis=2))), 3)
    (0.0, 0.5)
    """

    default_name = "soft_boundary_dice"

    def __init__(self, axes: int | Iterable[int] | None = None, **host: Unpack[MaskHost]) -> None:
        super().__init__(**host)
        self._named = NamedAxes(axes)
        self.axes = self._named.axes

    def of_masks(self, y_true: Tensor, y_pred: Tensor, element_weight: Tensor | None) -> Tensor:
        """The mean over channels of one minus the overlap of the rings, shape ``(batch,)``."""
        y_true, y_pred = as_floats(y_true, y_pred)
        axes = self._named.resolve(y_true.shape, least=2)
        true_ring, pred_ring = ring(y_true, axes), ring(y_pred, axes)
        counted = ring_weight(element_weight, y_true, axes)
        common = ops.sum(counted * true_ring * pred_ring, axis=axes)
        either = ops.sum(counted * (true_ring + pred_ring), axis=axes)
        return mean_per_sample(1.0 - ratio(2.0 * common, either, otherwise=1.0))

    def best_constant(self, targets: Targets) -> Array:
        """The base rate; all cost the same, since a constant has no contour."""
        return targets.mean()


@keras.saving.register_keras_serializable(package="lossweights")
class BoundaryF1(MaskTerm):
    """One minus the F1 score of the two outlines, with a tolerance of ``(theta - 1) / 2`` elements.

    With the rings ``b`` and the same rings widened by max-pooling ``b+`` (side ``theta``),

        ``P = sum(b_p b+_y) / sum(b_p)``, ``R = sum(b_y b+_p) / sum(b_y)``, ``1 - 2 P R / (P + R)``

    so precision is the part of the predicted outline that lies near the true one, and recall the
    part of the true outline that lies near the predicted one. Within the tolerance the value is 0.
    That holds for an inverted mask too, whose outline is off by a single element: the term knows
    where an outline runs, not which side of it is inside. Pair it with a region term.

    Args:
        axes: The axes of space or time: 1 for a series, ``(1, 2)`` for images, ``(1, 2, 3)`` for
            volumes. Any other axis but the first is one of channels. By default those of images;
            what may be a volume by its shape then has to have them named.
        theta: Side of the window that widens the rings, odd. The cost grows with it.
        theta0: Side of the window that finds the rings, odd and at least 3.
        ignore: A class that counts nothing, or several: 0 for the background.
        classes: The classes that count, instead of ``ignore``. By default all.
        name, reduction, dtype: As for every `Term`.

    Shapes: ``y_true`` and ``y_pred`` alike, ``(batch, height, width)`` or with channels behind; the
    value is ``(batch,)``.
    Units: none. Range: 0 to 1.

    Raises:
        TermError: ``theta`` or ``theta0`` is even or too small, or ``axes`` name the batch, are not
            there, or hold fewer than 2 elements; or none are named and the data may be a volume.

    Source: Bokhovkin and Burnaev, "Boundary Loss for Remote Sensing Imagery Semantic Segmentation"
    (arXiv:1905.07852).

    >>> import numpy as np
    >>> y = np.zeros((1, 9, 9)); y[:, 1:6, 1:6] = 1.0
    >>> f1 = BoundaryF1(axes=(1, 2), theta=3)
    >>> [round(float(f1(y, np.roll(y, shift, axis=2))), 3) for shift in (0, 1, 2)]
    [0.0, 0.0, 0.375]
    """

    default_name = "boundary_f1"

    def __init__(
        self,
        axes: int | Iterable[int] | None = None,
        theta: int = 5,
        theta0: int = 3,
        **host: Unpack[MaskHost],
    ) -> None:
        super().__init__(**host)
        self._named = NamedAxes(axes)
        self.axes = self._named.axes
        self.theta = _odd("theta", theta, least=1)
        self.theta0 = _odd("theta0", theta0, least=3)

    def of_masks(self, y_true: Tensor, y_pred: Tensor, element_weight: Tensor | None) -> Tensor:
        """The mean over channels of one minus the F1 score, shape ``(batch,)``."""
        y_true, y_pred = as_floats(y_true, y_pred)
        axes = self._named.resolve(y_true.shape, least=2)
        radius = self.theta0 // 2
        true_ring, pred_ring = ring(y_true, axes, radius), ring(y_pred, axes, radius)
        counted = ring_weight(element_weight, y_true, axes, radius)
        seen = ops.cast(counted > 0, y_true.dtype)
        precision, predicted = self._near(pred_ring, true_ring, counted, seen, axes)
        recall, outlined = self._near(true_ring, pred_ring, counted, seen, axes)
        f1 = ratio(2.0 * precision * recall, precision + recall, otherwise=0.0)
        anything = predicted + outlined > keras.config.epsilon()
        return mean_per_sample(ops.where(anything, 1.0 - f1, 0.0))

    def best_constant(self, targets: Targets) -> Array:
        """The base rate; all cost the same, since a constant has no contour."""
        return targets.mean()

    def _near(
        self, outline: Tensor, other: Tensor, counted: Tensor, seen: Tensor, axes: tuple[int, ...]
    ) -> tuple[Tensor, Tensor]:
        """The part of ``outline`` within the tolerance of the ``other``, and its whole length."""
        widened = dilate(other * seen, axes, self.theta // 2)
        length = ops.sum(counted * outline, axis=axes)
        return ratio(ops.sum(counted * outline * widened, axis=axes), length, 0.0), length


def ring(mask: Tensor, axes: tuple[int, ...], radius: int = 1) -> Tensor:
    """The part of each element that an erosion by ``radius`` takes away, same shape."""
    return mask - erode(mask, axes, radius)


def ring_weight(
    element_weight: Tensor | None, like: Tensor, axes: tuple[int, ...], radius: int = 1
) -> Tensor:
    """The least weight among the elements that each element of a `ring` reads, 1 without any."""
    if element_weight is None:
        return ops.ones_like(like)
    relative, _ = split_element_weight(element_weight)  # a ratio has nothing of a common factor
    return erode(full_weight(relative, like), axes, radius)


def ratio(part: Tensor, whole: Tensor, otherwise: float) -> Tensor:
    """``part / whole``, and ``otherwise`` where the whole is nothing; its gradient is finite."""
    there = whole > keras.config.epsilon()
    return ops.where(there, part / ops.where(there, whole, 1.0), otherwise)


def _odd(argument: str, value: int, least: int) -> int:
    if isinstance(value, bool) or value != int(value) or value < least or value % 2 == 0:
        raise TermError(
            f"Expected `{argument}` to be an odd number of at least {least}, the side of a window "
            f"around an element. Found {argument}={value!r}. Take {max(least, 5)}."
        )
    return int(value)
