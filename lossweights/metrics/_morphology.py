"""Erosion and dilation of masks out of slices and maxima, in numpy and in a graph alike.

Masks are floating-point zeros and ones of shape ``(batch, *space, channels)``. What lies outside
an image counts as background, so a mask that touches the border has its boundary there.
"""

from collections.abc import Callable
from math import floor, sqrt

from lossweights.metrics._arrays import Array, Namespace

Combine = Callable[[Array, Array], Array]  # maximum, or minimum


def erode_square(xp: Namespace, mask: Array, radius: int) -> Array:
    """Erosion by a square (cube) of side ``2·radius + 1``: ``radius`` erosions by 3×3."""
    for axis in _space(mask):
        mask = _over_window(xp, xp.minimum, mask, axis, radius)
    return mask


def erode_cross(xp: Namespace, mask: Array) -> Array:
    """One erosion by the cross: what stays has all its direct neighbours in the mask."""
    eroded = mask
    for axis in _space(mask):
        eroded = xp.minimum(eroded, _over_window(xp, xp.minimum, mask, axis, 1))
    return eroded


def dilate_ball(xp: Namespace, mask: Array, radius: float) -> Array:
    """Dilation by a disk (ball): one wherever the mask is at most ``radius`` away, in pixels."""
    return _dilate(xp, mask, radius**2, _space(mask))


def _dilate(xp: Namespace, mask: Array, squared_radius: float, axes: list[int]) -> Array:
    """Dilation by a ball over ``axes``: line by line, each as wide as the ball is there."""
    reach = floor(sqrt(squared_radius + 1e-9))  # so that a radius of √13 reaches (2, 3)
    if len(axes) == 1:
        return _over_window(xp, xp.maximum, mask, axes[0], reach)
    dilated = _dilate(xp, mask, squared_radius, axes[1:])
    for offset in range(1, reach + 1):
        line = _dilate(xp, mask, squared_radius - offset**2, axes[1:])
        line = _padded(xp, line, axes[0], offset)
        dilated = xp.maximum(dilated, _part(line, axes[0], 2 * offset, None))
        dilated = xp.maximum(dilated, _part(line, axes[0], None, -2 * offset))
    return dilated


def _over_window(xp: Namespace, combine: Combine, x: Array, axis: int, radius: int) -> Array:
    """The maximum or minimum of windows of ``2·radius + 1`` along an axis, in O(log radius)."""
    if radius == 0:
        return x
    x = _padded(xp, x, axis, radius)
    width, wanted = 1, 2 * radius + 1
    while width < wanted:  # two windows side by side, or overlapping, make a wider one
        step = min(width, wanted - width)
        x = combine(_part(x, axis, step, None), _part(x, axis, None, -step))
        width += step
    return x


def _space(mask: Array) -> list[int]:
    """The spatial axes of a mask."""
    return list(range(1, len(mask.shape) - 1))


def _padded(xp: Namespace, x: Array, axis: int, amount: int) -> Array:
    """The array with ``amount`` more positions of background at both ends of an axis.

    Zeros only: ``tf.vectorized_map`` turns every other padding into zeros (TensorFlow 2.21).
    """
    width = [(0, 0)] * len(x.shape)
    width[axis] = (amount, amount)
    return xp.pad(x, width)


def _part(x: Array, axis: int, start: int | None, stop: int | None) -> Array:
    """The slice ``start:stop`` along one axis."""
    return x[(*(slice(None),) * axis, slice(start, stop))]
