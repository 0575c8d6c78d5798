"""Distances between the boundaries of two masks, by scipy's Euclidean distance transform.

Two readings of "boundary" are in use, and give different numbers:

* its **pixels**, those of the mask with a direct neighbour outside it, each counting the same
  (MedPy, MONAI), in any number of dimensions;
* its **contour** between pixel centres, in pieces that lie on pixel corners and count by their
  length, or area in a volume (surface elements, "surfels", of DeepMind's surface-distance).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from lossweights.base.errors import MetricError
from lossweights.metrics._surface_areas import surface_areas

Floats = np.ndarray[Any, np.dtype[np.float64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]
Steps = tuple[float, ...]


@dataclass(frozen=True)
class Distances:
    """From each boundary element of one mask to the nearest of the other.

    If one mask is empty its arrays are empty and the other's distances infinite.
    """

    true_to_pred: Floats
    pred_to_true: Floats
    true_lengths: Floats  # what each element of the true boundary counts
    pred_lengths: Floats


def pixel_distances(true: Mask, pred: Mask, steps: Steps | None = None) -> Distances:
    """Distances between the boundary pixels of two masks; each pixel counts the same.

    Args:
        true: A mask, of any number of axes.
        pred: Another one, of the same shape.
        steps: Size of a pixel along each axis, 1 by default.
    """
    true, pred = _cropped(true, pred)
    steps = steps or (1.0,) * true.ndim
    true_on, pred_on = (mask & ~ndimage.binary_erosion(mask) for mask in (true, pred))
    ones = np.ones(true.shape)
    return _distances(true_on, pred_on, ones, ones, steps)


def contour_distances(true: Mask, pred: Mask, steps: Steps | None = None) -> Distances:
    """Distances between the contours of two masks of images or the surfaces of two volumes.

    Args:
        true: A mask, shape ``(height, width)`` or ``(depth, height, width)``.
        pred: Another one, of the same shape.
        steps: Size of a pixel along each axis, 1 by default.
    """
    measure = {2: _contour_lengths, 3: surface_areas}.get(true.ndim)
    if measure is None:
        raise MetricError(
            "Expected images or volumes for a metric of contours. Found masks with "
            f"{true.ndim} spatial axes."
        )
    true, pred = _cropped(true, pred)
    steps = steps or (1.0,) * true.ndim
    true_lengths, pred_lengths = measure(true, steps), measure(pred, steps)
    return _distances(true_lengths > 0, pred_lengths > 0, true_lengths, pred_lengths, steps)


def _distances(
    true_on: Mask, pred_on: Mask, true_lengths: Floats, pred_lengths: Floats, steps: Steps
) -> Distances:
    """The distances between the elements of two boundaries on one grid."""
    return Distances(
        true_to_pred=_distance_to(pred_on, steps)[true_on],
        pred_to_true=_distance_to(true_on, steps)[pred_on],
        true_lengths=true_lengths[true_on],
        pred_lengths=pred_lengths[pred_on],
    )


def _distance_to(boundary: Mask, steps: Steps) -> Floats:
    """The distance of every position to the boundary; infinite if there is none."""
    if not boundary.any():  # scipy would measure to an imaginary corner
        return np.full(boundary.shape, np.inf)
    distance: Floats = ndimage.distance_transform_edt(~boundary, sampling=steps)
    return distance


def _contour_lengths(mask: Mask, steps: Steps) -> Floats:
    """The length of the contour at every pixel corner, one more than pixels along each axis.

    Marching squares: the contour runs between the midpoints of the sides of each 2×2 block. A
    block with one pixel apart has half a diagonal, one split in two has a straight piece of 1,
    and one with two diagonal pixels has a half diagonal around each of them.
    A straight piece is as long as a pixel is along it.
    """
    padded = np.pad(mask, 1).astype(np.int8)  # outside is background
    upper_left, upper_right = padded[:-1, :-1], padded[:-1, 1:]
    lower_left, lower_right = padded[1:, :-1], padded[1:, 1:]
    inside = upper_left + upper_right + lower_left + lower_right
    height, width = steps
    diagonal = np.hypot(height, width)
    lengths = np.array([0.0, diagonal / 2, 0.0, diagonal / 2, 0.0])[inside]
    halves = inside == 2
    lengths[halves & (upper_left == lower_right)] = diagonal
    lengths[halves & (upper_left == upper_right)] = width
    lengths[halves & (upper_left == lower_left)] = height
    return lengths


def _cropped(true: Mask, pred: Mask) -> tuple[Mask, Mask]:
    """Both masks cut to the box around their union: no boundary is lost, transforms are fast."""
    either = true | pred
    if not either.any():
        return true, pred
    box = ndimage.find_objects(either.astype(np.int8))[0]
    return true[box], pred[box]
