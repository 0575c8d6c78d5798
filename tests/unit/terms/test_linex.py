"""Linex: precise near zero, finite far out, and smooth where its branches meet."""

import numpy as np
import pytest
from keras import ops

from lossweights.base.errors import TermError
from lossweights.terms import Linex

from .boundary_properties import gradient


def values(errors, alpha=1.0, dtype="float32"):
    """The linex value of each error ``y - p``."""
    y = np.asarray(errors, dtype).reshape(-1, 1)
    return ops.convert_to_numpy(Linex(alpha).per_sample(y, np.zeros_like(y)))


def exact(t):
    """``exp(t) - t - 1`` in double precision, by its series where the parts cancel."""
    t = np.asarray(t, "float64")
    series = sum(t**n / np.prod(np.arange(1.0, n + 1)) for n in range(2, 18))
    return np.where(np.abs(t) < 1, series, np.expm1(t) - t)


@pytest.mark.parametrize("alpha", [1.0, -1.0, 0.25])
def test_precise_over_all_sizes(alpha):
    """From a ten-thousandth to the tangent's end the value is right to float32 rounding."""
    sizes = np.geomspace(1e-4, 25, 300)
    errors = np.concatenate([-sizes, sizes]).astype("float32")
    expected = exact((alpha * errors).astype("float32"))
    np.testing.assert_allclose(values(errors, alpha), expected, rtol=1e-6)


def test_smooth_where_branches_meet():
    """Value and slope do not jump at the ends of the series and of the exponential."""
    for t in (-0.5, 0.5, 30.0):
        below, above = np.nextafter(np.float32(t), -np.inf), np.nextafter(np.float32(t), np.inf)
        np.testing.assert_allclose(values([below]), values([above]), rtol=1e-5)
        y = np.array([[below], [above]], "float32")
        slopes = gradient(lambda p, y=y: Linex(1.0).per_sample(y, p), np.zeros_like(y))
        np.testing.assert_allclose(slopes[0], slopes[1], rtol=1e-5)


def test_gross_errors_stay_finite():
    """An error of a million is huge and finite, in value and gradient, and still the dearer one."""
    y = np.array([[1e6], [-1e6], [1e20]], "float32")
    value = values(y)
    slope = gradient(lambda p: Linex(1.0).per_sample(y, p), np.zeros_like(y))
    assert np.isfinite(value).all()
    assert np.isfinite(slope).all()
    assert value[0] > 1e6 * value[1] > 0
    assert np.isfinite(slope**2).all()  # what Adam keeps


def test_mirror():
    """The sign of alpha says which side is exponential."""
    np.testing.assert_allclose(values([2.0, -2.0], -1.5), values([-2.0, 2.0], 1.5))


@pytest.mark.parametrize("alpha", [0.0, float("nan"), float("inf"), "1", True])
def test_bad_alpha(alpha):
    """An alpha that makes no asymmetry, or is no number, is refused."""
    with pytest.raises(TermError, match=r"Expected `alpha`.*Found alpha="):
        Linex(alpha)
