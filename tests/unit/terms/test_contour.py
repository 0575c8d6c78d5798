"""SoftBoundaryDice and BoundaryF1: known shifts, an independent reference, and every property."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from lossweights.base.errors import TermError
from lossweights.terms._contour import BoundaryF1, SoftBoundaryDice

from . import boundary_properties as properties
from .boundary_properties import Case, gradient, shifted, square

DICE = Case(SoftBoundaryDice(axes=(1, 2)))
F1 = Case(BoundaryF1(axes=(1, 2)))
BOTH = pytest.mark.parametrize("case", [DICE, F1], ids=["dice", "f1"])


@BOTH
@properties.every_property(properties.assert_free_at_the_truth)
def test_property(holds, case):
    """Each property of a boundary term holds."""
    holds(case)


@BOTH
def test_common_weight_cancels(case):
    """A ratio is the same whether every element weighs 1 or 2."""
    properties.assert_counts_weights(case, factor=1.0)


@properties.on_tensorflow
@BOTH
def test_vectorised_and_compiled(case):
    """The terms work inside tf.vectorized_map and under XLA."""
    properties.assert_maps_over_a_stack(case)


def test_dice_of_shifted_square():
    """A ring of 124 elements keeps 62, then 60, as the 32-element square moves on."""
    mask = square(64, 32)
    values = [float(DICE.values(mask, shifted(mask, by))[0]) for by in (0, 1, 2, 3)]
    expected = [0.0, 1 - 62 / 124, 1 - 60 / 124, 1 - 58 / 124]
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    np.testing.assert_allclose(values[1:3], [0.5, 0.516], atol=5e-4)


@pytest.mark.parametrize(("theta", "free"), [(1, 0), (3, 1), (5, 2), (7, 3)])
def test_f1_is_free_within_its_tolerance(theta, free):
    """A shift of up to (theta - 1) / 2 elements costs nothing, one more costs about a half."""
    mask = square(64, 32)
    term = BoundaryF1(axes=(1, 2), theta=theta)
    for by in range(free + 1):
        assert float(term(mask, shifted(mask, by))) == 0.0
    assert 0.4 < float(term(mask, shifted(mask, free + 1))) <= 0.5


def test_f1_of_shifted_square():
    """At a shift of 3 with theta 5, 66 of the 124 elements of each ring lie near the other."""
    mask = square(64, 32)
    value = float(F1.values(mask, shifted(mask, 3))[0])
    assert value == pytest.approx(1 - 66 / 124, rel=1e-6)
    assert value == pytest.approx(0.468, abs=5e-4)


def test_dice_pays_for_inversion():
    """The ring of the inverted mask lies outside the true one: no overlap at all."""
    properties.assert_pays_for_inversion(DICE)
    assert float(DICE.values(square(), 1 - square())[0]) == 1.0


def test_f1_does_not_know_inside_from_outside():
    """Turned inside out, the outline is off by one element, which is within the tolerance."""
    assert float(F1.values(square(), 1 - square())[0]) == 0.0
    strict = Case(BoundaryF1(axes=(1, 2), theta=1))
    properties.assert_pays_for_inversion(strict)


@BOTH
def test_nothing_outlined_is_defined(case):
    """Neither mask has an outline: 0. Only one has: 1. Never a division by nothing."""
    shape, empty, full = square(), np.zeros_like(square()), np.ones_like(square())
    for y, p, value in [
        (empty, empty, 0.0),
        (full, full, 0.0),
        (empty, full, 0.0),
        (empty, shape, 1.0),
        (shape, empty, 1.0),
        (shape, full, 1.0),
    ]:
        assert float(case.values(y, p)[0]) == value
        assert np.isfinite(case.gradient(y, p)).all()


@BOTH
@pytest.mark.parametrize("level", [1e-38, 1e-20, 1e-9])
def test_faint_outlines_are_safe(case, level):
    """A nearly empty prediction divides by nearly nothing without overflow."""
    for y in (square(), np.zeros_like(square())):
        p = np.float32(level) * shifted(square(), 1)
        assert np.isfinite(case.values(y, p)).all()
        assert np.isfinite(case.gradient(y, p)).all()


@BOTH
def test_mean_over_channels(case):
    """Each channel is a mask of its own, and the value is their mean."""
    y = square(channels=2)
    p = shifted(y, 3)
    p[..., 1] = y[..., 1]
    first = case.values(y[..., :1], p[..., :1])
    np.testing.assert_allclose(case.values(y, p), first / 2)
    np.testing.assert_allclose(case.values(y[..., 0], p[..., 0]), first)


@BOTH
def test_edge_of_the_image_is_no_outline(case):
    """A mask that fills the left half of the image has its outline in the middle only."""
    half = np.zeros((1, 6, 6))
    half[:, :, :3] = 1.0
    far = np.zeros((1, 6, 6))
    far[:, :, :5] = 1.0
    middle = np.zeros((1, 6, 6))
    middle[:, :, 2] = 1.0
    # If the edges counted, the two masks would share the left one and overlap in part.
    assert float(DICE.values(half, far)[0]) == 1.0
    assert case.values(half, half)[0] == 0.0


def reference_ring(mask, radius):
    """SciPy's erosion, the edge of the image not eroding."""
    return mask - ndimage.minimum_filter(mask, size=2 * radius + 1, mode="nearest")


