"""The search space: the distributions it promises, its inverse, and what it refuses."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lossweights.base.errors import InvalidName, SpaceError, WeightError
from lossweights.loss.weights import FLOAT32_MAX, FLOAT32_TINY
from lossweights.search.space import Fixed, LogUniform, Simplex, Space, Uniform
from lossweights.search.start import starting_points

TERMS = ["mse", "under", "boundary"]
UNITS = np.random.default_rng(7).uniform(size=(4000, 3))
# A true distribution is refused once in ten thousand runs; the seed is fixed, so never here.
ENOUGH = 1e-4


def sampled(space):
    """Weights at many uniform coordinates, shape ``(samples, terms)``."""
    names = list(space.parameters)
    rows = (space.weights(space.at(dict(zip(names, unit, strict=False)))) for unit in UNITS)
    return np.array([list(row.values()) for row in rows])


@pytest.mark.parametrize("total", [1.0, 3.0])
def test_simplex_is_a_flat_dirichlet(total):
    """Shares of n terms are spread evenly: each is Beta(1, n-1), and so is every sum's."""
    weights = sampled(Space(TERMS, Simplex(total=total)))
    np.testing.assert_allclose(weights.sum(axis=1), total, rtol=1e-12)
    shares = weights / total
    for column in shares.T:
        assert stats.kstest(column, stats.beta(1, 2).cdf).pvalue > ENOUGH
    for pair in ([0, 1], [1, 2]):
        assert stats.kstest(shares[:, pair].sum(axis=1), stats.beta(2, 1).cdf).pvalue > ENOUGH
    # Flat: in barycentric coordinates every one of the four equal triangles is hit alike.
    corner = np.where(shares.max(axis=1) > 0.5, shares.argmax(axis=1), 3)
    assert stats.chisquare(np.bincount(corner)).pvalue > ENOUGH


def test_simplex_of_two_terms_is_uniform():
    """Of two terms the share of the first is uniform between 0 and 1."""
    weights = sampled(Space(TERMS[:2], Simplex()))
    assert stats.kstest(weights[:, 0], "uniform").pvalue > ENOUGH


@pytest.mark.parametrize("unit", [0.0, 0.25, 0.5, 0.9, 1.0])
def test_log_uniform_quantiles(unit):
    """The quantile u of LogUniform is low^(1-u) high^u."""
    assert LogUniform(1e-2, 1e3).at(unit) == pytest.approx(1e-2 ** (1 - unit) * 1e3**unit)


@pytest.mark.parametrize("unit", [0.0, 0.25, 0.5, 1.0])
def test_uniform_quantiles(unit):
    """The quantile u of Uniform is low + u (high - low)."""
    assert Uniform(1.0, 5.0).at(unit) == 1.0 + 4.0 * unit


bounds = st.tuples(st.floats(1e-30, 1e30), st.floats(1e-30, 1e30)).filter(lambda b: b[0] < b[1])


@given(bounds, st.floats(0, 1))
def test_coordinates_stay_inside_the_bounds(bounds, unit):
    """Rounding never leads out of the bounds, which Optuna would refuse."""
    for part in (Uniform(*bounds), LogUniform(*bounds)):
        assert part.low <= part.at(unit) <= part.high
        assert (part.at(0.0), part.at(1.0)) == (part.low, part.high)


@given(st.lists(st.floats(1e-6, 1e6), min_size=3, max_size=3))
def test_simplex_parameters_give_the_weights_back(values):
    """parameters_of is the inverse of weights, up to the total that a simplex fixes."""
    space = Space(TERMS, Simplex(total=2.0))
    weights = dict(zip(TERMS, values, strict=True))
    again = space.weights(space.parameters_of(weights))
    for name in TERMS:
        wanted = 2.0 * weights[name] / sum(values)
        assert again[name] == pytest.approx(wanted, rel=1e-6, abs=1e-8)


@given(st.floats(0.01, 100.0), st.just(0.0) | st.floats(FLOAT32_TINY, 1.0))
def test_parameters_of_bounded_weights_are_the_weights(under, boundary):
    """Where weights are sampled as they are, the inverse is exact."""
    space = Space(TERMS, {"mse": 1.0, "under": LogUniform(0.01, 100.0), "boundary": Uniform(0, 1)})
    weights = {"mse": 1.0, "under": under, "boundary": boundary}
    parameters = space.parameters_of(weights)
    assert parameters == {"under": under, "boundary": boundary}
    assert space.weights(parameters) == weights


def test_a_zero_weight_has_simplex_parameters():
    """A term that is switched off today can be a baseline of a simplex: as light as it gets."""
    space = Space(TERMS, Simplex())
    weights = space.weights(space.parameters_of({"mse": 1.0, "under": 0.0, "boundary": 1.0}))
    assert weights["under"] < 1e-8
    assert weights["mse"] == weights["boundary"]


