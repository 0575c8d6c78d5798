"""The distance map and the terms that read it: brute force, half-pixel numbers, every property."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from lossweights.base.errors import DataError, TermError
from lossweights.loss.combined import CombinedLoss
from lossweights.terms._boundary import Boundary
from lossweights.terms._channels import OnChannels, reading
from lossweights.terms._contour import SoftBoundaryDice
from lossweights.terms._distance_map import (
    DistanceBoundary,
    HausdorffDistance,
    with_distance_map,
)
from lossweights.terms._outputs import on
from lossweights.terms._region import Dice

from . import boundary_properties as properties
from .boundary_properties import Case, shifted, square

DISTANCE = Case(DistanceBoundary(axes=(1, 2)), with_distance_map)
HAUSDORFF = Case(HausdorffDistance(axes=(1, 2)), with_distance_map)
BOTH = pytest.mark.parametrize("case", [DISTANCE, HAUSDORFF], ids=["distance", "hausdorff"])


@BOTH
@properties.every_property(
    properties.assert_pays_for_inversion, properties.assert_free_at_the_truth
)
def test_property(holds, case):
    """Each property of a boundary term holds."""
    holds(case)


@BOTH
def test_weights_multiply(case):
    """Doubling all element weights doubles the value; the weights of the maps are not read."""
    properties.assert_counts_weights(case, factor=2.0)
    y, p = square(), shifted(square(), 2)
    weight = np.random.default_rng(0).uniform(size=y.shape)
    doubled = np.concatenate([weight, np.full_like(weight, np.nan)], axis=-1)
    np.testing.assert_array_equal(case.values(y, p, doubled), case.values(y, p, weight))


@properties.on_tensorflow
@BOTH
def test_vectorised_and_compiled(case):
    """The terms work inside tf.vectorized_map and under XLA."""
    properties.assert_maps_over_a_stack(case)


def brute_force(mask, steps):
    """Of each element its place, its sign and its distance from the border."""
    inside = mask >= 0.5
    for here in np.ndindex(mask.shape):
        offsets = np.argwhere(inside != inside[here]) - here
        distances = np.linalg.norm(offsets * steps, axis=1)
        in_elements = np.linalg.norm(offsets, axis=1)
        yield here, -1 if inside[here] else 1, np.min(distances * (1 - 0.5 / in_elements))


@settings(max_examples=60, deadline=None)
@given(
    space=st.lists(st.integers(2, 5), min_size=1, max_size=3),
    seed=st.integers(0, 2**32 - 1),
    steps=st.lists(st.sampled_from([0.5, 1.0, 3.0]), min_size=3, max_size=3),
)
def test_equals_brute_force(space, seed, steps):
    """The map is the least distance to an element across, less half an element on the way."""
    rng = np.random.default_rng(seed)
    masks = rng.integers(0, 2, size=(1, *space, 1)).astype("float64")
    masks.flat[:2] = (0, 1)  # neither empty nor full
    axes = tuple(range(1, len(space) + 1))
    steps = tuple(steps[: len(space)])
    found = with_distance_map(masks, axes, sampling=steps)[0, ..., 1]
    for here, sign, distance in brute_force(masks[0, ..., 0], steps):
        assert np.isclose(sign * found[here], distance)


def test_isotropic_map_is_scipys_less_half():
    """With elements of one size the map is the two distance transforms, each less half of it."""
    masks = np.random.default_rng(0).integers(0, 2, size=(3, 9, 8, 2)).astype("float64")
    for step in (1.0, 2.5):
        found = with_distance_map(masks, sampling=step)[..., 2:]
        for sample, channel in np.ndindex(3, 2):
            mask = masks[sample, ..., channel] > 0
            outside, inside = (
                ndimage.distance_transform_edt(region, sampling=step) - step / 2
                for region in (~mask, mask)
            )
            expected = np.where(mask, -inside, outside)
            np.testing.assert_allclose(found[sample, ..., channel], expected)


def test_sampling_follows_the_order_of_axes():
    """The size of an element belongs to the axis named at its place."""
    masks = np.zeros((1, 5, 5))
    masks[0, 2, 2] = 1.0
    found = with_distance_map(masks, axes=(2, 1), sampling=(1.0, 10.0))[0, ..., 1]
    assert found[2, 3] == 0.5
    assert found[3, 2] == 5.0
    assert found[2, 2] == -0.5
    np.testing.assert_array_equal(
        found, with_distance_map(masks, axes=(1, 2), sampling=(10.0, 1.0))[0, ..., 1]
    )


def test_eroding_and_dilating_cost_alike():
    """One element off all around a 32-element square: 124 halves too few, 128 halves too many."""
    mask = square(64, 32)
    cross = ndimage.generate_binary_structure(2, 1)[None, ..., None]
    eroded = ndimage.binary_erosion(mask, cross).astype("float32")
    dilated = ndimage.binary_dilation(mask, cross).astype("float32")
    assert [mask.sum() - eroded.sum(), dilated.sum() - mask.sum()] == [124, 128]
    costs = [float(DISTANCE.values(mask, p)[0]) * 64 * 64 for p in (mask, eroded, dilated)]
    np.testing.assert_allclose(costs, [0.0, 62.0, 64.0], rtol=1e-6)
    costs = [float(HAUSDORFF.values(mask, p)[0]) * 64 * 64 for p in (mask, eroded, dilated)]
    np.testing.assert_allclose(costs, [0.0, 124 / 4, 128 / 4], rtol=1e-6)


def test_shift_against_the_unshifted_loss():
    """The value is ``mean(phi s)`` less what that is at the truth, where it is far below zero."""
    mask = square(64, 32)
    phi = with_distance_map(mask)[..., 1:]
    at_truth = float((phi * mask).mean())
    # With inner distances counted to centres it would be -1.211: half an element more each.
    assert at_truth == pytest.approx(-1.211 - 0.5 * 32 * 32 / 64**2, abs=5e-4)
    p = np.random.default_rng(0).uniform(size=mask.shape).astype("float32")
    expected = float((phi * p).mean()) - at_truth
    assert float(DISTANCE.values(mask, p)[0]) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(DISTANCE.gradient(mask, p), phi / phi.size, rtol=1e-5)


def test_price_grows_with_distance():
    """The same blob costs more the farther it is from the mask, and Hausdorff's grows faster."""
    mask = np.zeros((1, 9, 9, 1), "float32")
    mask[:, 4, 1] = 1.0
    blobs = [np.zeros_like(mask) for _ in range(4)]
    for blob, column in zip(blobs, (2, 3, 5, 7), strict=True):
        blob[:, 4, column] = 1.0
    spurious = [np.maximum(mask, blob) for blob in blobs]
    linear = [float(DISTANCE.values(mask, p)[0]) * 81 for p in spurious]
    square_law = [float(HAUSDORFF.values(mask, p)[0]) * 81 for p in spurious]
    np.testing.assert_allclose(linear, [0.5, 1.5, 3.5, 5.5], rtol=1e-5)
    np.testing.assert_allclose(square_law, np.square(linear), rtol=1e-5)
    cubic = Case(HausdorffDistance(alpha=3), with_distance_map)
    np.testing.assert_allclose(cubic.values(mask, spurious[1])[0] * 81, 1.5**3, rtol=1e-5)