def reference(name, y, p, theta=5, theta0=3):
    """The two formulas for one mask, in SciPy and float64."""
    b_y, b_p = (reference_ring(m.astype("float64"), theta0 // 2) for m in (y, p))
    if name == "dice":
        total = b_y.sum() + b_p.sum()
        return 1 - 2 * (b_y * b_p).sum() / total if total else 0.0
    wide_y, wide_p = (ndimage.maximum_filter(b, size=theta, mode="nearest") for b in (b_y, b_p))
    if b_y.sum() == 0 or b_p.sum() == 0:
        return float(b_y.sum() != b_p.sum())
    precision, recall = (b_p * wide_y).sum() / b_p.sum(), (b_y * wide_p).sum() / b_y.sum()
    return 1 - 2 * precision * recall / (precision + recall) if precision + recall else 1.0


@settings(max_examples=40, deadline=None)
@given(
    space=st.lists(st.integers(2, 7), min_size=1, max_size=3),
    channels=st.sampled_from([(), (1,), (2,)]),
    theta=st.sampled_from([1, 3, 5]),
    theta0=st.sampled_from([3, 5]),
    seed=st.integers(0, 2**32 - 1),
    hard=st.booleans(),
)
def test_equals_the_reference(space, channels, theta, theta0, seed, hard):
    """In 1 to 3 dimensions, with and without channels, hard or soft: SciPy's pooling agrees."""
    rng = np.random.default_rng(seed)
    axes = tuple(range(1, len(space) + 1))
    y, p = rng.uniform(size=(2, 2, *space, *channels)).astype("float32")
    y, p = (y > 0.5).astype("float32"), (p > 0.5).astype("float32") if hard else p
    found = {
        "dice": SoftBoundaryDice(axes).per_sample(y, p),
        "f1": BoundaryF1(axes, theta=theta, theta0=theta0).per_sample(y, p),
    }
    masks = [m.reshape(2, *space, -1) for m in (y, p)]
    for name, values in found.items():
        options = {"theta": theta, "theta0": theta0 if name == "f1" else 3}
        expected = [
            np.mean([reference(name, t[..., c], q[..., c], **options) for c in range(t.shape[-1])])
            for t, q in zip(*masks, strict=True)
        ]
        np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-6)


def test_gradient_moves_the_outline():
    """A step against the gradient brings a blurred, misplaced outline nearer to the true one."""
    y = square()
    blurred = ndimage.gaussian_filter(shifted(y, 1), (0, 1, 1, 0))
    for case in (DICE, F1):
        slope = gradient(lambda p, case=case: case.term.per_sample(y, p), blurred)
        before, after = (case.values(y, blurred - rate * slope) for rate in (0.0, 0.1))
        assert after[0] < before[0]


@pytest.mark.parametrize("argument", ["theta", "theta0"])
@pytest.mark.parametrize("value", [0, 2, 4, -1, 2.5, True])
def test_windows_are_odd(argument, value):
    """Windows of an even side have no middle and are refused by name."""
    with pytest.raises(TermError, match=f"`{argument}` to be an odd number.*{argument}={value}"):
        BoundaryF1(axes=1, **{argument: value})


@pytest.mark.parametrize("make", [SoftBoundaryDice, BoundaryF1])
def test_axes_must_fit(make):
    """Axes are checked like those of the other boundary terms."""
    with pytest.raises(TermError, match="without axis 0"):
        make(axes=(0, 1))
    with pytest.raises(TermError, match=r"\(1, 4, 4, 1\)"):
        make(axes=(2, 3)).per_sample(np.zeros((1, 4, 4, 1)), np.zeros((1, 4, 4, 1)))
