"""Terms that weigh each element by its distance from the true contour.

A distance transform is slow and has no gradient, but it depends on the targets alone. So
`with_distance_map` computes it once, before training, and lets it ride along as extra channels of
``y_true``. A model has one ``y_true``; terms that want the plain mask read it by `reading`::

    y = lw.terms.with_distance_map(masks)         # (n, height, width, 2 * channels)
    loss = lw.CombinedLoss(
        terms={
            "bce": lw.terms.reading("binary_crossentropy"),
            "dice": lw.terms.reading(lw.terms.Dice()),
            "distance": lw.terms.DistanceBoundary(axes=(1, 2)),
        },
        weights={"bce": 1.0, "dice": 1.0, "distance": 0.01},
    )
    model.fit(x, y)

Flips, crops and warps that augment the data belong before the map is made. They would carry a
ready-made map along, and a crop may cut off the contour that its distances were measured to.
"""

import math
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Unpack

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from lossweights.base.errors import DataError, TermError
from lossweights.terms._arguments import positive
from lossweights.terms._axes import IMAGE, NamedAxes, as_axes, resolve_axes, volume_refused
from lossweights.terms._of_classes import MaskHost, MaskTerm
from lossweights.terms._signed_distance import signed_distance
from lossweights.terms._tensors import Tensor, absolute, as_float, mean_per_sample, shapes_fit
from lossweights.terms.layout import masks_may_be_volume
from lossweights.terms.targets import Array, Targets


def with_distance_map(
    y: npt.ArrayLike,
    axes: int | Iterable[int] | None = None,
    *,
    sampling: float | Sequence[float] | None = None,
    no_border: float | None = None,
) -> npt.NDArray[Any]:
    """``y`` with the signed distance map of each of its channels behind them.

    The map is negative inside a mask and positive outside, and zero on the border, which lies half
    way between an element of the mask and its neighbour outside: the distance to the centre of an
    element on the other side, less half an element in that direction, for the one for which that is
    least. So an element counts alike whether it is missing or too many. (Counting from the centres
    of the innermost ring, as the published code does, makes an erosion by one element free.)

    A mask that is empty or full has no border to be distant from. Its map is ``no_border`` outside
    or ``-no_border`` inside throughout: every element is as wrong as any other.

    Args:
        y: Masks of any real or boolean dtype with values from 0 to 1, shape ``(n, ..., channels)``,
            or without the channel axis if ``axes`` name the last one, in which case it is added.
            Soft masks count as inside from 1/2 up.
        axes: The axes of space or time: 1 for a series, ``(1, 2)`` for images, ``(1, 2, 3)`` for
            volumes. Samples, channels and any other axis are mapped one by one. By default those of
            images; what may be a volume then has to have them named.
        sampling: Size of an element along each of ``axes``, or one size for all; 1 by default.
        no_border: Distance to give where there is no border. By default half the diagonal of the
            image, from its centre to its corner. With 0 such masks cost nothing, whatever is
            predicted.

    Returns:
        Masks and maps, shape ``(n, ..., 2 * channels)``, float64 if ``y`` is, otherwise float32.
        Distances are in the units of ``sampling``.

    Raises:
        DataError: ``y`` holds other values than 0 to 1, or ``sampling`` or ``no_border`` is not a
            size.
        TermError: ``axes`` name the batch, are not there, or hold fewer than 2 elements; or none
            are named and ``y`` may be a volume.

    Source: the boundary level set of Kervadec et al. (arXiv:1812.07032); the Euclidean distance
    transform is SciPy's.

    >>> y = with_distance_map([[0, 0, 1, 1, 0]], axes=1)
    >>> y.shape
    (1, 5, 2)
    >>> y[0, :, 1].tolist()
    [1.5, 0.5, -0.5, -0.5, 0.5]
    """
    masks = _as_masks(y)
    if axes is None and masks_may_be_volume(masks):
        raise volume_refused(masks.shape)
    space = resolve_axes(as_axes(IMAGE if axes is None else axes), masks.shape, least=2)
    if masks.ndim - 1 in space:
        masks = masks[..., np.newaxis]
    steps = _as_steps(sampling, len(space))
    if no_border is None:
        sides = [masks.shape[axis] * step for axis, step in zip(space, steps, strict=True)]
        no_border = math.hypot(*sides) / 2
    elif not (math.isfinite(no_border) and no_border >= 0):
        raise DataError(
            "Expected `no_border` to be a distance, finite and not negative. "
            f"Found no_border={no_border!r}. Leave it out for half the diagonal of the image."
        )
    maps = np.empty_like(masks)
    behind = tuple(range(masks.ndim - len(space), masks.ndim))
    inside, out = (np.moveaxis(array, space, behind) for array in (masks >= 0.5, maps))
    for index in np.ndindex(inside.shape[: behind[0]]):
        out[index] = signed_distance(inside[index], steps, no_border)
    return np.concatenate([masks, maps], axis=-1)