@BOTH
@pytest.mark.parametrize("full", [False, True])
def test_empty_and_full_masks(case, full):
    """Without a border every error costs half the diagonal, or nothing where that is asked for."""
    masks = np.full((1, 6, 8, 1), float(full), "float32")
    sign = -1.0 if full else 1.0
    np.testing.assert_array_equal(with_distance_map(masks)[..., 1], np.full((1, 6, 8), sign * 5.0))
    stretched = with_distance_map(masks, sampling=(8.0, 6.0))[..., 1]
    np.testing.assert_allclose(stretched, np.full((1, 6, 8), sign * np.hypot(48, 48) / 2))
    p = masks.copy()
    p[0, 0, 0, 0] = 1.0 - p[0, 0, 0, 0]
    alpha = 1.0 if case is DISTANCE else 2.0
    assert float(case.values(masks, p)[0]) == pytest.approx(5.0**alpha / 48)
    ignored = with_distance_map(masks, no_border=0.0)
    assert float(case.term.per_sample(ignored, p)[0]) == 0.0


def test_no_border_is_beyond_most_others():
    """Half the diagonal exceeds the mean distance to any single element of the image."""
    masks = np.zeros((36, 6, 6, 1))
    masks.reshape(36, 36)[np.arange(36), np.arange(36)] = 1.0
    means = np.abs(with_distance_map(masks)[..., 1]).mean(axis=(1, 2))
    assert means.max() < np.hypot(6, 6) / 2


