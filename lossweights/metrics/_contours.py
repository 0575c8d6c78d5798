"""Distances between the boundaries of two masks, by scipy's Euclidean distance transform.

Two readings of "boundary" are in use, and give different numbers:

* its **pixels**, those of the mask with a direct neighbour outside it, each counting the same
  (MedPy, MONAI), in any number of dimensions;
* its **contour** between pixel centres, in pieces that lie on pixel corners and count by their
  length (surface elements, "surfels", of DeepMind's surface-distance), in two dimensions here.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from lossweights.base.errors import MetricError

Floats = np.ndarray[Any, np.dtype[np.float64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]

# length of the contour in a 2×2 block of pixels, by how many of the four are inside
_LENGTHS = np.array([0.0, np.sqrt(0.5), 1.0, np.sqrt(0.5), 0.0])


@dataclass(frozen=True)
class Distances:
    """From each boundary element of one mask to the nearest of the other, in pixels.

    If one mask is empty its arrays are empty and the other's distances infinite.
    """

    true_to_pred: Floats
    pred_to_true: Floats
    true_lengths: Floats  # what each element of the true boundary counts
    pred_lengths: Floats


def pixel_distances(true: Mask, pred: Mask) -> Distances:
    """Distances between the boundary pixels of two masks; each pixel has length 1."""
    true, pred = _cropped(true, pred)
    true_on, pred_on = (mask & ~ndimage.binary_erosion(mask) for mask in (true, pred))
    return _distances(true_on, pred_on, np.ones(true.shape), np.ones(true.shape))


def contour_distances(true: Mask, pred: Mask) -> Distances:
    """Distances between the contours of two masks of shape ``(height, width)``."""
    if true.ndim != 2:
        raise MetricError(
            "Expected images, (batch, height, width) or (batch, height, width, channels), for a "
            f"metric of contours. Found masks with {true.ndim} spatial axes. Measure volumes with "
            "HD95(variant='pooled') or HD95(variant='max_directed')."
        )
    true, pred = _cropped(true, pred)
    true_lengths, pred_lengths = _contour_lengths(true), _contour_lengths(pred)
    return _distances(true_lengths > 0, pred_lengths > 0, true_lengths, pred_lengths)


def _distances(
    true_on: Mask, pred_on: Mask, true_lengths: Floats, pred_lengths: Floats
) -> Distances:
    """The distances between the elements of two boundaries on one grid."""
    return Distances(
        true_to_pred=_distance_to(pred_on)[true_on],
        pred_to_true=_distance_to(true_on)[pred_on],
        true_lengths=true_lengths[true_on],
        pred_lengths=pred_lengths[pred_on],
    )


def _distance_to(boundary: Mask) -> Floats:
    """The distance of every position to the boundary; infinite if there is none."""
    if not boundary.any():  # scipy would measure to an imaginary corner
        return np.full(boundary.shape, np.inf)
    distance: Floats = ndimage.distance_transform_edt(~boundary)
    return distance


def _contour_lengths(mask: Mask) -> Floats:
    """The length of the contour at every pixel corner, one more than pixels along each axis.

    Marching squares: the contour runs between the midpoints of the sides of each 2×2 block. A
    block with one pixel apart has half a diagonal, one split in two has a straight piece of 1,
    and one with two diagonal pixels has a half diagonal around each of them.
    """
    padded = np.pad(mask, 1).astype(np.int8)  # outside is background
    upper_left, upper_right = padded[:-1, :-1], padded[:-1, 1:]
    lower_left, lower_right = padded[1:, :-1], padded[1:, 1:]
    inside = upper_left + upper_right + lower_left + lower_right
    lengths = _LENGTHS[inside]
    lengths[(inside == 2) & (upper_left == lower_right)] = np.sqrt(2.0)
    return lengths


def _cropped(true: Mask, pred: Mask) -> tuple[Mask, Mask]:
    """Both masks cut to the box around their union: no boundary is lost, transforms are fast."""
    either = true | pred
    if not either.any():
        return true, pred
    box = ndimage.find_objects(either.astype(np.int8))[0]
    return true[box], pred[box]
