"""Surface distances against all pairs of boundary points, and DeepMind's package if it is there."""

import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lossweights import metrics
from lossweights.base.errors import MetricError
from lossweights.metrics._contours import contour_distances, pixel_distances
from lossweights.metrics._surface_areas import surface_areas

VARIANTS = ["pooled", "max_directed", "surfel"]
DISTANCES = [
    metrics.AverageSurfaceDistance,
    *(lambda variant=variant, **options: metrics.HD95(variant, **options) for variant in VARIANTS),
]
two_masks = hnp.arrays(bool, st.tuples(st.just(2), st.integers(2, 10), st.integers(2, 10)))

# a row of five pixels, and the same with one more pixel ten below its middle
ROW = np.zeros((1, 16, 9))
ROW[:, 2, 2:7] = 1.0
SPECK = ROW.copy()
SPECK[:, 12, 4] = 1.0


def boundary_pixels(mask):
    """The pixels with a direct neighbour outside, one by one; any number of dimensions."""
    padded, points = np.pad(mask, 1), []
    for index in np.argwhere(mask):
        steps = np.concatenate([np.eye(mask.ndim, dtype=int), -np.eye(mask.ndim, dtype=int)])
        if not all(padded[tuple(index + 1 + step)] for step in steps):
            points.append(index)
    return np.array(points, dtype=float).reshape(-1, mask.ndim)


def contour_points(mask):
    """Pixel corners on the contour, and the contour's length there, from a table of 16 cases."""
    half, whole = np.sqrt(2) / 2, 1.0
    table = {
        "0000": 0, "1111": 0,
        "1000": half, "0100": half, "0010": half, "0001": half,
        "0111": half, "1011": half, "1101": half, "1110": half,
        "1100": whole, "0011": whole, "1010": whole, "0101": whole,
        "1001": 2 * half, "0110": 2 * half,
    }  # fmt: skip
    padded, points, lengths = np.pad(mask, 1).astype(int), [], []
    for i, j in np.ndindex(mask.shape[0] + 1, mask.shape[1] + 1):
        length = table["".join(map(str, padded[i : i + 2, j : j + 2].ravel()))]
        if length:
            points.append((i, j))
            lengths.append(length)
    return np.array(points, dtype=float).reshape(-1, 2), np.array(lengths)


def nearest(points, others):
    """The distance from each point to the nearest of the others, by all pairs."""
    return np.sqrt(((points[:, None] - others[None]) ** 2).sum(-1)).min(axis=1)


def covering(distances, lengths):
    """The least distance d such that 95 % of the length is within d, tried one after another."""
    for d in np.sort(distances):
        if lengths[distances <= d].sum() >= 0.95 * lengths.sum() - 1e-9:
            return d
    raise AssertionError


def test_three_variants_of_hd95_on_one_pair():
    """One stray pixel: 5, 7.5 and 10 px by three definitions of the same name.

    Boundary pixels: 5 distances of 0 one way, 5 of 0 and one of 10 the other. Pooled, the 95th
    percentile of 11 lies halfway between the last two; directed, that of 6 three quarters of the
    way. The speck's contour is a fifth of the predicted length, its far corners 10 px away.
    """
    assert metrics.hd95(ROW, SPECK, variant="pooled") == pytest.approx(5.0, rel=1e-12)
    assert metrics.hd95(ROW, SPECK, variant="max_directed") == pytest.approx(7.5, rel=1e-12)
    assert metrics.hd95(ROW, SPECK, variant="surfel") == 10.0


def test_contour_metrics_by_hand():
    """The row's contour is 8 + 4·√½ long, the speck's 4·√½, two corners each at 9 and 10 px."""
    row, speck = 8 + 4 * np.sqrt(0.5), 4 * np.sqrt(0.5)
    share = 2 * row / (2 * row + speck)
    assert metrics.surface_dice(ROW, SPECK, tolerance=8.9) == pytest.approx(share, rel=1e-12)
    assert metrics.surface_dice(ROW, SPECK, tolerance=10.0) == 1.0
    mean = speck * 9.5 / (2 * row + speck)
    assert metrics.average_surface_distance(ROW, SPECK) == pytest.approx(mean, rel=1e-12)


