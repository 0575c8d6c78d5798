"""Where training ends: closed forms of the optimum, reached by Keras models (T1, T2, T3, T9)."""

import keras
import numpy as np
import pytest
from scipy import optimize, special, stats

from lossweights import CombinedLoss
from lossweights.terms import (
    Expectile,
    Linex,
    Newsvendor,
    Pinball,
    Underestimation,
)

from .fits import EXPONENTIAL, NORMAL, best_constant, predict, settling, train

pytestmark = pytest.mark.science


def with_penalty(ratio, power=1, factor=2.0):
    """Squared error plus ``ratio`` times the underestimation penalty."""
    return CombinedLoss(
        {"mse": "mse", "under": Underestimation(factor, power)}, {"mse": 1.0, "under": ratio}
    )


def normal_shift(ratio):
    """The root of ``z = ratio * P(Z > z)`` for a standard normal Z."""
    return optimize.brentq(lambda z: z - ratio * stats.norm.sf(z), -10, 10)


# --- T1: the constant that squared error with a linear penalty ends at

TABLE = [
    (NORMAL, 0.5, 0.2086754095),
    (NORMAL, 1.0, 0.3595804521),
    (NORMAL, 2.0, 0.5692121656),
    (EXPONENTIAL, 0.5, 1.1571849515),
    (EXPONENTIAL, 1.0, 1.2784645428),
    (EXPONENTIAL, 2.0, 1.4630555134),
]


def test_the_table_solves_its_equations():
    """The constants of the table are ``p = mean + r * P(y > p)`` for both distributions."""
    for sample, ratio, expected in TABLE:
        exact = normal_shift(ratio) if sample is NORMAL else 1 + special.lambertw(ratio / np.e).real
        assert expected == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize(("sample", "ratio", "expected"), TABLE)
def test_constant_under_a_linear_penalty(sample, ratio, expected):
    """Training ends within 0.002 of the table, and within a sample's step of its own equation."""
    p = best_constant(with_penalty(ratio), sample)
    assert p == pytest.approx(expected, abs=2e-3)
    assert p == pytest.approx(sample.mean() + ratio * np.mean(sample > p), abs=2 * ratio / 2001)


def test_any_normal_is_the_standard_one_rescaled():
    """For N(mean, sd) the shift is sd * z with ``z = (r / sd) * P(Z > z)``."""
    mean, deviation, ratio = 5.0, 2.0, 3.0
    p = best_constant(with_penalty(ratio), mean + deviation * NORMAL, steps=80)
    assert p == pytest.approx(mean + deviation * normal_shift(ratio / deviation), abs=4e-3)


# --- T1b: conditional models

NOISE = stats.norm.ppf((np.arange(201) + 0.5) / 201)


def test_a_line_is_only_shifted():
    """With noise that does not depend on x the slope stays and the intercept moves as in T1."""
    x = np.repeat(np.linspace(-1, 1, 21), len(NOISE))[:, None]
    y = 3.0 * x + 1.0 + np.tile(NOISE, 21)[:, None]
    kernel, intercept = train(with_penalty(1.0), x, y, steps=120).get_weights()
    assert kernel.item() == pytest.approx(3.0, abs=5e-3)
    assert intercept.item() == pytest.approx(1.0 + normal_shift(1.0), abs=5e-3)


def test_noisier_places_are_shifted_further_but_not_in_proportion():
    """Where the noise is s times larger the shift solves ``z = (r / s) P(Z > z)``, times s."""
    sizes = [1.0, 3.0]
    x = np.repeat(np.eye(2), len(NOISE), axis=0)
    y = np.concatenate([size * NOISE for size in sizes])[:, None]
    shifts = train(with_penalty(1.0), x, y, steps=120, bias=False).get_weights()[0].ravel()
    expected = [size * normal_shift(1.0 / size) for size in sizes]
    np.testing.assert_allclose(shifts, expected, atol=1e-2)
    assert shifts[1] > shifts[0]
    assert shifts[1] < 1.5 * shifts[0]  # in proportion it would be 3


# --- T2: a squared penalty makes an expectile


def expectile(sample, tau):
    """The root of ``tau * mean(relu(y - p)) = (1 - tau) * mean(relu(p - y))``."""

    def balance(p):
        return tau * np.maximum(sample - p, 0).mean() - (1 - tau) * np.maximum(p - sample, 0).mean()

    return optimize.brentq(balance, sample.min(), sample.max())


