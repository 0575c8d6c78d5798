"""Several quantiles of one target, each predicted by a channel of its own."""

import keras
import numpy as np
import pytest

import lossweights as lw
from lossweights.base.errors import TermError
from lossweights.terms import Pinball, describe, from_description, known

TAUS = (0.1, 0.5, 0.9)
RNG = np.random.default_rng(8)
Y, P = RNG.normal(size=(200, 1)).astype("float32"), RNG.normal(size=(200, 3)).astype("float32")


def test_several_quantiles_are_the_mean_of_each():
    """The value is the mean of that of each quantile on its column, weighted as it is."""
    term, weight = Pinball(TAUS), RNG.uniform(0.5, 2.0, 200)
    parts = [Pinball(tau)(Y, P[:, [i]], weight) for i, tau in enumerate(TAUS)]
    expected = float(np.mean([float(part) for part in parts]))
    for y in (Y, Y[:, 0]):
        assert float(term(y, P, weight)) == pytest.approx(expected, rel=1e-6)
    series = RNG.normal(size=(4, 5, 3))
    steps, y = RNG.uniform(size=(4, 5)), RNG.normal(size=(4, 5, 1))
    parts = [Pinball(tau).per_sample(y, series[..., [i]], steps) for i, tau in enumerate(TAUS)]
    np.testing.assert_allclose(term.per_sample(y, series, steps), np.mean(parts, axis=0), 1e-5)


def test_the_scale_is_that_of_the_quantiles_of_the_targets():
    """The best constants are NumPy's quantiles; unknown targets are left out."""
    e = Y - np.quantile(Y, TAUS, axis=0, method="inverted_cdf").T
    expected = np.mean(np.maximum(np.array(TAUS) * e, (np.array(TAUS) - 1) * e))
    shape = (None, 3)
    scale = lw.reference_scales({"q": Pinball(TAUS)}, Y, output_shape=shape)["q"]
    assert scale == pytest.approx(expected, rel=1e-5)
    more = np.concatenate([Y, np.full((50, 1), np.nan)])
    found = lw.reference_scales({"q": known(Pinball(TAUS))}, more, output_shape=shape)["q"]
    assert found == pytest.approx(expected, rel=1e-5)


def test_files_keep_several_quantiles():
    """Descriptions and configs hold them as a list."""
    term = Pinball(TAUS)
    assert describe(term) == {"class": "Pinball", "tau": list(TAUS)}
    config = keras.saving.serialize_keras_object(term)
    for again in (from_description(describe(term)), keras.saving.deserialize_keras_object(config)):
        assert float(again(Y, P)) == float(term(Y, P))


def test_what_several_quantiles_cannot_be():
    """Levels lie between 0 and 1, and each has a column."""
    for wrong in ((), (0.1, 1.0), ("0.1",)):
        with pytest.raises(TermError, match="`tau`"):
            Pinball(wrong)
    with pytest.raises(TermError, match=r"3 predicted quantiles.*\(200, 1\).*\(200, 2\)"):
        Pinball(TAUS)(Y, P[:, :2])


def test_crossing_is_counted_by_a_metric():
    """How often quantiles are out of order is a function of the predictions."""

    def crossing(y, p):
        return (np.diff(p, axis=-1) < 0).any(axis=-1)

    metric = lw.metrics.reading(crossing, target=0, better="smaller")
    expected = np.mean([(np.diff(row) < 0).any() for row in P])
    assert metric.evaluate(Y, P) == pytest.approx(expected)