@pytest.mark.parametrize(
    "weights",
    [{"mse": 2.0, "under": 1.0}, {"mse": 1.0, "under": 0.0}, {"mse": 1.0, "under": 11.0}],
    ids=["fixed at another value", "below", "above"],
)
def test_weights_outside_the_space_have_no_parameters(weights):
    """A baseline outside the space is refused instead of being bent."""
    space = Space(["mse", "under"], {"mse": Fixed(1.0), "under": LogUniform(0.1, 10.0)})
    with pytest.raises(SpaceError, match="Widen the space"):
        space.parameters_of(weights)


BAD_NUMBERS = [math.nan, math.inf, -math.inf, -1.0, True, "1", None, 10**400, 1e39, [1]]
BAD_NUMBERS += [np.True_, np.array([1.0]), np.complex64(1), np.float32("nan")]


@pytest.mark.parametrize("bad", BAD_NUMBERS, ids=lambda bad: repr(bad)[:12])
def test_bad_numbers_make_no_distribution(bad):
    """Bounds, values and totals are finite, not negative, and hold as float32."""
    for make in (
        lambda: Fixed(bad),
        lambda: Uniform(bad, 2.0),
        lambda: Uniform(0.0, bad),
        lambda: LogUniform(bad, 2.0),
        lambda: LogUniform(0.1, bad),
        lambda: Simplex(bad),
    ):
        with pytest.raises(SpaceError, match="Expected"):
            make()


TINY = [1e-60, 1e-45, 1e-40, FLOAT32_TINY * (1 - 1e-9)]


@pytest.mark.parametrize("tiny", TINY)
def test_weights_that_float32_takes_for_zero_make_no_distribution(tiny):
    """Nothing that is above 0 and trained as 0 can be a bound, a value or a total."""
    for make in (
        lambda: Fixed(tiny),
        lambda: Uniform(tiny, 2.0),
        lambda: Uniform(0.0, tiny),
        lambda: LogUniform(tiny, 2.0),
        lambda: Simplex(tiny),
        lambda: Simplex(1e-26),  # whose lightest term would have nothing
    ):
        with pytest.raises(SpaceError, match=r"0 or at least 1.18e-38.*float32"):
            make()


def test_the_smallest_and_the_largest_weight_make_distributions():
    """What float32 holds is taken, to the last number."""
    assert Fixed(FLOAT32_TINY).value == FLOAT32_TINY
    assert LogUniform(FLOAT32_TINY, FLOAT32_MAX).at(1.0) == FLOAT32_MAX
    assert Uniform(0.0, FLOAT32_TINY).at(1.0) == FLOAT32_TINY


def test_a_range_from_zero_has_no_weight_between_zero_and_the_smallest():
    """A coordinate that near to 0 is 0, so that no trial is refused half way."""
    space = Space(["mse", "under"], {"mse": 1.0, "under": Uniform(0.0, 1.0)})
    assert space.weights(space.at({"under": 1e-300})) == {"mse": 1.0, "under": 0.0}


@pytest.mark.parametrize(
    "number", [np.float64(2), np.float32(2), np.float16(2), np.int64(2), np.uint8(2), np.array(2)]
)
def test_numpy_scalars_are_numbers(number):
    """Bounds, values and totals of NumPy are kept as Python's, and a space holds them bare."""
    assert Fixed(number) == Fixed(2.0)
    assert Uniform(0, number) == Uniform(0.0, 2.0)
    assert LogUniform(np.float32(0.5), number) == LogUniform(0.5, 2.0)
    assert Simplex(number) == Simplex(2.0)
    space = Space(["mse", "under"], {"mse": number, "under": Uniform(number, np.int64(3))})
    assert json.loads(json.dumps(space.describe()))["mse"] == {"kind": "Fixed", "value": 2.0}
    assert space.weights({"under": np.float64(2.5)}) == {"mse": 2.0, "under": 2.5}


def test_scales_that_a_space_cannot_be_divided_by():
    """Before any training, by name: a weight that float32 does not hold after the division."""
    space = Space(["mse", "under"], {"mse": 1.0, "under": LogUniform(1e-10, 1.0)})
    space.check_scales({"mse": 1e30, "under": 1e20})
    for scales in ({"mse": 1.0, "under": 1e30}, {"mse": 1e-39, "under": 1.0}):
        with pytest.raises(SpaceError, match=r"after division by their scale"):
            space.check_scales(scales)
    with pytest.raises(SpaceError, match="'mse'"):
        Space(["mse", "under"], Simplex()).check_scales({"mse": 1e30, "under": 1.0})