@pytest.mark.parametrize(("factor", "ratio"), [(1.0, 1.0), (1.0, 4.0), (2.0, 1.0), (2.0, 0.25)])
def test_squared_penalty_is_an_expectile(factor, ratio):
    """MSE plus b times relu(e)**2 ends at the expectile (1 + b) / (2 + b); the factor scales b."""
    b = factor * ratio
    tau = (1 + b) / (2 + b)
    rate = {"optimizer": settling(0.5 / (1 + b), 60), "steps": 60}
    p = best_constant(with_penalty(ratio, 2, factor), EXPONENTIAL, **rate)
    assert p == pytest.approx(expectile(EXPONENTIAL, tau), abs=1e-4)
    assert best_constant(Expectile(tau), EXPONENTIAL, steps=80) == pytest.approx(p, abs=2e-4)


# --- T3: quantiles, costs and linex


@pytest.mark.parametrize(("under", "over"), [(1.0, 1.0), (3.0, 1.0), (1.0, 4.0)])
def test_newsvendor_stocks_the_quantile(under, over):
    """The best stock is the quantile cu / (cu + co), at the cost (cu + co) * sd * phi(z)."""
    mean, deviation = 10.0, 2.0
    demand = mean + deviation * NORMAL
    z = stats.norm.ppf(under / (under + over))
    optimizer = settling(4.0 / (under + over), 160)
    p = best_constant(Newsvendor(under, over), demand, steps=160, optimizer=optimizer)
    assert p == pytest.approx(mean + deviation * z, abs=0.02)
    cost = np.mean(under * np.maximum(demand - p, 0) + over * np.maximum(p - demand, 0))
    assert cost == pytest.approx((under + over) * deviation * stats.norm.pdf(z), rel=2e-3)


@pytest.mark.parametrize(("absolute", "under"), [(1.0, 0.5), (1.0, 2.0)])
def test_absolute_error_with_a_penalty_is_a_quantile(absolute, under):
    """MAE of weight c with the linear penalty of weight b asks for (2b + c) / (2b + 2c)."""
    tau = (2 * under + absolute) / (2 * under + 2 * absolute)
    terms = {"mae": "mae", "under": Underestimation()}
    both = CombinedLoss(terms, {"mae": absolute, "under": under})
    optimizer = settling(1.0 / (absolute + under), 160)
    p = best_constant(both, NORMAL, steps=160, optimizer=optimizer)
    assert p == pytest.approx(stats.norm.ppf(tau), abs=0.01)
    alone = best_constant(Pinball(tau), NORMAL, steps=160, optimizer=settling(2.0, 160))
    assert alone == pytest.approx(p, abs=0.01)


@pytest.mark.parametrize("alpha", [0.5, -1.0])
def test_linex_adds_half_the_variance(alpha):
    """Linex ends at log mean exp(alpha y) / alpha, for a normal its mean plus alpha var / 2."""
    deviation = 0.8
    sample = 1.0 + deviation * NORMAL
    rate = settling(0.5 / alpha**2, 100)
    p = best_constant(Linex(alpha), sample, steps=100, optimizer=rate)
    assert p == pytest.approx(np.log(np.mean(np.exp(alpha * sample))) / alpha, abs=1e-3)
    assert p == pytest.approx(1.0 + alpha * deviation**2 / 2, abs=5e-3)


# --- T9: units

K = 4.0  # a power of two, so that new units change no rounding


def optimum(loss, unit=1.0, **options):
    """The best constant for exponential demand in the given unit, back in the old one."""
    return best_constant(loss, unit * EXPONENTIAL, **options) / unit


def test_a_linear_penalty_has_units():
    """Counted in quarters, the penalty must weigh four times as much for the same optimum."""
    one = optimum(with_penalty(1.0))
    assert optimum(with_penalty(K), unit=K) == pytest.approx(one, abs=1e-5)
    assert optimum(with_penalty(1.0), unit=K) < one - 0.1


def test_a_squared_penalty_has_none():
    """Both terms are squares of the unit, so their ratio means the same in every unit."""
    one = optimum(with_penalty(0.5, power=2))
    assert optimum(with_penalty(0.5, power=2), unit=K) == pytest.approx(one, abs=1e-5)


def test_scales_from_data_take_the_units_away():
    """With ``scales="data"`` one pair of weights means the same optimum in every unit."""
    found = []
    for unit in (1.0, K, 1000.0):
        loss = CombinedLoss({"mse": "mse", "under": Underestimation()}, scales="data")
        loss.adapt(unit * EXPONENTIAL[:, None])
        rate = keras.optimizers.SGD(0.25 / loss.effective_weights["mse"])
        found.append(optimum(loss, unit, optimizer=rate))
    assert found == pytest.approx([found[0]] * 3, abs=1e-4)


def test_predictions_are_those_of_the_fit():
    """The helper's model predicts its weights: what the tests above rely on."""
    model = train("mse", [[0.0], [1.0]], [[1.0], [3.0]], steps=300)
    np.testing.assert_allclose(predict(model, [[2.0]]), [[5.0]], atol=1e-2)
