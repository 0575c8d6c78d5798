"""How far apart the boundaries of predicted and true masks are, by scipy.

Shapes, threshold, channels and undefined cases are those of `MaskMetric`; each value is the mean
over images or volumes (and channels). Distances are in pixels, or in the units of ``sampling``,
which also tells a volume from an image with channels. These metrics need concrete arrays, so
``in_graph`` is False: call `evaluate`, or compile the model without XLA (``jit_compile=False``).

Where exactly one mask of an image is empty its distances are infinite and `SurfaceDice` is 0;
where both are, the image is undefined (the conventions of DeepMind's surface-distance). Since one
infinite image makes the mean infinite, the metrics of distance take ``empty_distance``: a finite
one to count instead, the image diagonal say, or ``"apart"``, with which such images have no part in
the mean and are counted by `Missing`.
"""

import math
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Literal, Unpack, get_args

import keras
import numpy as np

from lossweights.base.errors import MetricError
from lossweights.metrics._arrays import Array, Namespace
from lossweights.metrics._contours import contour_distances, pixel_distances
from lossweights.metrics._masks import MaskArguments, MaskMetric, checked_pixels

Variant = Literal["pooled", "max_directed", "surfel"]
EmptyDistance = float | Literal["apart"] | None


class SurfaceArguments(MaskArguments, total=False):
    """The arguments of every metric of surfaces, which those with further ones hand on.

    Attributes:
        sampling: Size of a pixel, one for all axes of space or one for each; 1 unless told.
    """

    sampling: float | Sequence[float] | None


