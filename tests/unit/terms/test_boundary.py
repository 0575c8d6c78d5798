"""Boundary and TotalVariation: hand numbers, an independent reference, and every property."""

import re

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from lossweights.base.errors import TermError
from lossweights.terms._boundary import Boundary, TotalVariation

from . import boundary_properties as properties
from .boundary_properties import Case, shifted, square

DIFFERENCE = Case(Boundary(axes=(1, 2)))
SOBEL = Case(Boundary(axes=(1, 2), kernel="sobel"))
VARIATION = Case(TotalVariation(axes=(1, 2)))


@pytest.mark.parametrize("case", [DIFFERENCE, SOBEL, VARIATION], ids=["step", "sobel", "tv"])
@properties.every_property(
    properties.assert_pays_for_inversion, properties.assert_ignores_a_constant
)
def test_property(holds, case):
    """Each property of a boundary term holds."""
    holds(case)


@pytest.mark.parametrize("case", [DIFFERENCE, SOBEL], ids=["step", "sobel"])
def test_truth_is_free(case):
    """The true mask costs nothing, also where it is empty or full."""
    properties.assert_free_at_the_truth(case)


@pytest.mark.parametrize("case", [DIFFERENCE, SOBEL, VARIATION], ids=["step", "sobel", "tv"])
def test_weights_multiply(case):
    """Doubling all element weights doubles the value, as Keras has it."""
    properties.assert_counts_weights(case, factor=2.0)


@properties.on_tensorflow
@pytest.mark.parametrize("case", [DIFFERENCE, SOBEL, VARIATION], ids=["step", "sobel", "tv"])
def test_vectorised_and_compiled(case):
    """The terms work inside tf.vectorized_map and under XLA."""
    properties.assert_maps_over_a_stack(case)


def test_hand_number_in_time():
    """Four steps in time: the error 0, 2, -1, -1 has differences 2, -3, 0 and mean 5/3."""
    y = np.array([[1.0, 1.0, 1.0, 1.0]])
    p = np.array([[1.0, 3.0, 0.0, 0.0]])
    np.testing.assert_allclose(Boundary(axes=1).per_sample(y, p), [5 / 3])
    np.testing.assert_allclose(TotalVariation(axes=1).per_sample(y, p), [5 / 3])
    # (e[i+1] - e[i-1]) / 2 at the two inner steps: (-1 - 0) / 2 and (-1 - 2) / 2
    np.testing.assert_allclose(Boundary(axes=1, kernel="sobel").per_sample(y, p), [1.0])


def test_hand_number_in_an_image():
    """One wrong corner of a 2 x 3 image: 1 of 3 steps down and 1 of 4 across."""
    p = np.zeros((1, 2, 3))
    p[0, 0, 0] = 1.0
    np.testing.assert_allclose(DIFFERENCE.values(np.zeros((1, 2, 3)), p), [1 / 3 + 1 / 4])


def test_sobel_is_blind_to_alternation():
    """An error that alternates is seen by differences of neighbours, not by the Sobel gradient."""
    alternating = np.array([[0.0, 1.0] * 4])
    truth = np.zeros((1, 8))
    np.testing.assert_array_equal(Boundary(1).per_sample(truth, alternating), [1.0])
    np.testing.assert_array_equal(Boundary(1, kernel="sobel").per_sample(truth, alternating), [0.0])


@pytest.mark.parametrize("kernel", ["difference", "sobel"])
@pytest.mark.parametrize("axes", [(1,), (1, 2), (1, 2, 3)])
def test_a_ramp_costs_its_slope(kernel, axes):
    """A linear error with slopes 1, 2 and 3 costs their sum, in 1, 2 and 3 dimensions."""
    grid = np.indices((4, 5, 6)[: len(axes)])
    ramp = sum(slope * index for slope, index in zip((1, 2, 3), grid, strict=False))
    error = np.stack([ramp, -ramp])[..., None].astype("float64")
    values = Boundary(axes=axes, kernel=kernel).per_sample(np.zeros_like(error), error)
    np.testing.assert_allclose(values, [sum((1, 2, 3)[: len(axes)])] * 2)


def test_inverted_mask_costs_twice_its_variation():
    """Of the 112 pairs of neighbours in this mask 52 differ; inverted, each is wrong by 2."""
    mask = (np.random.default_rng(8).random((1, 8, 8, 1)) > 0.5).astype("float64")
    differing = sum(np.abs(np.diff(mask, axis=axis)).sum() for axis in (1, 2))
    assert differing == 52
    value = DIFFERENCE.values(mask, 1 - mask)
    np.testing.assert_allclose(value, [2 * 52 / 56])
    np.testing.assert_allclose(value, [1.857], atol=5e-4)
    np.testing.assert_allclose(value, 2 * VARIATION.values(mask, mask))
    # Comparing absolute differences instead calls the inverted mask perfect.
    unsigned = sum(
        np.abs(np.abs(np.diff(1 - mask, axis=axis)) - np.abs(np.diff(mask, axis=axis))).mean()
        for axis in (1, 2)
    )
    assert unsigned == 0.0