def _as_masks(y: npt.ArrayLike) -> npt.NDArray[Any]:
    masks = np.asarray(y)
    if masks.dtype.kind not in "biuf":
        raise DataError(
            f"Expected masks of numbers from 0 to 1. Found dtype {masks.dtype}. "
            "Pass an array of booleans, integers or floats."
        )
    if masks.dtype != np.float64:
        masks = masks.astype(np.float32)
    if masks.size and not (masks.min() >= 0 and masks.max() <= 1):  # also refuses NaN
        raise DataError(
            "Expected masks of numbers from 0 to 1. "
            f"Found values from {masks.min()} to {masks.max()}. "
            "Make class numbers one-hot with keras.utils.to_categorical, or divide by 255."
        )
    return masks


def _as_steps(sampling: float | Sequence[float] | None, count: int) -> tuple[float, ...]:
    given = 1.0 if sampling is None else sampling
    steps = tuple(given) if isinstance(given, Iterable) else (given,) * count
    if len(steps) != count or not all(math.isfinite(step) and step > 0 for step in steps):
        raise DataError(
            f"Expected `sampling` to be one positive size, or one for each of {count} axes. "
            f"Found sampling={sampling!r}. Give the size of an element along each axis."
        )
    return tuple(float(step) for step in steps)


class MapTerm(MaskTerm):
    """A term that reads masks with their distance maps: a mean over elements of errors in place.

    Args:
        axes: The axes that the map was made along; by default those of images.
        ignore: A class that counts nothing, or several: 0 for the background.
        classes: The classes that count, instead of ``ignore``. By default all.
        name, reduction, dtype: As for every `Term`.

    Raises:
        TermError: ``y_true`` has no distance map beside its masks, or ``axes`` do not fit.
    """

    mapped = True

    def __init__(self, axes: int | Iterable[int] | None = None, **host: Unpack[MaskHost]) -> None:
        super().__init__(**host)
        self._named = NamedAxes(axes)
        self.axes = self._named.axes

    @abstractmethod
    def of_elements(self, error: Tensor, distance: Tensor) -> Tensor:
        """The value of each element from its error and its distance from the contour."""

    def of_masks(self, y_true: Tensor, y_pred: Tensor, element_weight: Tensor | None) -> Tensor:
        """The mean value of each sample's elements, shape ``(batch,)``."""
        values = self.of_elements(*_error_and_distance(y_true, y_pred, self._named))
        return mean_per_sample(values, first_channels(element_weight, values))

    def best_constant(self, targets: Targets) -> Array:
        """The base rate, as for the cross-entropies that stand beside these terms."""
        return targets.mean()


@keras.saving.register_keras_serializable(package="lossweights")
class DistanceBoundary(MapTerm):
    """The mean over elements of ``|phi| * |y_pred - y_true|``, ``phi`` the distance to the contour.

    This is what the literature on segmentation calls the "boundary loss" (Kervadec et al.);
    `lossweights.terms.Boundary` is another one, gradient matching.

    An error counts by how far from the true contour it lies. For masks of 0 and 1 and
    probabilities this is the boundary loss ``mean(phi * y_pred)`` of Kervadec et al. less its value
    at the truth, ``mean(phi * y_true)``: the same gradients, but never negative and 0 at the truth,
    so that its magnitude can be compared with that of other terms.

    Args:
        axes: The axes that the map was made along; by default those of images.
        ignore: A class that counts nothing, or several: 0 for the background.
        classes: The classes that count, instead of ``ignore``. By default all.
        name, reduction, dtype: As for every `Term`.

    Shapes: ``y_true`` ``(batch, ..., 2 * channels)`` from `with_distance_map`, ``y_pred``
    ``(batch, ..., channels)`` or, for one channel, without that axis; the value is ``(batch,)``.
    Units: those of the distances, elements unless ``sampling`` was given. Range: 0 and above.

    Raises:
        TermError: ``y_true`` has no distance map beside its masks, or ``axes`` do not fit.

    Source: Kervadec et al., "Boundary loss for highly unbalanced segmentation" (MIDL 2019,
    Medical Image Analysis 67, 2021; arXiv:1812.07032), shifted.

    >>> import numpy as np
    >>> y = with_distance_map([[0, 0, 1, 1, 0]], axes=1)
    >>> far, near = np.array([[[1], [0], [1], [1], [0]]]), np.array([[[0], [1], [1], [1], [0]]])
    >>> term = DistanceBoundary(axes=1)
    >>> round(float(term(y, far)), 4), round(float(term(y, near)), 4)  # 1.5 / 5 and 0.5 / 5
    (0.3, 0.1)
    """

    default_name = "distance_boundary"

    def of_elements(self, error: Tensor, distance: Tensor) -> Tensor:
        """The error of each element times its distance."""
        return absolute(error) * distance


