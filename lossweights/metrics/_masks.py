"""What the metrics of masks share: thresholds, channels, and cases where nothing is to be found."""

import warnings
from abc import abstractmethod
from typing import Any, ClassVar, Literal, Unpack

import numpy as np

from lossweights.base.errors import MetricError
from lossweights.metrics._arrays import Array, Namespace, indicator, namespace_of, ratio
from lossweights.metrics._base import Direction, Metric, MetricArguments
from lossweights.terms.channels import pick
from lossweights.terms.classes import (
    ChosenClasses,
    Classes,
    checked_classes,
    kept_channels,
    without_unsaid,
)
from lossweights.terms.layout import has_many_channels, masks_may_be_volume, may_be_volume

Average = Literal["image", "dataset"]


class MaskArguments(MetricArguments, ChosenClasses, total=False):
    """The arguments of every metric of masks, which those with further ones hand on.

    Attributes:
        threshold: A prediction above it is inside, 0.5 unless told; None for the largest channel.
    """

    threshold: float | None


class MaskMetric(Metric):
    """A metric of binary masks, one case for each channel of each image; a fraction, as a rule.

    Targets and predictions are ``(batch, height, width)``, ``(batch, height, width, channels)`` or,
    where a metric says so, volumes ``(batch, depth, height, width, channels)``. A volume without
    channels would be read as images with them, which a warning says where the masks, or in a graph
    their shape alone, leave it open. Channels are separate masks (multi-label, or classes one-hot).
    A pixel is inside where the prediction is **above** the threshold, 0.5 unless told; where
    ``threshold`` is None, in the channel with the largest prediction (the first of equals). Targets
    are inside above 0.5.

    Each case gives a numerator and a denominator. With ``average="image"`` the value is the mean
    over cases of their ratio: a small object weighs as much as a large one, and a case whose
    denominator is zero (both masks empty, as a rule) is undefined; it is left out of the mean and
    counted by `undefined`. With ``average="dataset"``, for metrics that take it, numerators and
    denominators are summed over all cases first, so that large objects weigh more and no case is
    undefined.

    Args:
        threshold: A prediction above it is inside; None for the largest channel.
        ignore: A class, which is a channel, that counts nothing, or several: 0 for the background.
            The largest channel is still that of all.
        classes: The classes that count, instead of ``ignore``. By default all.
        name, dtype: As for every `Metric`.

    Raises:
        MetricError: Both ``ignore`` and ``classes`` are given; when it measures, if a class is not
            there, or shapes are not those of masks.
    """

    direction: ClassVar[Direction | None] = "maximize"
    unit: ClassVar[str] = "fraction"
    n_statistics = 3
    average: Average = "image"

    def __init__(
        self,
        *,
        threshold: float | None = 0.5,
        ignore: Classes = None,
        classes: Classes = None,
        **host: Unpack[MetricArguments],
    ) -> None:
        self.threshold = None if threshold is None else float(threshold)
        self.ignore, self.classes = checked_classes(ignore, classes, MetricError)
        super().__init__(**host)

    @abstractmethod
    def fraction(self, xp: Namespace, true: Array, pred: Array) -> tuple[Array, Array]:
        """Numerator and denominator of each case, each of shape ``(batch, channels)``.

        Args:
            xp: The functions to compute with, `numpy` or `keras.ops`.
            true: True masks, zeros and ones, shape ``(batch, *space, channels)``.
            pred: Predicted masks, same shape.
        """

    def statistics(self, xp: Namespace, y_true: Array, y_pred: Array) -> list[Array]:
        """Numerator, denominator and number of undefined cases of each image."""
        masks = self._masks(xp, y_true, y_pred)
        if self.ignore is not None or self.classes is not None:
            shape = tuple(masks[1].shape)
            kept = kept_channels(self.ignore, self.classes, shape, MetricError)
            masks = pick(masks[0], kept), pick(masks[1], kept)
        numerator, denominator = self.fraction(xp, *masks)
        if self.average == "dataset":
            undefined = xp.zeros_like(denominator)
        else:
            defined = indicator(xp, denominator > 0, denominator)
            quotient = ratio(xp, numerator, denominator)
            numerator = xp.where(denominator > 0, quotient, xp.zeros_like(quotient))
            denominator, undefined = defined, 1.0 - defined
        return [xp.sum(column, axis=1) for column in (numerator, denominator, undefined)]

    def value(self, sums: Array) -> Array:
        """The mean over the defined cases, or the ratio of the sums; NaN if there is nothing."""
        return ratio(namespace_of(sums), sums[..., 0], sums[..., 1])

    def undefined(self, sums: Array) -> Array:
        """How many cases of these sums are undefined (in total sample weight, if there is one)."""
        return sums[..., 2]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; those of classes if they were said."""
        return without_unsaid(super().get_config())

    @property
    def names_axes(self) -> bool:
        """Whether the arguments say which axes are space, so that a volume is not in doubt."""
        return False

    def _masks(self, xp: Namespace, y_true: Array, y_pred: Array) -> tuple[Array, Array]:
        """Both as zeros and ones of shape ``(batch, *space, channels)``."""
        shape = tuple(y_true.shape)
        if len(shape) == 3:
            y_true, y_pred = y_true[..., None], y_pred[..., None]
        elif len(shape) not in (4, 5):
            raise MetricError(
                f"Expected masks of shape (batch, height, width) or (batch, height, width, "
                f"channels) for `{self.name}`. Found {shape}. Add the axes that are missing."
            )
        if self.threshold is not None and not self.names_axes and _may_be_volume(xp, y_true):
            warnings.warn(
                f"The metric `{self.name}` reads masks of shape {shape} as {shape[-1]} channels of "
                f"images. Give a volume (batch, depth, height, width) a channel: y[..., None].",
                stacklevel=2,
            )
        true = indicator(xp, y_true > 0.5, y_true)
        if self.threshold is not None:
            return true, indicator(xp, y_pred > self.threshold, y_pred)
        channels = y_pred.shape[-1]
        if channels is None or channels < 2:
            raise MetricError(
                "Expected two channels or more to pick the largest of (`threshold=None`). "
                f"Found shape {shape}. Give a threshold."
            )
        # not argmax: Keras' needs an operation that tf.vectorized_map runs one by one
        largest = xp.equal(y_pred, xp.max(y_pred, axis=-1, keepdims=True))
        order = xp.cumsum(indicator(xp, largest, y_pred), axis=-1)
        first = xp.logical_and(largest, xp.equal(order, 1))
        return true, indicator(xp, first, y_pred)


def _may_be_volume(xp: Namespace, masks: Array) -> bool:
    """Whether four axes may be those of a volume; in a graph there is only the shape to tell."""
    if len(masks.shape) != 4:
        return False
    if xp is np:
        return masks_may_be_volume(masks)
    return may_be_volume(masks.shape) or has_many_channels(masks.shape)


def area(xp: Namespace, mask: Array) -> Array:
    """The number of pixels inside each mask, shape ``(batch, channels)``."""
    return xp.sum(mask, axis=tuple(range(1, len(mask.shape) - 1)))


def checked_pixels(argument: str, distance: float, otherwise: str = "") -> float:
    """A distance in pixels, refused if it is negative or not finite."""
    if not 0 <= float(distance) < float("inf"):
        raise MetricError(
            f"Expected `{argument}` in pixels, finite and not negative{otherwise}. "
            f"Found {distance!r}."
        )
    return float(distance)
