"""Whether the last of four axes holds channels, or is the width of a volume.

Images are ``(batch, height, width, channels)``, volumes that nobody gave channels ``(batch, depth,
height, width)``. A shape alone does not always tell them apart; what may be a volume is never read
as channels without a word.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

MANY = 3  # channels of which nobody is surprised however small the image: classes, colours


def may_be_volume(shape: Sequence[int | None]) -> bool:
    """Whether an array of that shape may be a volume instead of images with channels.

    With five axes it is one, or a film. With four it may be one unless the last axis is shorter
    than both axes before it and, if it has more than three elements, not longer than half of
    either. A size that is unknown while a graph is traced (``None``) is taken on trust.

    >>> may_be_volume((8, 32, 32, 32)), may_be_volume((8, 64, 64, 19)), may_be_volume((8, 9, 9, 1))
    (True, False, False)
    """
    if len(shape) != 4:
        return len(shape) > 4
    *sides, last = shape[1:]
    known = [side for side in sides if side is not None]
    if last is None or last == 1 or not known:
        return False
    return last >= min(known) or (last > MANY and 2 * last > min(known))


def has_many_channels(shape: Sequence[int | None]) -> bool:
    """Whether the last of four axes has more elements than channels commonly have.

    >>> has_many_channels((8, 64, 64, 19)), has_many_channels((8, 64, 64, 3))
    (True, False)
    """
    return len(shape) == 4 and (shape[-1] or 0) > MANY


def masks_may_be_volume(masks: Any) -> bool:
    """Whether an array of masks may be a volume: also by what it holds, which tells more.

    Classes that exclude each other are channels, however many they are. More than three masks that
    overlap may be the cuts of a volume, and so may fewer if `may_be_volume` says so of the shape.

    >>> masks_may_be_volume(np.eye(150)[np.zeros((1, 32, 32), int)])
    False
    >>> masks_may_be_volume(np.ones((1, 64, 64, 20)))
    True
    """
    array = np.asarray(masks)
    if array.ndim != 4:
        return may_be_volume(array.shape)
    if not ((array >= 0.5).sum(axis=-1) > 1).any():
        return False
    return has_many_channels(array.shape) or may_be_volume(array.shape)
