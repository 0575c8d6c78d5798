"""IoU, Dice, Boundary IoU and boundary F1: closed forms, references, thresholds, empty masks."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from lossweights import metrics
from lossweights.base.errors import MetricError

OVERLAPS = [metrics.iou, metrics.dice, metrics.boundary_iou, metrics.boundary_f1]
two_masks = hnp.arrays(bool, st.tuples(st.just(2), st.integers(2, 12), st.integers(2, 12)))


def square(shift=0, size=64):
    """A centred square of half the image's side, moved sideways, as a batch of one."""
    image = np.zeros((1, size, size))
    image[:, size // 4 : 3 * size // 4, size // 4 + shift : 3 * size // 4 + shift] = 1.0
    return image


def band(mask, width):
    """The mask less `width` erosions by 3×3 with background outside: the reference's boundary."""
    return mask & ~ndimage.binary_erosion(mask, np.ones((3, 3)), iterations=width, border_value=0)


def brute_force_f1(true, pred, tolerance):
    """Boundary F1 from all distances between boundary pixels, found neighbour by neighbour."""

    def boundary(mask):
        padded = np.pad(mask, 1)
        return np.array(
            [
                (i, j)
                for i, j in np.argwhere(mask)
                if not all(
                    padded[i + 1 + di, j + 1 + dj] for di, dj in ((0, 1), (1, 0), (0, -1), (-1, 0))
                )
            ]
        ).reshape(-1, 2)

    a, b = boundary(true), boundary(pred)
    if not len(a) or not len(b):
        return np.nan if len(a) == len(b) else 0.0
    distance = np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))
    recall = (distance.min(axis=1) <= tolerance).mean()
    precision = (distance.min(axis=0) <= tolerance).mean()
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


@pytest.mark.parametrize("shift", [0, 1, 2, 3, 4, 8, 16])
def test_shifted_square_region_in_closed_form(shift):
    """A 32² square in 64² moved by k: IoU (32-k)/(32+k), Dice (32-k)/32."""
    assert metrics.iou(square(), square(shift)) == (32 - shift) / (32 + shift)
    assert metrics.dice(square(), square(shift)) == (32 - shift) / 32


@pytest.mark.parametrize(("shift", "value"), [(0, 1.0), (1, 0.6), (2, 1 / 3), (4, 7 / 23)])
def test_shifted_square_boundary_in_closed_form(shift, value):
    """The same square's Boundary IoU, d = 2: 1, 0.6, 1/3 and 0.30435."""
    assert metrics.boundary_iou(square(), square(shift)) == pytest.approx(value, rel=1e-12)


def test_shifted_square_boundary_f1_in_closed_form():
    """Within the tolerance everything matches; at 4 px 64 of the 124 boundary pixels do.

    Of the top and bottom rows the 28 shared pixels and 2 more, each; of the side inside the other
    square the 2 nearest to either row; of the other side none.
    """
    for shift in (0, 1, 2):
        assert metrics.boundary_f1(square(), square(shift), tolerance=2) == 1.0
    assert metrics.boundary_f1(square(), square(4), tolerance=2) == 64 / 124


@settings(max_examples=60, deadline=None)
@given(two_masks, st.sampled_from([0.02, 0.1, 0.2]))
def test_boundary_iou_is_the_erosion_reference(masks, ratio):
    """Any masks: the IoU of the bands that repeated 3×3 erosions leave."""
    width = max(1, round(ratio * np.hypot(*masks.shape[1:])))
    true, pred = (band(mask, width) for mask in masks)
    assume((true | pred).any())
    expected = (true & pred).sum() / (true | pred).sum()
    measured = metrics.boundary_iou(masks[:1], masks[1:], dilation_ratio=ratio)
    assert measured == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("size", "width"), [(32, 1), (64, 2), (128, 4), (256, 7), (512, 14)])
def test_boundary_width_follows_the_diagonal(size, width):
    """The band is 1, 2, 4, 7, 14 pixels wide from 32² to 512²."""
    full = np.ones((1, size, size))
    inner = np.zeros_like(full)
    inner[:, width:-width, width:-width] = 1.0
    # the band of the full image, width d, and that of the inner square do not touch
    assert metrics.boundary_iou(full, inner) == 0.0
    inner[:, width - 1 : 1 - width or None, width - 1 : 1 - width or None] = 1.0
    assert metrics.boundary_iou(full, inner) > 0.0


@settings(max_examples=60, deadline=None)
@given(two_masks, st.sampled_from([0.0, 1.0, 1.5, 2.0, 3.0]))
def test_boundary_f1_is_all_pairs_of_boundary_pixels(masks, tolerance):
    """Any masks: precision and recall counted over every pair of boundary pixels."""
    expected = brute_force_f1(*masks, tolerance)
    measured = metrics.boundary_f1(masks[:1], masks[1:], tolerance=tolerance)
    assert measured == pytest.approx(expected, rel=1e-12, nan_ok=True)


@settings(max_examples=40, deadline=None)
@given(two_masks)
def test_relations_that_always_hold(masks):
    """Dice is 2·IoU/(1+IoU); all overlaps are symmetric, in [0, 1], and 1 on equal masks."""
    assume(masks[0].any())
    a, b = masks[:1], masks[1:]
    iou = metrics.iou(a, b)
    assert metrics.dice(a, b) == pytest.approx(2 * iou / (1 + iou), rel=1e-12)
    for overlap in OVERLAPS:
        assert 0.0 <= overlap(a, b) <= 1.0
        assert overlap(a, b) == pytest.approx(overlap(b, a), rel=1e-12)
        assert overlap(a, a) == 1.0


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_empty_masks(overlap):
    """One empty mask is 0, two are undefined: NaN alone, left out of a mean otherwise."""
    full, empty = square(), np.zeros((1, 64, 64))
    assert overlap(full, empty) == overlap(empty, full) == 0.0
    assert np.isnan(overlap(empty, empty))
    some = np.concatenate([full, empty, full])
    assert overlap(some, np.concatenate([full, empty, empty])) == 0.5