@keras.saving.register_keras_serializable(package="lossweights")
class HausdorffDistance(MapTerm):
    """The mean over elements of ``(y_pred - y_true)**2 * |phi|**alpha``, ``phi`` as the distance.

    The farther an error lies from the true contour, the more it counts, so that the worst one,
    which the Hausdorff distance measures, leads. This is the half of the loss of Karimi and
    Salcudean that needs only the truth: distances to the *predicted* contour would have to be
    transformed anew at every step. Without them a true part that is missed altogether is cheap,
    since all of it lies near a true contour: pair the term with one such as Dice.

    Args:
        axes: The axes that the map was made along; by default those of images.
        alpha: How fast errors grow dearer with distance, above 0.
        ignore: A class that counts nothing, or several: 0 for the background.
        classes: The classes that count, instead of ``ignore``. By default all.
        name, reduction, dtype: As for every `Term`.

    Shapes: ``y_true`` ``(batch, ..., 2 * channels)`` from `with_distance_map`, ``y_pred``
    ``(batch, ..., channels)`` or, for one channel, without that axis; the value is ``(batch,)``.
    Units: those of the distances to the power ``alpha``. Range: 0 and above.

    Raises:
        TermError: ``alpha`` is not above 0, ``y_true`` has no distance map beside its masks, or
            ``axes`` do not fit.

    Source: Karimi and Salcudean, "Reducing the Hausdorff distance in medical image segmentation
    with convolutional neural networks" (IEEE TMI 39, 2020; arXiv:1904.10030), one-sided.

    >>> y = with_distance_map([[0, 0, 1, 1, 0]], axes=1)
    >>> far = [[[1.0], [0.0], [1.0], [1.0], [0.0]]]
    >>> round(float(HausdorffDistance(axes=1)(y, far)), 4)  # 1.5**2 / 5
    0.45
    """

    default_name = "hausdorff_distance"

    def __init__(
        self,
        axes: int | Iterable[int] | None = None,
        alpha: float = 2.0,
        **host: Unpack[MaskHost],
    ) -> None:
        super().__init__(axes, **host)
        self.alpha = positive("alpha", alpha, "Take 2, as the paper does.")

    def of_elements(self, error: Tensor, distance: Tensor) -> Tensor:
        """The squared error of each element times a power of its distance."""
        return ops.square(error) * ops.power(distance, self.alpha)


def first_channels(element_weight: Tensor | None, like: Tensor) -> Tensor | None:
    """``element_weight`` without the weights of the distance maps, if it has any of its own."""
    if element_weight is None or len(element_weight.shape) < len(like.shape):
        return element_weight
    return element_weight[..., : like.shape[-1]]


def _error_and_distance(y_true: Tensor, y_pred: Tensor, named: NamedAxes) -> tuple[Tensor, Tensor]:
    """``y_pred`` less the masks in ``y_true``, and the distance from their contours, both alike.

    Raises:
        TermError: ``y_true`` is not masks with their maps, or ``axes`` do not fit.
    """
    y_true, y_pred = as_float(y_true), as_float(y_pred)
    found = f"y_true of shape {tuple(y_true.shape)}, y_pred of shape {tuple(y_pred.shape)}"
    if len(y_pred.shape) == len(y_true.shape) - 1:
        y_pred = ops.expand_dims(y_pred, -1)
    if not _has_map(tuple(y_true.shape), tuple(y_pred.shape)):
        raise TermError(
            "Expected y_true to hold twice the channels of y_pred: masks with their distance maps "
            f"behind. Found {found}. Prepare the masks once with "
            "y = lw.terms.with_distance_map(masks), and wrap terms that read the plain masks in "
            "lw.terms.reading. (lw.terms.Boundary, gradient matching, needs no map and is another "
            "loss.)"
        )
    if len(y_pred.shape) - 1 in named.resolve(y_pred.shape, least=1, masks_were_seen=True):
        raise TermError(
            f"Expected the last axis to hold channels, not to be one of the axes {named.axes}. "
            f"Found {found}. Name the axes that the distance map was made along."
        )
    channels = y_pred.shape[-1]
    y_true = ops.cast(y_true, y_pred.dtype)
    return y_pred - y_true[..., :channels], ops.abs(y_true[..., channels:])


def _has_map(true: tuple[int | None, ...], pred: tuple[int | None, ...]) -> bool:
    """Whether ``true`` is ``pred`` with twice the channels, as far as the sizes are known."""
    return pred[-1] is not None and shapes_fit(true, (*pred[:-1], 2 * pred[-1]))
