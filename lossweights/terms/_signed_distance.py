"""The signed distance of each element of a mask from its border, in the grid's own metric."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

_PLACES = 1 << 15  # whose nearest centres are held in memory at a time


def signed_distance(
    inside: npt.NDArray[np.bool_], steps: tuple[float, ...], no_border: float
) -> npt.NDArray[np.float64]:
    """Distance to the border of one mask, negative inside."""
    if inside.all() or not inside.any():
        # SciPy measures such masks to an element that is not there.
        return np.where(inside, -no_border, no_border)
    return _beyond_border(~inside, steps) - _beyond_border(inside, steps)


def _beyond_border(
    region: npt.NDArray[np.bool_], steps: tuple[float, ...]
) -> npt.NDArray[np.float64]:
    """How far each element of ``region`` lies from its border, 0 outside it."""
    if len(set(steps)) == 1:  # half an element is as much in any direction
        to_centre = ndimage.distance_transform_edt(region, sampling=steps)
        return np.where(region, to_centre - steps[0] / 2, 0.0)
    distance = np.zeros(region.shape)
    distance[region] = _to_border(region, np.array(steps))
    return distance


def _to_border(
    region: npt.NDArray[np.bool_], steps: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The distance of each element of ``region`` to its border, for elements with unequal sides.

    The border lies half an element before the centre of an element beyond it. Half an element is
    more in one direction than in another, so the nearest border need not lie before the nearest
    centre. Centres are looked at from the nearest on, until none that is left could be better.
    """
    from scipy.spatial import cKDTree

    beyond = ndimage.binary_dilation(region, np.ones((3,) * region.ndim)) & ~region
    centres, every = np.argwhere(beyond), np.argwhere(region)
    tree = cKDTree(centres * steps)
    parts = [every[start : start + _PLACES] for start in range(0, len(every), _PLACES)]
    return np.concatenate([_nearest_border(places, centres, tree, steps) for places in parts])


def _nearest_border(
    places: npt.NDArray[np.int64],
    centres: npt.NDArray[np.int64],
    tree: Any,
    steps: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """The distance of each place to the border before some centre, the least of all centres."""
    found = np.full(len(places), np.inf)
    left, count = np.arange(len(places)), min(8, len(centres))
    while left.size:
        distance, index = tree.query(places[left] * steps, k=np.arange(1, count + 1))
        in_elements = np.linalg.norm(centres[index] - places[left, np.newaxis], axis=-1)
        found[left] = np.min(distance * (1 - 0.5 / in_elements), axis=1)
        if count == len(centres):
            break
        left = left[distance[:, -1] - steps.max() / 2 < found[left]]
        count = min(4 * count, len(centres))
    return found
