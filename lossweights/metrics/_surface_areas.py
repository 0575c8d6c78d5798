"""The area of a volume's surface, in pieces that lie on the corners of its voxels.

Marching cubes (Lorensen and Cline, SIGGRAPH 1987): in each block of 2×2×2 voxels the surface runs
between the midpoints of the sides of the block whose ends differ. The areas are those of
DeepMind's surface-distance, whose table of 256 blocks is made here instead of copied.
"""

from functools import cache
from itertools import pairwise, product
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
Point = tuple[float, ...]

_CORNERS = tuple(product((0, 1), repeat=3))


def surface_areas(mask: np.ndarray, steps: tuple[float, ...]) -> Floats:
    """The area of the surface at every voxel corner, one more than voxels along each axis.

    Args:
        mask: A volume, shape ``(depth, height, width)``, boolean; outside is background.
        steps: Size of a voxel along each axis.
    """
    padded = np.pad(mask, 1).astype(np.int64)
    ends = (slice(None, -1), slice(1, None))
    block = sum(
        padded[tuple(ends[side] for side in corner)] << bit for bit, corner in enumerate(_CORNERS)
    )
    areas: Floats = _areas_of_blocks(steps)[block]
    return areas


@cache
def _areas_of_blocks(steps: tuple[float, ...]) -> Floats:
    """The area in each of the 256 blocks; bit i says whether corner i of `_CORNERS` is inside."""
    return np.array([_area(loop, steps) for loop in _loops_of_blocks()]).reshape(256)


@cache
def _loops_of_blocks() -> tuple[list[Floats], ...]:
    """The polygons of each block."""
    found = []
    for block in range(256):
        fewer = block if block.bit_count() <= 4 else 255 - block  # both sides have one surface
        inside = {corner: bool(fewer >> bit & 1) for bit, corner in enumerate(_CORNERS)}
        found.append([_widest_first(loop) for loop in _loops(_segments(inside))])
    return tuple(found)


def _segments(inside: dict[tuple[int, ...], bool]) -> list[tuple[Point, Point]]:
    """Where the surface cuts the faces of a block, each corner inside cut off by itself."""
    segments = []
    for axis, side in product(range(3), (0, 1)):
        face = [
            tuple(np.insert((u, v), axis, side).tolist())
            for u, v in ((0, 0), (0, 1), (1, 1), (1, 0))
        ]
        middles = [_middle(*ends) for ends in pairwise([*face, face[0]])]
        cut = [inside[a] != inside[b] for a, b in pairwise([*face, face[0]])]
        if sum(cut) == 2:
            first, second = (middle for middle, is_cut in zip(middles, cut, strict=True) if is_cut)
            segments.append((first, second))
        elif sum(cut) == 4:
            segments += [(middles[i - 1], middles[i]) for i in range(4) if inside[face[i]]]
    return segments


def _middle(a: tuple[int, ...], b: tuple[int, ...]) -> Point:
    return tuple((x + y) / 2 for x, y in zip(a, b, strict=True))


def _loops(segments: list[tuple[Point, Point]]) -> list[Floats]:
    """Segments joined end to end."""
    loops = []
    while segments:
        first, last = segments.pop()
        loop = [first]
        while last != first:
            loop.append(last)
            following = next(segment for segment in segments if last in segment)
            segments.remove(following)
            last = following[1] if following[0] == last else following[0]
        loops.append(np.array(loop))
    return loops


def _widest_first(loop: Floats) -> Floats:
    """A loop from the corner from which its triangles, all meeting there, have the largest area."""
    turned = [np.roll(loop, -first, axis=0) for first in range(len(loop))]
    return max(turned, key=lambda each: round(_fan(each), 9))


def _fan(loop: Floats) -> float:
    """The area of the triangles that meet in the first corner of a loop."""
    spokes = loop[1:] - loop[0]
    return float(np.linalg.norm(np.cross(spokes[:-1], spokes[1:]), axis=1).sum() / 2)


def _area(loops: list[Floats], steps: tuple[float, ...]) -> float:
    return sum((_fan(loop * np.array(steps)) for loop in loops), 0.0)