class SurfaceMetric(MaskMetric):
    """A metric of masks that takes one image's two masks at a time, in numpy.

    Args:
        sampling: Size of a pixel, in the order of the axes of space, or one size for all; 1 by
            default. Distances are then in its units, lengths and areas too. With two sizes masks
            are images, with three volumes: ``(batch, depth, height, width)``, with or without
            channels. Otherwise an array of four axes is read as images with channels.
        threshold, ignore, classes, name, dtype: As for every `MaskMetric`.

    Raises:
        MetricError: If a size is not positive and finite, or, when it measures, if shapes are not
            those of masks or do not fit ``sampling``.
    """

    in_graph = False

    def __init__(
        self, *, sampling: float | Sequence[float] | None = None, **shared: Unpack[MaskArguments]
    ) -> None:
        self.sampling = _checked_sampling(sampling)
        super().__init__(**shared)

    @abstractmethod
    def of_case(
        self, true: np.ndarray, pred: np.ndarray, steps: tuple[float, ...]
    ) -> tuple[float, float]:
        """Numerator and denominator of one case from its masks, boolean and not both empty.

        Args:
            true: The true mask, shape ``(*space,)``.
            pred: The predicted mask, same shape.
            steps: Size of a pixel along each axis of space.
        """

    def fraction(self, xp: Namespace, true: Array, pred: Array) -> tuple[Array, Array]:
        """Numerator and denominator of each case; both zero where both masks are empty."""
        true, pred = true > 0, pred > 0
        steps = self._steps(true.ndim - 2)
        batch, channels = true.shape[0], true.shape[-1]
        result = np.zeros((2, batch, channels))
        for i, c in np.ndindex(batch, channels):
            if true[i, ..., c].any() or pred[i, ..., c].any():
                result[:, i, c] = self.of_case(true[i, ..., c], pred[i, ..., c], steps)
        return result[0], result[1]

    @property
    def names_axes(self) -> bool:
        """Whether there is a size for each axis of space."""
        return isinstance(self.sampling, tuple)

    def _masks(self, xp: Namespace, y_true: Array, y_pred: Array) -> tuple[Array, Array]:
        """Both as zeros and ones of shape ``(batch, *space, channels)``."""
        if isinstance(self.sampling, tuple) and y_true.ndim == len(self.sampling) + 1:
            y_true, y_pred = y_true[..., None], y_pred[..., None]
        return super()._masks(xp, y_true, y_pred)

    def _steps(self, axes: int) -> tuple[float, ...]:
        """The size of a pixel along each axis of space."""
        given = 1.0 if self.sampling is None else self.sampling
        steps = given if isinstance(given, tuple) else (given,) * axes
        if len(steps) != axes:
            raise MetricError(
                f"Expected one size in `sampling` for each of {axes} axes of space. Found "
                f"{self.sampling!r}. Give depth, height and width for volumes, height and width "
                "for images."
            )
        return steps


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class SurfaceDice(SurfaceMetric):
    """The share of both contours within a tolerance of the other: normalized surface Dice (NSD).

    The length of the true contour at most ``tolerance`` pixels from the predicted one, plus the
    reverse, over the length of both (Nikolov et al. 2018, arXiv 1809.04430); in volumes, areas of
    surfaces. Masks ``(batch, height, width)``, with or without channels, or volumes; range
    ``[0, 1]``, larger is better.

    Args:
        tolerance: Largest distance that counts as agreement, in pixels or the units of
            ``sampling``.
        sampling, threshold, ignore, classes, name, dtype: As for every `SurfaceMetric`.

    Raises:
        MetricError: If the tolerance is negative or not finite, or shapes are not those of masks.

    >>> from lossweights import metrics
    >>> metrics.SurfaceDice(tolerance=1.0).evaluate([[[0, 1, 1, 0]]], [[[0.1, 0.2, 0.9, 0.9]]])
    1.0
    """

    default_name = "surface_dice"

    def __init__(self, tolerance: float = 1.0, **shared: Unpack[SurfaceArguments]) -> None:
        self.tolerance = checked_pixels("tolerance", tolerance)
        super().__init__(**shared)

    def of_case(
        self, true: np.ndarray, pred: np.ndarray, steps: tuple[float, ...]
    ) -> tuple[float, float]:
        """The length of both contours that agrees, and all of it."""
        found = contour_distances(true, pred, steps)
        agrees = (
            found.true_lengths[found.true_to_pred <= self.tolerance].sum()
            + found.pred_lengths[found.pred_to_true <= self.tolerance].sum()
        )
        return agrees, found.true_lengths.sum() + found.pred_lengths.sum()


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class HD95(SurfaceMetric):
    """The 95th percentile of the Hausdorff distance between boundaries, in a named variant.

    Three things go by this name, and differ on the same masks:

    * ``"pooled"``: the percentile of the distances of all boundary pixels of both masks together
      (as MedPy);
    * ``"max_directed"``: the larger of the two masks' percentiles (as MONAI);
    * ``"surfel"``: the larger of the two contours' percentiles, each piece of contour counted by
      its length: the least distance that covers 95 % of the length (as DeepMind's
      surface-distance, after Nikolov et al. 2018, arXiv 1809.04430).

    The first two interpolate linearly, as `numpy.percentile`. Masks ``(batch, height, width)``,
    with or without channels, or volumes, whose contours are surfaces that count by their area;
    pixels, or the units of ``sampling``; range ``[0, ∞]``, smaller is better.

    Args:
        variant: Which one.
        empty_distance: What an image counts where exactly one mask is empty, in pixels or the
            units of ``sampling``; None for infinity; ``"apart"`` to leave it out of the mean, in
            sweeps beside `Missing`, which counts it.
        sampling, threshold, ignore, classes, name, dtype: As for every `SurfaceMetric`.

    Raises:
        MetricError: If the variant is none of these, ``empty_distance`` is negative or not
            finite, or shapes are not those of masks.

    >>> from lossweights import metrics
    >>> metrics.HD95().evaluate([[[1, 1, 0, 0, 0]]], [[[0.1, 0.1, 0.1, 0.9, 0.9]]])
    3.0
    """

    direction = "minimize"
    unit = "pixels"
    default_name = "hd95"

    def __init__(
        self,
        variant: Variant = "pooled",
        *,
        empty_distance: EmptyDistance = None,
        **shared: Unpack[SurfaceArguments],
    ) -> None:
        if variant not in get_args(Variant):
            raise MetricError(
                f"Expected `variant` to be one of {', '.join(get_args(Variant))}. "
                f"Found {variant!r}."
            )
        self.variant = variant
        self.empty_distance = _checked_distance(empty_distance)
        super().__init__(**shared)

    def of_case(
        self, true: np.ndarray, pred: np.ndarray, steps: tuple[float, ...]
    ) -> tuple[float, float]:
        """The distance of one image, over one."""
        if not true.any() or not pred.any():
            return _of_empty(self.empty_distance)
        if self.variant == "surfel":
            found = contour_distances(true, pred, steps)
            return max(
                _covering_distance(found.true_to_pred, found.true_lengths),
                _covering_distance(found.pred_to_true, found.pred_lengths),
            ), 1.0
        found = pixel_distances(true, pred, steps)
        if self.variant == "pooled":
            both = np.concatenate([found.true_to_pred, found.pred_to_true])
            return np.percentile(both, 95), 1.0
        return max(np.percentile(d, 95) for d in (found.true_to_pred, found.pred_to_true)), 1.0


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class AverageSurfaceDistance(SurfaceMetric):
    """The mean distance between two contours, both ways: the average symmetric surface distance.

    The mean over the length of both contours together of the distance to the other one (Heimann et
    al., IEEE Transactions on Medical Imaging 2009), with contours in pieces as in `SurfaceDice`.
    It is the length-weighted mean of the two directed averages; in volumes areas of surfaces take
    the place of lengths. Masks ``(batch, height, width)``, with or without channels, or volumes;
    pixels, or the units of ``sampling``; range ``[0, ∞]``, smaller is better.

    Args:
        empty_distance: What an image counts where exactly one mask is empty, in pixels or the
            units of ``sampling``; None for infinity; ``"apart"`` to leave it out of the mean, in
            sweeps beside `Missing`, which counts it.
        sampling, threshold, ignore, classes, name, dtype: As for every `SurfaceMetric`.

    Raises:
        MetricError: If ``empty_distance`` is negative or not finite, or shapes are not those of
            masks.

    >>> from lossweights import metrics
    >>> metrics.AverageSurfaceDistance().evaluate([[[1, 0, 0, 0]]], [[[0, 0, 0, 1]]])
    2.5
    """

    direction = "minimize"
    unit = "pixels"
    default_name = "average_surface_distance"

    def __init__(
        self,
        *,
        empty_distance: EmptyDistance = None,
        **shared: Unpack[SurfaceArguments],
    ) -> None:
        self.empty_distance = _checked_distance(empty_distance)
        super().__init__(**shared)

    def of_case(
        self, true: np.ndarray, pred: np.ndarray, steps: tuple[float, ...]
    ) -> tuple[float, float]:
        """The distance summed along both contours, and their length."""
        if not true.any() or not pred.any():
            return _of_empty(self.empty_distance)
        found = contour_distances(true, pred, steps)
        summed = found.true_to_pred @ found.true_lengths + found.pred_to_true @ found.pred_lengths
        return float(summed), found.true_lengths.sum() + found.pred_lengths.sum()


