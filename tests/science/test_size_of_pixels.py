"""Distances on grids whose elements are not square: to a border, and between surfaces."""

import itertools

import numpy as np
import pytest

import lossweights as lw


def test_a_border_half_an_element_away_is_the_nearer_one():
    """Two columns apart by 2: the border beside element (0, 0) is 1.0 away, not 1.5."""
    found = lw.terms.with_distance_map([[[1, 0], [1, 1], [0, 1]]], sampling=(1, 2))[0, ..., 1]
    assert found.tolist() == [[-1.0, 0.5], [-0.5, -0.5], [0.5, -1.0]]


@pytest.mark.parametrize("steps", [(1.0, 2.0), (0.5, 3.0), (4.0, 1.0), (1.0, 1.0)])
def test_the_map_is_symmetric_under_flips(steps):
    """Flipping masks along any axes flips their maps."""
    masks = (np.random.default_rng(0).random((20, 7, 6)) > 0.4).astype("float64")
    found = lw.terms.with_distance_map(masks, sampling=steps)[..., 1]
    for axes in ((1,), (2,), (1, 2)):
        flipped = lw.terms.with_distance_map(np.flip(masks, axes), sampling=steps)[..., 1]
        np.testing.assert_allclose(flipped, np.flip(found, axes), rtol=1e-12)


@pytest.mark.parametrize("steps", [(1.0, 2.0), (0.3, 5.0), (1.0, 1.0, 6.0)])
def test_the_map_is_the_least_distance_to_a_border(steps):
    """Against every element on the other side: its distance less half an element on the way."""
    rng = np.random.default_rng(1)
    space = (9, 8) if len(steps) == 2 else (5, 6, 4)
    axes = tuple(range(1, len(steps) + 1))
    for share in (0.03, 0.5, 0.97):
        inside = rng.random(space) < share
        inside.flat[:2] = (True, False)
        found = lw.terms.with_distance_map(inside[None], axes, sampling=steps)[0, ..., 1]
        for here in np.ndindex(space):
            offsets = np.argwhere(inside != inside[here]) - here
            distances = np.linalg.norm(offsets * steps, axis=1)
            wanted = np.min(distances * (1 - 0.5 / np.linalg.norm(offsets, axis=1)))
            assert abs(found[here]) == pytest.approx(wanted, rel=1e-6)
            assert (found[here] < 0) == inside[here]


def test_a_shift_of_a_box_is_measured_in_its_units():
    """Slices 5 mm apart, pixels of 1 mm: a box shifted by a slice, in volumes with and without."""
    volume = np.zeros((1, 12, 20, 20))
    volume[:, 3:8, 5:15, 5:15] = 1
    shifted = np.roll(volume, 1, axis=1)
    steps = (5.0, 1.0, 1.0)
    for variant, channels in itertools.product(("pooled", "max_directed", "surfel"), (False, True)):
        a, b = (v[..., None] if channels else v for v in (volume, shifted))
        assert lw.metrics.hd95(a, b, variant=variant, sampling=steps) == pytest.approx(5.0)
    assert lw.metrics.surface_dice(volume, shifted, tolerance=5.0, sampling=steps) == 1.0
    assert lw.metrics.surface_dice(volume, shifted, tolerance=4.9, sampling=steps) < 1.0


def test_a_refined_grid_measures_the_same():
    """The same squares on pixels half as wide, with their size told, within a pixel's corners."""
    a, b = np.zeros((2, 1, 24, 24))
    a[:, 4:14, 4:14], b[:, 8:18, 4:14] = 1, 1
    fine_a, fine_b = (np.repeat(mask, 2, axis=2) for mask in (a, b))
    for measure in (lw.metrics.hd95, lw.metrics.average_surface_distance):
        coarse, fine = measure(a, b), measure(fine_a, fine_b, sampling=(1.0, 0.5))
        assert fine == pytest.approx(coarse, abs=0.5)