@pytest.mark.parametrize(
    "make",
    [
        lambda: Uniform(1.0, 1.0),
        lambda: Uniform(2.0, 1.0),
        lambda: LogUniform(0.0, 1.0),
        lambda: LogUniform(1.0, 1.0),
        lambda: Simplex(0.0),
    ],
    ids=["empty", "reversed", "logarithm of zero", "one point", "no total"],
)
def test_impossible_distributions(make):
    """A distribution over nothing is refused."""
    with pytest.raises(SpaceError):
        make()


@pytest.mark.parametrize(
    "spec",
    [
        {"mse": Uniform(0, 1)},
        {"mse": 1.0, "undr": Uniform(0, 1)},
        {"mse": 1.0, "under": Uniform(0, 1), "x": 1.0},
        {"mse": 1.0, "under": 1.0},
        {"mse": Simplex(), "under": 1.0},
        {"mse": "1.0", "under": Uniform(0, 1)},
        {"mse": None, "under": Uniform(0, 1)},
        {"mse": Uniform, "under": Uniform(0, 1)},
        {"mse": (0, 1), "under": Uniform(0, 1)},
        [Uniform(0, 1), Uniform(0, 1)],
        Uniform(0, 1),
        Simplex,
        {},
        None,
    ],
    ids=repr,
)
def test_space_that_does_not_match_the_terms(spec):
    """Every term has one distribution, no name is misspelt, and something is searched."""
    with pytest.raises(SpaceError, match="Expected"):
        Space(["mse", "under"], spec)


def test_space_refuses_names_that_are_none():
    """The names of terms are plain names here too."""
    with pytest.raises(InvalidName):
        Space(["../x"], {"../x": Uniform(0, 1)})


def test_simplex_of_one_term_searches_nothing():
    """One term has the whole total, whatever is sampled: there is nothing to search."""
    with pytest.raises(SpaceError, match="two terms"):
        Space(["mse"], Simplex())


def test_all_zero_is_not_in_a_space():
    """A space that can give all zeros at a bound never starts there, and refuses them by name."""
    space = Space(["mse", "under"], {"mse": Fixed(0.0), "under": Uniform(0.0, 1.0)})
    with pytest.raises(WeightError, match="all zero"):
        space.weights({"under": 0.0})
    assert starting_points(space) == [{"under": 1.0}]


@pytest.mark.parametrize("parameters", [{}, {"mse": 1.0}, {"under": 1.0, "x": 1.0}])
def test_parameters_that_are_not_those_of_the_space(parameters):
    """Parameters of another space, as an old study may hold them, are refused."""
    space = Space(["mse", "under"], {"mse": 1.0, "under": Uniform(0, 1)})
    with pytest.raises(SpaceError, match="under"):
        space.weights(parameters)


def test_description_tells_spaces_apart():
    """Two spaces have one description only if they are one distribution."""
    specs = [
        {"mse": 1.0, "under": Uniform(0.5, 1.0)},
        {"mse": 2.0, "under": Uniform(0.5, 1.0)},
        {"mse": 1.0, "under": LogUniform(0.5, 1.0)},
        {"mse": 1.0, "under": Uniform(0.5, 2.0)},
        {"mse": Uniform(0.5, 1.0), "under": 1.0},
        Simplex(),
        Simplex(2.0),
    ]
    described = [Space(["mse", "under"], spec).describe() for spec in specs]
    assert all(described.count(one) == 1 for one in described)
    assert Space(["mse", "under"], {"mse": 1, "under": Uniform(0.5, 1)}).describe() == described[0]


class TestStart:
    """What is tried before anything is sampled."""

    def test_equal_corners_and_the_users_own(self):
        """Baselines come first, then equal weights, then a corner for each term."""
        space = Space(TERMS, {"mse": 1.0, "under": LogUniform(0.1, 10), "boundary": Uniform(0, 5)})
        found = [
            space.weights(p) for p in starting_points(space, [{"under": 1.0, "boundary": 0.2}])
        ]
        assert found == [
            {"mse": 1.0, "under": 1.0, "boundary": 0.2},
            {"mse": 1.0, "under": 1.0, "boundary": 1.0},
            {"mse": 1.0, "under": 0.1, "boundary": 0.0},
            {"mse": 1.0, "under": 10.0, "boundary": 0.0},
            {"mse": 1.0, "under": 0.1, "boundary": 5.0},
        ]

    def test_corners_of_a_simplex_have_one_heavy_term(self):
        """At its corner a term has all of the total but a breath."""
        space = Space(TERMS, Simplex())
        equal, *corners = [space.weights(p) for p in starting_points(space)]
        assert len(set(equal.values())) == 1
        for name, corner in zip(TERMS, corners, strict=True):
            assert corner[name] > 1 - 1e-8

    def test_equal_weights_are_as_near_as_the_bounds_allow(self):
        """Where 1 is outside of the bounds, the nearest bound stands in."""
        space = Space(["mse", "under"], {"mse": 1.0, "under": Uniform(2.0, 3.0)})
        assert starting_points(space)[0] == {"under": 2.0}