def _covering_distance(distances: np.ndarray, lengths: np.ndarray) -> float:
    """The least distance within which 95 % of the length lies."""
    order = np.argsort(distances)
    covered = np.cumsum(lengths[order]) / lengths.sum()
    first = min(int(np.searchsorted(covered, 0.95)), len(order) - 1)
    return float(distances[order][first])


def _checked_sampling(
    sampling: float | Sequence[float] | None,
) -> float | tuple[float, ...] | None:
    """One size, or one for each axis; refused unless positive and finite."""
    if sampling is None:
        return None
    several = isinstance(sampling, Iterable) and not isinstance(sampling, str)
    given: Any = sampling if several else (sampling,)
    try:
        sizes = () if any(isinstance(size, str) for size in given) else tuple(map(float, given))
    except (TypeError, ValueError):
        sizes = ()
    if not sizes or not all(math.isfinite(size) and size > 0 for size in sizes):
        raise MetricError(
            "Expected `sampling` to be one positive size, or one for each axis of space. "
            f"Found sampling={sampling!r}. Give the size of a pixel along each axis."
        )
    return sizes if several else sizes[0]


def _checked_distance(empty_distance: EmptyDistance) -> EmptyDistance:
    """A distance in pixels, refused if it is negative or not finite, or what stands for one."""
    if empty_distance is None or empty_distance == "apart":
        return empty_distance
    otherwise = ", None for infinity, or 'apart'"
    if not isinstance(empty_distance, float | int):
        raise MetricError(
            f"Expected `empty_distance` in pixels{otherwise}. Found {empty_distance!r}."
        )
    return checked_pixels("empty_distance", empty_distance, otherwise=otherwise)


def _of_empty(empty_distance: EmptyDistance) -> tuple[float, float]:
    """What an image with one empty mask counts, and how often."""
    if isinstance(empty_distance, str):
        return 0.0, 0.0
    return float("inf") if empty_distance is None else empty_distance, 1.0
