"""The search for the lowest value of a function, on functions whose lowest value is known."""

import numpy as np
import pytest

from lossweights.loss._minimum import find_minimum

ONE = np.ones(1)


def lowest(function, *guesses, width=1.0):
    """The minimum of a function of one number."""
    starts = [np.array([guess]) for guess in guesses or (0.0,)]
    return find_minimum(lambda x: function(float(x[0])), starts, np.array([width]))


@pytest.mark.parametrize(
    ("function", "at"),
    [
        (lambda x: (x - 3.7) ** 2 + 1, 3.7),
        (lambda x: abs(x - 3.7) + 1, 3.7),
        (lambda x: (x - 40_000.0) ** 2 + 1, 40_000.0),
        (lambda x: abs(x + 0.0001) + 1, -0.0001),
        (lambda x: x - np.log(x) if x > 0 else np.nan, 1.0),
        (lambda x: min((x - 5) ** 2 + 1, (x + 5) ** 2 + 2), 5.0),
    ],
    ids=["smooth", "kinked", "far away", "near", "with a gap", "two valleys"],
)
def test_of_one_number(function, at):
    """Curves, kinks, gaps and second valleys lead to the lowest place, however far it is."""
    found = lowest(function, 0.0, -5.0)
    assert found.at == pytest.approx(at, rel=1e-3, abs=1e-3)
    assert found.value == pytest.approx(1.0, rel=1e-4)
    assert not found.endless


@pytest.mark.parametrize(
    ("function", "endless"),
    [
        (lambda x: max(2.0 - x, 0.0), True),
        (lambda x: -x, True),
        (lambda x: 1 / (1 + max(x, 0.0)), True),
        (lambda x: -1.0, True),
        (lambda x: max(2.0 - x, 0.0) + 1, False),
        (lambda x: x**2, False),
    ],
    ids=[
        "0 far out",
        "no bottom",
        "ever lower",
        "flat below 0",
        "flat far out above 0",
        "0 within",
    ],
)
def test_endless(function, endless):
    """Endless is what gets lower for ever, or is 0 or less however far out; not a plateau."""
    assert lowest(function).endless is endless


def test_nowhere_finite():
    """A function that is nowhere a finite number has no lowest place."""
    assert lowest(lambda x: np.nan) is None
    assert lowest(lambda x: np.inf) is None


def test_guess_wins_a_tie():
    """A place that is better by rounding alone does not replace the guess."""
    assert lowest(lambda x: 1.0 - 1e-9 * min(abs(x), 1.0), 0.5).at == 0.5


@pytest.mark.parametrize("power", [1, 2])
def test_of_several_numbers(power):
    """Numbers that lie apart are tuned one by one, curved or kinked."""
    at = np.array([1.0, -2.0, 0.3, 10.0])
    found = find_minimum(
        lambda x: 1 + np.sum(np.abs(x - at) ** power), [np.zeros(4)], np.full(4, 5.0)
    )
    assert found.value == pytest.approx(1.0, abs=2e-3)


def test_numbers_that_depend_on_each_other():
    """A slanted valley is followed to its bottom."""
    found = find_minimum(
        lambda x: 1 + (x[0] + x[1] - 3) ** 2 + 0.1 * (x[0] - x[1]) ** 2,
        [np.zeros(2)],
        np.ones(2),
    )
    assert found.value == pytest.approx(1.0, abs=1e-3)


def test_too_many_numbers_keep_to_the_guesses():
    """Above 32 numbers the best guess is moved as a whole, in few evaluations."""
    asked = []

    def function(x):
        asked.append(x)
        return 1 + float(np.mean((x - 2.0) ** 2))

    found = find_minimum(function, [np.zeros(33)], np.ones(33))
    assert found.value == pytest.approx(1.0, abs=1e-4)
    assert len(asked) < 150