@pytest.mark.parametrize("shift", [0, 1, 2, 4])
def test_shifted_square(shift):
    """A square moved by k has HD95 k in every variant, and full surface Dice at tolerance k."""
    square = np.zeros((1, 64, 64))
    square[:, 16:48, 16:48] = 1.0
    moved = np.roll(square, shift, axis=2)
    for variant in VARIANTS:
        assert metrics.hd95(square, moved, variant=variant) == shift
    assert metrics.surface_dice(square, moved, tolerance=shift) == 1.0


@settings(max_examples=60, deadline=None)
@given(two_masks, st.sampled_from([0.0, 1.0, 1.5, 3.0]))
def test_against_all_pairs_of_points(masks, tolerance):
    """Every metric of distance from brute force over boundary pixels and contour points."""
    true, pred = masks
    assume(true.any() and pred.any())
    a, b = masks[:1], masks[1:]
    close = {"rel": 1e-9, "abs": 1e-9}

    p, q = boundary_pixels(true), boundary_pixels(pred)
    forth, back = nearest(p, q), nearest(q, p)
    pooled = np.percentile(np.concatenate([forth, back]), 95)
    directed = max(np.percentile(forth, 95), np.percentile(back, 95))
    assert metrics.hd95(a, b, variant="pooled") == pytest.approx(pooled, **close)
    assert metrics.hd95(a, b, variant="max_directed") == pytest.approx(directed, **close)

    (p, v), (q, w) = contour_points(true), contour_points(pred)
    forth, back = nearest(p, q), nearest(q, p)
    agree = v[forth <= tolerance].sum() + w[back <= tolerance].sum()
    total = v.sum() + w.sum()
    surfel = max(covering(forth, v), covering(back, w))
    mean = (forth @ v + back @ w) / total
    assert metrics.surface_dice(a, b, tolerance=tolerance) == pytest.approx(agree / total, **close)
    assert metrics.hd95(a, b, variant="surfel") == pytest.approx(surfel, **close)
    assert metrics.average_surface_distance(a, b) == pytest.approx(mean, **close)


