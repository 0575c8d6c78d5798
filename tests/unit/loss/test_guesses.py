"""What targets suggest as a constant prediction, and what predictions may mean."""

import numpy as np
import pytest

from lossweights.loss._guesses import guesses, log_odds, logarithms
from lossweights.loss._readings import readings
from lossweights.terms.targets import Targets

RNG = np.random.default_rng(0)
LABELS = np.array([0, 2, 2, 1, 2])
ONE_HOT = np.eye(3)[LABELS]


def of(y, shape, numbers, weight=None):
    """The guesses for targets."""
    return guesses(Targets(y, weight), shape, numbers)


def holds(found, constant):
    """Whether a constant is among the guesses."""
    return any(np.allclose(each, constant) for each in [found.natural, *found.others])


def test_one_channel_each():
    """Targets of the shape of predictions suggest the mean and the quantiles of each channel."""
    y = RNG.normal([0.0, 5.0, -5.0], size=(101, 3))
    found = of(y, (1, 3), 3)
    np.testing.assert_allclose(found.natural, y.mean(axis=0))
    assert holds(found, np.median(y, axis=0))
    np.testing.assert_allclose(found.width, np.ptp(y, axis=0))
    assert found.reach(y[7])
    assert not found.reach(y.max(axis=0) + 1)
    assert not found.exclusive


def test_more_channels_than_predictions():
    """The first channels come first; for a single number those of every channel are tried."""
    y = np.array([[10.0, 1000.0], [12.0, 1000.0]])
    found = of(y, (1, 1), 1)
    assert found.natural == 11.0
    assert holds(found, 1000.0)
    np.testing.assert_allclose(of(y[:, [0, 1, 1]], (1, 2), 2).natural, [11.0, 1000.0])


def test_fewer_channels_than_predictions():
    """One channel of targets suggests the same for all numbers of a prediction."""
    y = RNG.normal(size=(50, 1))
    np.testing.assert_allclose(of(y, (1, 2), 2).natural, np.full(2, y.mean()))
    series = RNG.normal(size=(9, 4))
    np.testing.assert_allclose(of(series, (1, 4, 1), 1).natural, [series.mean()])
    np.testing.assert_allclose(of(series[..., None], (1, 4), 4).natural, series.mean(axis=0))


def test_marks_and_gaps_are_left_out():
    """Values that may mark what is missing are left out of some, NaN and weight 0 of all."""
    y = np.array([[1.0], [3.0], [-999.0], [-999.0]])
    assert holds(of(y, (1, 1), 1), 2.0)
    y[2:] = np.nan
    assert of(y, (1, 1), 1).natural == 2.0
    y[2:] = 50.0
    assert of(y, (1, 1), 1, np.array([1.0, 1.0, 0.0, 0.0])).natural == 2.0
    assert of(np.full((3, 1), np.nan), (1, 1), 1).natural == 0.0


@pytest.mark.parametrize("y", [LABELS, LABELS[:, None], LABELS.astype(float), ONE_HOT])
def test_classes(y):
    """Class numbers and one-hot targets suggest the frequency of each class."""
    found = of(y, (1, 3), 3)
    np.testing.assert_allclose(found.natural, [0.2, 0.2, 0.6])
    assert found.exclusive


def test_what_is_no_class():
    """One value may mark what is ignored; counts and fractions are no class numbers."""
    marked = of(np.array([0, 1, 1, 255]), (1, 2), 2)
    np.testing.assert_allclose(marked.natural, [1 / 3, 2 / 3])
    assert not of(np.arange(9), (1, 2), 2).exclusive
    assert not of(np.array([0.5, 1.0]), (1, 2), 2).exclusive
    assert not of(np.array([[0.5, 0.9], [0.1, 0.2]]), (1, 2), 2).exclusive


def test_linked():
    """Rates have log-odds and logarithms, sizes logarithms alone, others none."""
    rate = of(np.array([0.0, 0.0, 0.0, 1.0]), (1, 1), 1)
    np.testing.assert_allclose(rate.linked, [[-np.log(3)], [-np.log(4)]])
    np.testing.assert_allclose(of(np.array([2.0, 4.0]), (1, 1), 1).linked, [[np.log(3)]])
    assert of(np.array([-2.0, 1.0]), (1, 1), 1).linked == []
    assert np.isfinite([log_odds(np.array([0.0, 1.0])), logarithms(np.array([0.0, 1.0]))]).all()


def kinds(link, y, shape, cost=lambda x: float(np.sum(x))):
    """How each reading reads zeros."""
    found = of(y, shape, shape[-1])
    return [each.to(np.zeros(shape[-1])).tolist() for each in readings(link, found, found, cost)]


THIRDS, LOG_THIRDS = pytest.approx([1 / 3] * 3), pytest.approx([-np.log(3)] * 3)


def test_readings_of_classes():
    """Of classes a term reads what it says, or probabilities and what it behaves like."""
    assert kinds("probability", ONE_HOT, (1, 3)) == [THIRDS]
    assert kinds("softmax", ONE_HOT, (1, 3)) == [LOG_THIRDS]
    assert kinds("logit", ONE_HOT, (1, 3)) == [[0.0] * 3]
    assert kinds("identity", ONE_HOT, (1, 3)) == [THIRDS]
    unmoved = lambda x: float(np.sum((x - x.mean()) ** 2))  # noqa: E731  by shifts, as softmax
    assert kinds("identity", ONE_HOT, (1, 3), unmoved) == [THIRDS, LOG_THIRDS]
    odds = log_odds(np.array([0.2, 0.2, 0.6]))
    settled = lambda x: float(np.sum((x - odds) ** 2))  # noqa: E731  where log-odds are best
    assert kinds("identity", ONE_HOT, (1, 3), settled) == [THIRDS, [0.0] * 3]


def test_readings_of_values():
    """Of anything else it reads values, kept between 0 and 1 if it says that they are rates."""
    y = np.array([[0.0], [4.0]])
    found = of(y, (1, 1), 1)
    for link, expected in (("identity", 7.0), ("logit", 7.0), ("probability", 1.0)):
        (reading,) = readings(link, found, found, lambda x: 0.0)
        assert reading.to(np.array([7.0])) == expected