def test_undefined_cases_are_counted():
    """The sums tell how many cases the mean has left out, over batches and channels."""
    metric = metrics.IoU()
    masks = np.zeros((3, 8, 8, 2))
    masks[0, 2:4, 2:4, 0] = 1.0
    sums = metric.sums(masks, masks)
    assert float(metric.undefined(sums)) == 5.0
    assert float(metric.undefined(sums + sums)) == 10.0
    assert metric.evaluate(masks, masks) == 1.0


@pytest.mark.parametrize(
    ("function", "image", "dataset"),
    [
        (metrics.iou, (1 / 2 + 1) / 2, (1 + 16) / (2 + 16)),
        (metrics.dice, (2 / 3 + 1) / 2, (2 + 32) / (3 + 32)),
    ],
)
def test_mean_over_images_or_over_all_pixels(function, image, dataset):
    """A small object half found and a large one found whole: the average decides."""
    y_true, y_pred = np.zeros((2, 3, 8, 8))
    y_true[0, 0, :2], y_pred[0, 0, :1] = 1.0, 1.0
    y_true[1, :4, :4], y_pred[1, :4, :4] = 1.0, 1.0
    assert function(y_true, y_pred) == pytest.approx(image, rel=1e-12)
    assert function(y_true, y_pred, average="dataset") == pytest.approx(dataset, rel=1e-12)


def test_channels_are_cases():
    """Several channels give the mean over all images and channels that are defined."""
    rng = np.random.default_rng(0)
    y_true, y_pred = rng.random((2, 4, 16, 16, 3)) > 0.5
    for overlap in OVERLAPS:
        single = [
            overlap(y_true[i : i + 1, ..., c], y_pred[i : i + 1, ..., c])
            for i in range(4)
            for c in range(3)
        ]
        assert overlap(y_true, y_pred) == pytest.approx(np.mean(single), rel=1e-12)


def test_a_prediction_on_the_threshold_is_outside():
    """Inside means above: an untrained sigmoid's 0.5 is background."""
    mask = np.ones((1, 4, 4))
    assert metrics.iou(mask, np.full((1, 4, 4), 0.5)) == 0.0
    assert metrics.iou(mask, np.full((1, 4, 4), np.nextafter(0.5, 1.0))) == 1.0
    assert metrics.iou(mask, np.full((1, 4, 4), 0.3), threshold=0.2) == 1.0


def test_largest_channel():
    """With threshold=None a pixel belongs to its largest channel, the first of equals."""
    y_true = np.eye(3)[[0, 1, 2, 0]].reshape(1, 2, 2, 3)
    scores = [[0.4, 0.3, 0.3], [0.1, 0.5, 0.4], [0.4, 0.2, 0.4], [0.4, 0.4, 0.2]]
    y_pred = np.array(scores).reshape(1, 2, 2, 3)
    # predicted 0 1 0 0 against 0 1 2 0: IoU 2/3, 1 and 0
    assert metrics.iou(y_true, y_pred, threshold=None) == pytest.approx(5 / 9, rel=1e-12)
    assert metrics.iou(y_true, y_pred) == 0.0  # nothing is above one half


def test_volumes_with_channels():
    """A cube of 4³ in 8³ moved by one voxel: IoU 3/5, Dice 3/4; boundaries are measured too."""
    cube = np.zeros((1, 8, 8, 8, 1))
    cube[:, 2:6, 2:6, 2:6] = 1.0
    moved = np.roll(cube, 1, axis=3)
    assert metrics.iou(cube, moved) == 3 / 5
    assert metrics.dice(cube, moved) == 3 / 4
    # both bands are their cube less a core of 2³; cores overlap in 4, cubes in 48
    assert metrics.boundary_iou(cube, moved) == pytest.approx(36 / 76, rel=1e-12)
    assert metrics.boundary_f1(cube, moved, tolerance=1.0) == 1.0


@pytest.mark.parametrize("shape", [(4,), (4, 8), (1, 2, 2, 2, 2, 1)])
def test_shapes_that_are_no_masks(shape):
    """Too few or too many axes raise with the shape."""
    with pytest.raises(MetricError, match=r"\(batch, height, width\)"):
        metrics.iou(np.ones(shape), np.ones(shape))


def test_arguments_that_are_refused():
    """Averages, ratios and tolerances that mean nothing are refused when built."""
    with pytest.raises(MetricError, match="'image'"):
        metrics.IoU(average="batch")
    for ratio in (0.0, 1.0, -0.1, np.nan):
        with pytest.raises(MetricError, match="dilation_ratio"):
            metrics.BoundaryIoU(ratio)
    for tolerance in (-1.0, np.nan, np.inf):
        with pytest.raises(MetricError, match="tolerance"):
            metrics.BoundaryF1(tolerance)
    with pytest.raises(MetricError, match="two channels or more"):
        metrics.iou(np.ones((1, 4, 4)), np.ones((1, 4, 4)), threshold=None)


def test_boundary_iou_needs_a_size_in_the_graph():
    """Where a graph does not know the image size, the error says how to give it."""
    keras = pytest.importorskip("keras")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("shapes are always known here")
    import tensorflow as tf

    unknown = tf.TensorSpec((None, None, None, 1))
    metric = metrics.BoundaryIoU()
    with pytest.raises(MetricError, match="known size"):
        tf.function(metric.sums, autograph=False).get_concrete_function(unknown, unknown)