@settings(max_examples=60, deadline=None)
@given(two_masks, st.sampled_from([0.0, 1.0, 2.0]))
def test_against_the_surface_distance_package(masks, tolerance):
    """DeepMind's own code gives the same surface Dice, HD95 "surfel" and average distances."""
    surface_distance = pytest.importorskip("surface_distance")
    true, pred = masks
    assume(true.any() and pred.any())  # the package's branch for empty masks needs NumPy 1
    a, b = masks[:1], masks[1:]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it uses old names of scipy
        found = surface_distance.compute_surface_distances(true, pred, (1.0, 1.0))
    nsd = surface_distance.compute_surface_dice_at_tolerance(found, tolerance)
    hausdorff = surface_distance.compute_robust_hausdorff(found, 95)
    forth, back = surface_distance.compute_average_surface_distance(found)
    lengths = found["surfel_areas_gt"].sum(), found["surfel_areas_pred"].sum()
    mean = np.average([forth, back], weights=lengths)
    assert metrics.surface_dice(a, b, tolerance=tolerance) == pytest.approx(nsd, rel=1e-12)
    assert metrics.hd95(a, b, variant="surfel") == pytest.approx(hausdorff, rel=1e-12)
    assert metrics.average_surface_distance(a, b) == pytest.approx(mean, rel=1e-12, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(two_masks)
def test_relations_that_always_hold(masks):
    """Distances are symmetric and zero on equal masks; moving both masks changes nothing."""
    assume(masks[0].any() and masks[1].any())
    a, b = masks[:1], masks[1:]
    wide = np.pad(masks, ((0, 0), (7, 3), (2, 5)))
    for build in DISTANCES:
        metric = build()
        value = metric.evaluate(a, b)
        assert value == pytest.approx(metric.evaluate(b, a), rel=1e-12)
        assert value == pytest.approx(metric.evaluate(wide[:1], wide[1:]), rel=1e-12)
        assert metric.evaluate(a, a) == 0.0


@pytest.mark.parametrize("build", DISTANCES)
def test_empty_masks_are_infinitely_far_unless_told(build):
    """One empty mask: infinite, or empty_distance. Two: undefined, left out of the mean."""
    empty = np.zeros_like(ROW)
    assert build().evaluate(ROW, empty) == build().evaluate(empty, ROW) == np.inf
    assert build(empty_distance=18.0).evaluate(ROW, empty) == 18.0
    assert np.isnan(build().evaluate(empty, empty))
    some, other = np.concatenate([ROW, empty, ROW]), np.concatenate([ROW, empty, empty])
    assert build().evaluate(some, some) == 0.0
    assert build(empty_distance=18.0).evaluate(some, other) == 9.0
    assert build().undefined(build().sums(some, other)) == 1.0


def test_infinite_distance_stays_infinite_in_the_keras_state():
    """An infinite batch makes the epoch infinite, not NaN, whatever follows it."""
    metric = metrics.HD95()
    for pred in (np.zeros_like(ROW), ROW, ROW):
        metric.update_state(ROW, pred)
    assert float(metric.result()) == np.inf


def test_surface_dice_of_empty_masks():
    """One empty mask is 0, two are undefined."""
    empty = np.zeros_like(ROW)
    assert metrics.surface_dice(ROW, empty) == metrics.surface_dice(empty, ROW) == 0.0
    assert np.isnan(metrics.surface_dice(empty, empty))


def test_mask_that_fills_the_image_has_its_boundary_at_the_border():
    """Outside is background: a full image and its inner part are one pixel apart all round."""
    full, inner = np.ones((1, 31, 31)), np.zeros((1, 31, 31))
    inner[:, 1:-1, 1:-1] = 1.0
    for variant in VARIANTS:  # the corners, √2 away, are less than 5 % of any boundary
        assert metrics.hd95(full, inner, variant=variant) == 1.0


@pytest.mark.parametrize("variant", ["pooled", "max_directed"])
def test_hd95_of_volumes(variant):
    """Boundary voxels of two random volumes, against all pairs."""
    true, pred = np.random.default_rng(5).random((2, 5, 6, 7)) > 0.6
    forth = nearest(boundary_pixels(true), boundary_pixels(pred))
    back = nearest(boundary_pixels(pred), boundary_pixels(true))
    if variant == "pooled":
        expected = np.percentile(np.concatenate([forth, back]), 95)
    else:
        expected = max(np.percentile(forth, 95), np.percentile(back, 95))
    measured = metrics.hd95(true[None, ..., None], pred[None, ..., None], variant=variant)
    assert measured == pytest.approx(expected, rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(1, 5), min_size=2, max_size=3),
    st.lists(st.sampled_from([0.5, 1.0, 3.0]), min_size=3, max_size=3),
    st.integers(0, 2**32 - 1),
)
def test_sizes_of_pixels_against_the_surface_distance_package(space, steps, seed):
    """DeepMind's own code gives the same for images and volumes, whatever the size of a pixel."""
    surface_distance = pytest.importorskip("surface_distance")
    masks = np.random.default_rng(seed).random((2, *space)) > 0.5
    masks[:, *(0,) * len(space)] = True
    a, b, steps = masks[:1], masks[1:], tuple(steps[: len(space)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it uses old names of scipy
        found = surface_distance.compute_surface_distances(*masks, steps)
    nsd = surface_distance.compute_surface_dice_at_tolerance(found, 1.0)
    hausdorff = surface_distance.compute_robust_hausdorff(found, 95)
    ends = surface_distance.compute_average_surface_distance(found)
    sizes = found["surfel_areas_gt"].sum(), found["surfel_areas_pred"].sum()
    mean = np.average(ends, weights=sizes)
    assert metrics.surface_dice(a, b, sampling=steps) == pytest.approx(nsd, rel=1e-9)
    assert metrics.hd95(a, b, variant="surfel", sampling=steps) == pytest.approx(hausdorff)
    found = metrics.average_surface_distance(a, b, sampling=steps)
    assert found == pytest.approx(mean, rel=1e-9, abs=1e-12)


def test_areas_of_all_256_blocks():
    """Those of DeepMind's table, for voxels of any size."""
    tables = pytest.importorskip("surface_distance.lookup_tables")
    kernel = tables.ENCODE_NEIGHBOURHOOD_3D_KERNEL
    for steps in ((1.0, 1.0, 1.0), (1.0, 2.0, 3.0), (0.5, 4.0, 1.0)):
        wanted = tables.create_table_neighbour_code_to_surface_area(steps)
        for code in range(256):
            block = (code & kernel) > 0
            area = surface_areas(block, steps)[1, 1, 1]
            assert area == pytest.approx(wanted[code], rel=1e-12)


def test_sampling_tells_volumes_from_channels():
    """Three sizes mean a volume, with channels or without; two mean images."""
    volume = np.random.default_rng(2).random((2, 4, 5, 6)) > 0.5
    shifted = np.roll(volume, 1, axis=1)
    for build in (metrics.SurfaceDice, *DISTANCES):
        metric = build(sampling=(3.0, 1.0, 1.0))
        found = metric.evaluate(volume, shifted)
        assert found == metric.evaluate(volume[..., None], shifted[..., None])
        assert found == metric.evaluate(volume, shifted)
        channels = build(sampling=(1.0, 1.0)).evaluate(volume, shifted)
        with pytest.warns(UserWarning, match="Give a volume"):  # without sizes it is in doubt
            assert channels == build().evaluate(volume, shifted)
        with pytest.raises(MetricError, match="one size in `sampling` for each"):
            metric.evaluate(volume[:, 0], shifted[:, 0])


def test_one_size_scales_all_distances():
    """Pixels of 2 mm double every distance."""
    for build in DISTANCES:
        plain, scaled = (build(**o).evaluate(ROW, SPECK) for o in ({}, {"sampling": 2.0}))
        assert scaled == pytest.approx(2 * plain)


@pytest.mark.parametrize("sampling", [0.0, -1.0, np.nan, np.inf, (1.0, 0.0), (), "1", (1.0, "2")])
def test_impossible_sizes_are_refused(sampling):
    """When the metric is made."""
    with pytest.raises(MetricError, match="`sampling`"):
        metrics.HD95(sampling=sampling)


def test_distances_count_every_element_once():
    """Lengths and distances pair up; the contour of a 2×3 block is 6 + 4·√½ long."""
    block = np.zeros((6, 6), bool)
    block[1:3, 1:4] = True
    found = contour_distances(block, block)
    assert found.true_lengths.sum() == pytest.approx(6 + 4 * np.sqrt(0.5), rel=1e-12)
    assert found.true_to_pred.shape == found.true_lengths.shape == (10,)
    assert pixel_distances(block, block).true_to_pred.shape == (6,)


def test_arguments_that_are_refused():
    """Unknown variants, negative tolerances and distances are refused when built."""
    with pytest.raises(MetricError, match="pooled, max_directed, surfel"):
        metrics.HD95("95")
    with pytest.raises(MetricError, match="tolerance"):
        metrics.SurfaceDice(-0.5)
    for distance in (-1.0, np.inf, np.nan):
        with pytest.raises(MetricError, match="empty_distance"):
            metrics.AverageSurfaceDistance(empty_distance=distance)


@pytest.mark.parametrize("kind", [metrics.HD95, metrics.AverageSurfaceDistance])
def test_images_without_a_prediction_may_be_counted_apart(kind):
    """The distance is that of the images with both masks, and `Missing` is the share of others."""
    rng = np.random.default_rng(0)
    y_true = (rng.random((5, 8, 8)) > 0.6).astype(float)
    y_pred = (rng.random((5, 8, 8)) > 0.6).astype(float)
    y_pred[1] = y_true[3] = y_pred[4] = y_true[4] = 0.0  # two without a mask, one with neither
    assert kind().evaluate(y_true, y_pred) == np.inf
    apart = kind(empty_distance="apart")
    assert apart.evaluate(y_true, y_pred) == kind().evaluate(y_true[[0, 2]], y_pred[[0, 2]])
    beside = metrics.counts_missing(apart)
    assert beside.evaluate(y_true, y_pred) == 2 / 4
    assert metrics.missing(y_true, y_pred) == 2 / 4
    assert metrics.counts_missing(kind(empty_distance=3.0)) is None
    channels = metrics.counts_missing(metrics.reading(apart, target=slice(0, 1)))
    y, p = np.zeros((2, 8, 8, 2)), np.zeros((2, 8, 8, 1))
    y[:, 2:5, 2:5, 0] = p[0, 2:5, 2:5] = 1
    assert channels.evaluate(y, p) == metrics.missing(y[..., :1], p) == 0.5
    known = metrics.counts_missing(metrics.known(apart))
    assert known.evaluate(y[..., :1], p) == 0.5
    read = metrics.counts_missing(metrics.on("mask", apart))
    assert read.evaluate({"mask": y_true}, {"mask": y_pred}) == 2 / 4
    assert np.isnan(apart.evaluate(y_true[1:2], y_pred[1:2]))
    with pytest.raises(MetricError, match="'apart'"):
        kind(empty_distance="away")