def test_every_mask_on_its_own():
    """Samples, channels and unnamed axes such as time do not touch each other."""
    masks = np.random.default_rng(0).integers(0, 2, size=(2, 3, 5, 6, 2))
    together = with_distance_map(masks, axes=(2, 3))
    assert together.shape == (2, 3, 5, 6, 4)
    np.testing.assert_array_equal(together[..., :2], masks)
    for sample, frame, channel in np.ndindex(2, 3, 2):
        alone = with_distance_map(masks[sample, frame, None, ..., channel])
        np.testing.assert_array_equal(
            together[sample, frame, ..., [channel, channel + 2]].transpose(1, 2, 0), alone[0]
        )


@pytest.mark.parametrize(
    ("shape", "axes", "expected"),
    [
        ((2, 5), 1, (2, 5, 2)),
        ((2, 5, 3), 1, (2, 5, 6)),
        ((2, 5, 4), (1, 2), (2, 5, 4, 2)),
        ((2, 5, 4), (-2, -1), (2, 5, 4, 2)),
        ((2, 5, 4, 3), (1, 2), (2, 5, 4, 6)),
        ((2, 5, 4, 3), (-3, -2), (2, 5, 4, 6)),
        ((2, 5, 4, 3), (1, 2, 3), (2, 5, 4, 3, 2)),
        ((2, 5, 4, 3, 1), (1, 2, 3), (2, 5, 4, 3, 2)),
        ((0, 5, 4, 1), (1, 2), (0, 5, 4, 2)),
    ],
)
def test_shapes(shape, axes, expected):
    """Maps double the channels; a channel axis is added where the last axis is one of space."""
    assert with_distance_map(np.zeros(shape, bool), axes=axes).shape == expected


@pytest.mark.parametrize(
    ("given_dtype", "returned"),
    [
        ("bool", "float32"),
        ("uint8", "float32"),
        ("int64", "float32"),
        ("float16", "float32"),
        ("float32", "float32"),
        ("float64", "float64"),
    ],
)
def test_dtypes(given_dtype, returned):
    """Maps are float32, or float64 beside float64 masks."""
    masks = square().astype(given_dtype)
    made = with_distance_map(masks)
    assert made.dtype == returned
    np.testing.assert_allclose(made, with_distance_map(square()))


def test_soft_masks_count_from_one_half():
    """Soft masks are kept as they are; their map is that of the mask from 1/2 up."""
    made = with_distance_map([[0.1, 0.5, 0.9, 0.49]], axes=1)
    np.testing.assert_allclose(made[0, :, 0], [0.1, 0.5, 0.9, 0.49])
    np.testing.assert_allclose(made[0, :, 1], [0.5, -0.5, -0.5, 0.5])


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        (np.full((1, 4, 4), 2), "from 2.0 to 2.0.*to_categorical"),
        (np.full((1, 4, 4), -0.5), "from -0.5"),
        (np.full((1, 4, 4), np.nan), "from nan"),
        (np.full((1, 4, 4), "a"), "dtype <U1"),
        (np.zeros((1, 4, 4), complex), "dtype complex"),
    ],
)
def test_what_is_no_mask_is_refused(masks, message):
    """Class numbers, NaN and text are refused with what to do."""
    with pytest.raises(DataError, match=message):
        with_distance_map(masks)


