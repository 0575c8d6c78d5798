"""Erosion and dilation against scipy and brute-force distances."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from keras import ops
from scipy import ndimage

from lossweights.metrics._morphology import dilate_ball, erode_cross, erode_square

images = hnp.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)), fill=st.nothing())
volumes = hnp.arrays(bool, st.tuples(*[st.integers(1, 5)] * 3), fill=st.nothing())
masks = st.one_of(images, volumes)


def apply(operation, mask, *arguments):
    """The operation on one mask, in numpy and in the backend, which must agree."""
    batch = mask[None, ..., None].astype(np.float32)
    result = operation(np, batch, *arguments)
    in_backend = operation(ops, ops.convert_to_tensor(batch), *arguments)
    np.testing.assert_array_equal(ops.convert_to_numpy(in_backend), result)
    return result[0, ..., 0].astype(bool)


@settings(max_examples=60, deadline=None)
@given(masks, st.integers(0, 6))
def test_square_erosion_is_repeated_erosion(mask, radius):
    """One erosion by a wide square equals `radius` erosions by scipy's 3×3 (3×3×3)."""
    expected = mask
    if radius:
        cube = np.ones((3,) * mask.ndim)
        expected = ndimage.binary_erosion(mask, cube, iterations=radius, border_value=0)
    np.testing.assert_array_equal(apply(erode_square, mask, radius), expected)


@settings(max_examples=60, deadline=None)
@given(masks)
def test_cross_erosion_is_scipys_default(mask):
    """Direct neighbours only, with background outside."""
    np.testing.assert_array_equal(apply(erode_cross, mask), ndimage.binary_erosion(mask))


@settings(max_examples=80, deadline=None)
@given(masks, st.sampled_from([0.0, 0.9, 1.0, 2**0.5, 2.0, 5**0.5, 3**0.5, 2.9, 13**0.5, 5.0]))
def test_ball_dilation_is_all_within_the_distance(mask, radius):
    """A position is reached exactly if some mask pixel is at most the radius away."""
    points = np.argwhere(mask)
    grid = np.indices(mask.shape).reshape(mask.ndim, -1).T
    squared = ((grid[:, None] - points[None]) ** 2).sum(-1)
    near = (squared <= radius**2 + 1e-9).any(axis=1)
    np.testing.assert_array_equal(apply(dilate_ball, mask, radius), near.reshape(mask.shape))


@pytest.mark.parametrize(("squared", "reached"), [(0, 1), (2, 9), (5, 21), (8, 25), (13, 45)])
def test_radius_that_is_a_root_reaches_its_pixels(squared, reached):
    """A disk of radius √n around a pixel holds every grid point at exactly √n, rounding or not."""
    mask = np.zeros((9, 9), bool)
    mask[4, 4] = True
    assert apply(dilate_ball, mask, np.sqrt(squared)).sum() == reached


@pytest.mark.parametrize("operation", [erode_square, dilate_ball])
def test_window_wider_than_the_image(operation):
    """A radius beyond the image erodes everything, or reaches everything."""
    mask = np.ones((3, 4), bool)
    mask[0, 0] = operation is dilate_ball
    assert apply(operation, mask, 9).all() == (operation is dilate_ball)
