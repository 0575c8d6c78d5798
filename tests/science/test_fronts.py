"""What weighted sums do not reach: said of fronts with such a part, and of no other."""

import numpy as np
import pytest

from lossweights.search.front_shape import hidden_stretch

SEEDS = 20
X = np.linspace(0, 1, 2001)
# A grid of the simplex, for three objectives.
SIMPLEX = np.array([(a, b, 60 - a - b) for a in range(61) for b in range(61 - a)]) / 60
SPHERE = SIMPLEX / np.linalg.norm(SIMPLEX, axis=1, keepdims=True)
QUARTER = np.array([np.sin(X * np.pi / 2), np.cos(X * np.pi / 2)])

CONVEX = {
    "quadratics": np.array([X**2, (1 - X) ** 2]),
    "corner": np.array([X**4, (1 - X) ** 4]),
    "hyperbola": np.array([0.1 + 10 * X, 1 / (0.1 + 10 * X)]),
    "circle": 1 - QUARTER,
    "three quadratics": ((SIMPLEX - np.eye(3)[:, None]) ** 2).sum(axis=2),
    "sphere": 1 - SPHERE.T,
}
HIDING = {
    "straight": np.array([X, 1 - X]),
    "concave": QUARTER,
    "half concave": np.array([X, 1 - X + 0.15 * np.sin(2 * np.pi * X)]),
    "bulge": np.array([X, (1 - X) ** 2 + 0.12 * np.exp(-(((X - 0.4) / 0.12) ** 2))]),
    "concave sphere": SPHERE.T,
}


def swept(attainable, trials, seed, noise=0.0):
    """Exact minima of weighted sums under random weights, with noise in parts of their ranges.

    Args:
        attainable: All that can be reached, shape ``(objectives, points)``.
        trials: How many weight sets.
        seed: Of weights and noise.
        noise: Standard deviation.
    """
    rng = np.random.default_rng(seed)
    weights = 10.0 ** rng.uniform(-2, 2, (trials, len(attainable)))
    weights[:, 0] = 1.0
    values = attainable[:, (weights @ attainable).argmin(axis=1)].T
    return values + noise * np.ptp(values, axis=0) * rng.normal(size=values.shape), weights


def times_said(attainable, trials, noise=0.0, seeds=SEEDS):
    """In how many of the sweeps something is said."""
    found = (hidden_stretch(*swept(attainable, trials, seed, noise)) for seed in range(seeds))
    return sum(each is not None for each in found)


@pytest.mark.parametrize("front", CONVEX)
def test_nothing_is_said_of_a_convex_front(front):
    """Not once."""
    assert times_said(CONVEX[front], 48, seeds=5) == 0


@pytest.mark.parametrize("noise", [0.01, 0.03, 0.1])
@pytest.mark.parametrize("front", ["quadratics", "hyperbola", "three quadratics"])
def test_rarely_of_a_noisy_one(front, noise):
    """In at most one of 20 sweeps."""
    assert times_said(CONVEX[front], 64, noise) <= 1


@pytest.mark.parametrize("noise", [0.0, 0.03])
@pytest.mark.parametrize("front", HIDING)
def test_it_is_said_where_weights_reach_no_part_of_a_front(front, noise):
    """In at least 16 of 20 sweeps of 64 trials."""
    assert times_said(HIDING[front], 64, noise) >= 16


@pytest.mark.parametrize("front", HIDING)
def test_nothing_is_said_after_few_trials(front):
    """16 trials are start-up, and gaps are what is expected."""
    assert times_said(HIDING[front], 16) == 0


def test_the_stretch_is_named_by_its_ends():
    """The last trial before the gap and the first one behind it, by the first objective."""
    values, weights = swept(HIDING["bulge"], 128, seed=1)
    found = hidden_stretch(values, weights)
    first, last = values[found.first, 0], values[found.last, 0]
    assert found.kind == "jump"
    assert first < 0.3 < 0.5 < last
    assert not ((values[:, 0] > first) & (values[:, 0] < last)).any()


def test_a_front_that_is_found_and_bulges_is_said_too():
    """Roots of the terms as metrics: all of their front is reached, and it is not convex."""
    values, weights = swept(CONVEX["quadratics"], 64, seed=0)
    assert hidden_stretch(values ** (1 / 3), weights).kind == "bulge"
    assert hidden_stretch(values**0.5, weights) is None  # which is straight, and found


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_units_and_terms_off_do_not_matter(unit):
    """Objectives in other units, in other places, weights with a common factor, one of them 0."""
    values, weights = swept(HIDING["concave"], 64, seed=3)
    expected = hidden_stretch(values, weights)
    moved = values * [unit, 1.0] + [0.0, 5.0]
    assert hidden_stretch(moved, weights * unit) == expected
    assert hidden_stretch(values, np.column_stack([weights, np.zeros(64)])) == expected
    broken = np.vstack([[[np.nan, 0.0], [np.inf, np.nan]], values])
    found = hidden_stretch(broken, np.vstack([np.ones((2, 2)), weights]))
    assert (found.first, found.last) == (expected.first + 2, expected.last + 2)


@pytest.mark.parametrize(
    "values",
    [np.empty((0, 2)), np.ones((64, 2)), np.full((64, 2), np.nan), np.arange(64.0)[:, None],
     np.column_stack([np.arange(64.0), np.zeros(64)])],
    ids=["none", "equal", "not finite", "one objective", "one point is best"],
)  # fmt: skip
def test_where_there_is_no_front_nothing_is_said(values):
    """Nor is anything raised."""
    assert hidden_stretch(values, np.ones((len(values), 2))) is None


def test_long_fronts_take_a_second():
    """5,000 trials, of which all are on the front: every few are looked at."""
    values, weights = swept(np.array([X, (1 - X) ** 2]), 5000, seed=0)
    assert hidden_stretch(values, weights) is None