@pytest.mark.parametrize(
    "sampling", [0.0, -1.0, np.nan, np.inf, (1.0,), (1.0, 2.0, 3.0), (1.0, 0.0)]
)
def test_impossible_sampling_is_refused(sampling):
    """Sizes must be positive, one for each axis."""
    with pytest.raises(DataError, match="`sampling`"):
        with_distance_map(square(), sampling=sampling)


@pytest.mark.parametrize("no_border", [-1.0, np.nan, np.inf])
def test_impossible_no_border_is_refused(no_border):
    """A distance is finite and not negative."""
    with pytest.raises(DataError, match="`no_border`"):
        with_distance_map(square(), no_border=no_border)


@pytest.mark.parametrize("axes", [0, (0, 1), 3, (1, 1), (1, -3)])
def test_axes_must_fit_the_masks(axes):
    """The batch is no axis of space, and every axis must be there once."""
    with pytest.raises(TermError):
        with_distance_map(np.zeros((4, 4, 4)), axes=axes)
    with pytest.raises(TermError, match="Found 1 along axis 3"):
        with_distance_map(square(), axes=(1, 2, 3))


@BOTH
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_plain_masks_are_refused(case, channels):
    """Masks without their maps are refused with the call that makes them."""
    y = np.zeros((1, 6, 6, channels), "float32")
    with pytest.raises(TermError, match="with_distance_map") as refusal:
        case.term(y, y)
    assert str(y.shape) in str(refusal.value)


@BOTH
def test_other_shapes_are_refused(case):
    """Another size, a missing axis or axes that name the channels are refused."""
    y = with_distance_map(square())
    with pytest.raises(TermError, match="twice the channels"):
        case.term(y, np.zeros((1, 10, 10, 1)))
    with pytest.raises(TermError, match="twice the channels"):
        case.term(y, np.zeros((1, 12)))
    with pytest.raises(TermError, match="last axis to hold channels"):
        type(case.term)(axes=(2, 3))(y, square())
    with pytest.raises(TermError, match=r"axes \(5,\)"):
        type(case.term)(axes=5)(y, square())


@BOTH
def test_predictions_without_a_channel_axis(case):
    """A model may predict single masks of shape (batch, height, width)."""
    y, p = square(), shifted(square(), 2)
    np.testing.assert_array_equal(case.values(y, p[..., 0]), case.values(y, p))


@pytest.mark.parametrize("alpha", [0, -1.0, np.nan, np.inf, True, "2"])
def test_alpha_is_positive(alpha):
    """The exponent must make far errors dearer."""
    with pytest.raises(TermError, match="`alpha`"):
        HausdorffDistance(alpha=alpha)


MASKED = [Boundary(axes=(1, 2)), SoftBoundaryDice(axes=(1, 2))]


@pytest.mark.parametrize("term", MASKED, ids=lambda term: term.name)
def test_on_mask_shows_the_masks_alone(term):
    """Wrapped, a term gives the value on plain masks, with or without maps behind them."""
    rng = np.random.default_rng(0)
    y, p = square(channels=2), rng.uniform(size=(1, 12, 12, 2)).astype("float32")
    weight = rng.uniform(size=y.shape)
    mapped = with_distance_map(y)
    for element_weight in (None, weight, weight[..., 0]):
        expected = np.asarray(term.per_sample(y, p, element_weight))
        for target in (y, mapped):
            found = reading(term).per_sample(target, p, element_weight)
            np.testing.assert_array_equal(found, expected)
    doubled = np.concatenate([weight, np.full_like(weight, np.nan)], axis=-1)
    np.testing.assert_array_equal(
        reading(term).per_sample(mapped, p, doubled), term.per_sample(y, p, weight)
    )
    single = reading(term).per_sample(with_distance_map(y[..., 0]), p[..., 0])
    np.testing.assert_array_equal(single, term.per_sample(y[..., :1], p[..., :1]))