@pytest.mark.parametrize(("size", "published"), [(32, 0.03226), (64, 0.01587), (128, 0.00787)])
def test_resolution_law(size, published):
    """A centred square of half the width costs 2s / (N (N - 1)) per axis: halved by doubling N."""
    side = size // 2
    law = 2 * side / (size * (size - 1))
    assert law == pytest.approx(published, abs=5e-6)
    mask = square(size, side)
    np.testing.assert_allclose(VARIATION.values(mask, mask), [2 * law], rtol=1e-6)
    np.testing.assert_allclose(DIFFERENCE.values(mask, 0 * mask), [2 * law], rtol=1e-6)
    np.testing.assert_allclose(DIFFERENCE.values(mask, 1 - mask), [4 * law], rtol=1e-6)


def test_shift_saturates_with_distance():
    """The price of a shifted square grows up to its full width and not beyond."""
    mask = square(32, 8)
    prices = [float(DIFFERENCE.values(mask, shifted(mask, by))[0]) for by in (0, 1, 2, 4, 8, 10)]
    assert prices == sorted(prices)
    assert prices[0] == 0.0
    assert prices[-1] == pytest.approx(prices[-2])


@pytest.mark.parametrize("kernel", ["difference", "sobel"])
def test_channels_only_when_named(kernel):
    """Channels are averaged over, unless their axis is named, when they are differenced."""
    y = np.zeros((1, 4, 4, 3))
    p = np.broadcast_to([0.0, 1.0, 2.0], y.shape)
    assert float(Boundary((1, 2), kernel).per_sample(y, p)[0]) == 0.0
    assert float(Boundary(3, kernel).per_sample(y, p)[0]) == 1.0
    assert float(Boundary((1, 2, -1), kernel).per_sample(y, p)[0]) == 1.0


@pytest.mark.parametrize("kernel", ["difference", "sobel"])
def test_keras_mask_shares_the_weight(kernel):
    """Under a Keras mask the valid part of a series is all there is."""
    y, p = np.random.default_rng(0).normal(size=(2, 1, 8, 1)).astype("float32")
    p[:, 6:] = 0.0
    found = float(Boundary(axes=1, kernel=kernel)(y, keras.layers.Masking()(p)))
    reach = 1 if kernel == "difference" else 2
    gradient = np.abs((p - y)[0, reach:, 0] - (p - y)[0, :-reach, 0]) / reach
    expected = np.mean(gradient * (np.arange(8 - reach) < 6 - reach)) * 8 / 6
    assert found == pytest.approx(expected, rel=1e-6)


def test_weight_of_a_difference_is_the_smaller_one():
    """A difference counts as the smaller weight of its two ends, a Sobel value of all it reads."""
    error = np.arange(5.0)[None]
    weight = np.array([[1.0, 0.5, 2.0, 2.0, 0.0]])
    value = Boundary(1).per_sample(0 * error, error, weight)
    np.testing.assert_allclose(value, [(0.5 + 0.5 + 2.0 + 0.0) / 4])
    value = Boundary(1, "sobel").per_sample(0 * error, error, weight)
    np.testing.assert_allclose(value, [(1.0 + 0.5 + 0.0) / 3])
    image = np.broadcast_to(error[..., None], (1, 5, 3))
    around = np.ones((1, 5, 3))
    around[0, 0, 0] = 0.0
    value = Boundary((1, 2), "sobel").per_sample(0 * image, image, around)
    np.testing.assert_allclose(value, [2 / 3])


def reference(error, axes, kernel):
    """The same definition in NumPy and SciPy, float64."""
    error = np.asarray(error, "float64")
    total = 0.0
    for axis in axes:
        if kernel == "difference":
            size = np.abs(np.diff(error, axis=axis))
        else:
            whole = np.stack(
                [
                    ndimage.correlate1d(_smooth(plane, axis, axes), [-0.5, 0, 0.5], axis - 1)
                    for plane in error
                ]
            )
            inner = tuple(slice(1, -1) if a in axes else slice(None) for a in range(error.ndim))
            size = np.abs(whole[inner])
        total = total + size.reshape(len(error), -1).mean(axis=1)
    return total


def _smooth(plane, axis, axes):
    for other in set(axes) - {axis}:
        plane = ndimage.correlate1d(plane, [0.25, 0.5, 0.25], other - 1)
    return plane