def test_on_mask_takes_keras_losses():
    """Keras' own losses are wrapped by name, and read one output of several from outside."""
    y, p = square(), np.full_like(square(), 0.25)
    expected = keras.losses.BinaryCrossentropy()(y, p)
    wrapped = reading("binary_crossentropy")
    np.testing.assert_allclose(wrapped(with_distance_map(y), p), expected, rtol=1e-6)
    output = on("mask", wrapped)
    found = output({"mask": with_distance_map(y)}, {"mask": p})
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_unwrapped_terms_refuse_the_maps():
    """Without the wrapper the doubled channels are an error, never broadcast."""
    with pytest.raises(TermError, match=r"\(1, 12, 12, 2\).*\(1, 12, 12, 1\)"):
        Boundary(axes=(1, 2))(with_distance_map(square()), square())


def test_on_mask_survives_its_config():
    """Written by Keras and read again, the wrapper holds the same term."""
    wrapped = OnChannels(Boundary(axes=(1, 2), kernel="sobel", name="edges"), reduction="sum")
    assert wrapped.name == "edges"
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(wrapped))
    assert again.get_config() == wrapped.get_config()
    y, p = with_distance_map(square()), shifted(square(), 2)
    np.testing.assert_array_equal(again(y, p), wrapped(y, p))


def test_on_mask_refuses_what_is_no_term():
    """Only terms on plain masks are wrapped, and only targets with enough channels are read."""
    with pytest.raises(TermError, match="to be a term"):
        reading(3.0)
    for term in (DistanceBoundary(), HausdorffDistance(), on("mask", "mse")):
        with pytest.raises(TermError, match=f"Expected a term that reads.*{type(term).__name__}"):
            reading(term)
    with pytest.raises(TermError, match=r"\(1, 4, 4, 1\).*\(1, 4, 4, 2\)"):
        reading(Boundary((1, 2)))(np.zeros((1, 4, 4, 1)), np.zeros((1, 4, 4, 2)))


def test_keras_trains_on_it():
    """Compiled into a model, the term trains although y_true has twice the channels of y_pred."""
    keras.utils.set_random_seed(0)
    masks = np.concatenate([shifted(square(), by) for by in range(-3, 4)])
    noise = np.random.default_rng(0).normal(scale=0.3, size=masks.shape)
    x, y = (masks + noise).astype("float32"), with_distance_map(masks)
    model = keras.Sequential(
        [keras.Input((12, 12, 1)), keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid")]
    )
    model.compile(keras.optimizers.Adam(0.1), loss=DistanceBoundary(axes=(1, 2)))
    losses = model.fit(x, y, epochs=25, batch_size=7, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]
    found = model.evaluate(x, y, verbose=0)
    expected = float(np.mean(np.abs(model.predict(x, verbose=0) - masks) * np.abs(y[..., 1:])))
    assert found == pytest.approx(expected, rel=1e-5)


def test_map_beside_plain_terms_in_one_loss():
    """Cross-entropy and Dice read the masks, the distance term the map, in one combined loss."""
    y = square(channels=2)
    p = np.random.default_rng(0).uniform(0.1, 0.9, size=y.shape).astype("float32")
    loss = CombinedLoss(
        terms={
            "bce": reading("binary_crossentropy"),
            "dice": reading(Dice()),
            "distance": DistanceBoundary(axes=(1, 2)),
        },
        weights={"bce": 1.0, "dice": 0.5, "distance": 0.01},
    )
    components = loss.components(with_distance_map(y), p)
    expected = {
        "bce": float(keras.losses.BinaryCrossentropy()(y, p)),
        "dice": float(Dice()(y, p)),
        "distance": float(DISTANCE.values(y, p)[0]),
    }
    assert {name: float(value) for name, value in components.items()} == pytest.approx(
        expected, rel=1e-5
    )
    total = expected["bce"] + 0.5 * expected["dice"] + 0.01 * expected["distance"]
    assert float(loss(with_distance_map(y), p)) == pytest.approx(total, rel=1e-5)