@st.composite
def images(draw):
    """Two arrays of one shape with 1 to 3 axes of space, with or without channels."""
    space = draw(st.lists(st.integers(3, 5), min_size=1, max_size=3))
    shape = (draw(st.integers(1, 3)), *space, *draw(st.sampled_from([(), (1,), (3,)])))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = draw(st.sampled_from([1e-6, 1.0, 1e6]))
    dtype = draw(st.sampled_from(["float32", "float64", "int32", "bool"]))
    arrays = (rng.normal(scale=scale, size=shape).astype(dtype) for _ in range(2))
    return (*arrays, tuple(range(1, len(space) + 1)))


@settings(max_examples=40, deadline=None)
@given(images(), st.sampled_from(["difference", "sobel"]))
def test_equals_the_reference(arrays, kernel):
    """For any shape and dtype the value is that of NumPy and SciPy on the same numbers."""
    y, p, axes = arrays
    found = np.asarray(Boundary(axes, kernel).per_sample(y, p))
    assert found.shape == (len(y),)
    exact = reference(p.astype("float64") - y.astype("float64"), axes, kernel)
    np.testing.assert_allclose(found, exact, rtol=1e-4)
    variation = np.asarray(TotalVariation(axes).per_sample(y, p))
    np.testing.assert_allclose(variation, reference(p, axes, "difference"), rtol=1e-4)


def test_sobel_is_the_usual_kernel_over_eight():
    """In two dimensions the components are SciPy's Sobel, which gives 8 on a ramp, over 8."""
    error = np.random.default_rng(0).normal(size=(7, 6))
    usual = [ndimage.sobel(error, axis=axis)[1:-1, 1:-1] / 8 for axis in (0, 1)]
    expected = sum(np.abs(component).mean() for component in usual)
    np.testing.assert_allclose(SOBEL.values(np.zeros((1, 7, 6)), error[None]), [expected], 1e-6)


@pytest.mark.parametrize("make", [Boundary, TotalVariation])
def test_axes_are_required(make):
    """There is no default: which axes hold space or time only the user knows."""
    with pytest.raises(TypeError, match="axes"):
        make()


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        (0, "without axis 0"),
        ((0, 1), "without axis 0"),
        ((), "an axis or several"),
        ("12", "an axis or several"),
        (1.0, "an axis or several"),
        (True, "an axis or several"),
        (None, "an axis or several"),
        ((1, 1), "each axis once"),
    ],
)
@pytest.mark.parametrize("make", [Boundary, TotalVariation])
def test_impossible_axes_are_refused_at_once(make, axes, message):
    """Axes that no data could have are refused by the constructor, and named."""
    with pytest.raises(TermError, match=message) as refusal:
        make(axes=axes)
    assert repr(axes) in str(refusal.value)


@pytest.mark.parametrize(
    ("axes", "shape", "least"),
    [
        (1, (4,), 2),  # no axis but the batch
        (2, (4, 5), 2),  # not there
        (-2, (4, 5), 2),  # the batch, from behind
        ((1, -1), (4, 5), 2),  # the same axis twice
        ((2, 3), (4, 5, 5, 1), 2),  # a single channel taken for space
    ],
)
def test_axes_that_do_not_fit_the_data(axes, shape, least):
    """The error names the axes and the shape."""
    for term in (Boundary(axes), TotalVariation(axes)):
        with pytest.raises(TermError, match=re.escape(str(shape))) as refusal:
            term.per_sample(np.zeros(shape), np.zeros(shape))
        assert str(term.axes) in str(refusal.value)


def test_sobel_needs_three():
    """Two elements are enough for a difference, not for a Sobel gradient."""
    y = np.zeros((1, 2))
    assert float(Boundary(1)(y, y)) == 0.0
    with pytest.raises(TermError, match=r"at least 3 .* Found 2 along axis 1 of shape \(1, 2\)"):
        Boundary(1, kernel="sobel")(y, y)


def test_unknown_kernel_is_refused():
    """The error names the kernels there are."""
    with pytest.raises(TermError, match=r"'difference', 'sobel'.*'laplace'"):
        Boundary(1, kernel="laplace")


def test_shapes_must_agree():
    """Targets without the channels of the predictions are not broadcast."""
    with pytest.raises(TermError, match=r"\(1, 4, 4, 1\).*\(1, 4, 4, 2\)"):
        Boundary((1, 2)).per_sample(np.zeros((1, 4, 4, 1)), np.zeros((1, 4, 4, 2)))


def test_unknown_sizes_are_taken_on_trust():
    """Traced with an unknown height, width and batch, the term still gives its value."""
    y, p = square(), shifted(square(), 2)
    for case in (DIFFERENCE, SOBEL):
        inputs = [keras.Input((None, None, 1)) for _ in range(2)]
        outputs = keras.layers.Lambda(
            lambda both, term=case.term: term.per_sample(*both), output_shape=()
        )(inputs)
        model = keras.Model(inputs, outputs)
        np.testing.assert_allclose(model.predict([y, p], verbose=0), case.values(y, p), rtol=1e-6)
