"""Metrics of underestimation: ties, identities between them, quantiles, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from lossweights import metrics, terms
from lossweights.base.errors import MetricError

# demands 10 20 30 40; missing 5 0 0 8; left over 0 0 3 0
DEMAND = np.array([10.0, 20.0, 30.0, 40.0])
ORDER = np.array([5.0, 20.0, 33.0, 32.0])

demands = hnp.arrays(np.float64, (6, 2), elements=st.floats(0.125, 1e4))
orders = hnp.arrays(np.float64, (6, 2), elements=st.floats(-1e4, 1e4))


def test_golden_numbers():
    """Each metric on four demands, worked by hand; the tie at 20 is covered."""
    assert metrics.under_rate(DEMAND, ORDER) == 2 / 4
    assert metrics.service_level(DEMAND, ORDER) == 2 / 4
    assert metrics.shortfall(DEMAND, ORDER) == 13 / 4
    assert metrics.fill_rate(DEMAND, ORDER) == 1 - 13 / 100
    assert metrics.newsvendor_cost(DEMAND, ORDER, under_cost=4.0, over_cost=0.5) == 53.5 / 4
    assert metrics.pinball_loss(DEMAND, ORDER, tau=0.75) == (0.75 * 13 + 0.25 * 3) / 4


def test_fill_rate_is_a_ratio_of_sums():
    """Two batches of fill rates 0 and 1 fill 100 of 101, not one half."""
    metric = metrics.FillRate()
    total = metric.sums([1.0], [0.0]) + metric.sums([100.0], [100.0])
    assert float(metric.value(total)) == pytest.approx(100 / 101, rel=1e-6)


def test_exact_predictions_are_covered():
    """A tie is not under."""
    assert metrics.under_rate(DEMAND, DEMAND) == 0.0
    assert metrics.service_level(DEMAND, DEMAND) == 1.0


@settings(max_examples=60, deadline=None)
@given(demands, orders, st.floats(0.0, 100.0), st.floats(0.01, 100.0))
def test_identities(demand, order, under, over):
    """The metrics are made of the same parts, on any data."""
    short = metrics.shortfall(demand, order)
    spare = metrics.shortfall(-demand, -order)
    cost = metrics.newsvendor_cost(demand, order, under_cost=under, over_cost=over)
    slack = {"rel": 1e-9, "abs": 1e-9}
    assert metrics.bias(demand, order) == pytest.approx(spare - short, **slack)
    assert metrics.mae(demand, order) == pytest.approx(spare + short, **slack)
    assert metrics.fill_rate(demand, order) == pytest.approx(1 - short / demand.mean(), **slack)
    assert metrics.under_rate(demand, order) == pytest.approx(
        1 - metrics.service_level(demand, order), **slack
    )
    assert cost == pytest.approx(under * short + over * spare, **slack)
    if under > 0.01:
        tau = under / (under + over)
        scaled = (under + over) * metrics.pinball_loss(demand, order, tau=tau)
        assert cost == pytest.approx(scaled, **slack)


@settings(max_examples=30, deadline=None)
@given(demands, orders, st.floats(0.0, 100.0))
def test_ordering_more_never_hurts_service(demand, order, extra):
    """More on the shelf cannot lower the service level or fill rate, nor raise the shortfall."""
    more = order + extra
    assert metrics.under_rate(demand, more) <= metrics.under_rate(demand, order)
    assert metrics.shortfall(demand, more) <= metrics.shortfall(demand, order)
    assert metrics.fill_rate(demand, more) >= metrics.fill_rate(demand, order)


@pytest.mark.parametrize("tau", [0.1, 0.5, 0.8])
def test_cost_and_pinball_are_least_at_their_quantile(tau):
    """Among constant predictions the quantile of a normal sample wins, at its known cost."""
    rank = (np.arange(20_000) + 0.5) / 20_000
    demand = 10.0 + 2.0 * stats.norm.ppf(rank)
    grid = np.linspace(5.0, 15.0, 401)
    losses = [metrics.pinball_loss(demand, np.full_like(demand, q), tau=tau) for q in grid]
    z = stats.norm.ppf(tau)
    assert grid[np.argmin(losses)] == pytest.approx(10.0 + 2.0 * z, abs=0.026)
    assert min(losses) == pytest.approx(2.0 * stats.norm.pdf(z), rel=1e-3)  # σ·φ(z)


@pytest.mark.parametrize("demand", [[1.0, -0.5], [0.0, 0.0]], ids=["negative", "all zero"])
def test_fill_rate_needs_demand(demand):
    """A share of negative or no demand is refused on arrays and NaN in a graph."""
    metric = metrics.FillRate()
    with pytest.raises(MetricError, match="unscaled targets"):
        metric.evaluate(demand, [0.0, 0.0])
    assert np.isnan(float(metric.value(metric.sums(demand, [0.0, 0.0]))))


def test_fill_rate_leaves_out_samples_without_weight():
    """Whatever their targets are; where none with a weight is a demand it is refused."""
    metric = metrics.FillRate()
    assert metric.evaluate([-1.0, 2.0, 3.0], [0.0, 1.0, 3.0], [0.0, 1.0, 1.0]) == 0.8
    with pytest.raises(MetricError, match="not all zero"):
        metric.evaluate([0.0, 2.0], [0.0, 1.0], [1.0, 0.0])


def test_fill_rate_of_negative_orders_is_below_that_of_none():
    """Documented: a negative prediction counts as less than nothing."""
    assert metrics.fill_rate([10.0], [0.0]) == 0.0
    assert metrics.fill_rate([10.0], [-10.0]) == -1.0


@pytest.mark.parametrize(
    "costs", [(-1.0, 1.0), (1.0, -1.0), (0.0, 0.0), (np.nan, 1.0), (np.inf, 1)]
)
def test_costs_that_are_none(costs):
    """Negative, not finite or twice zero: refused when built."""
    with pytest.raises(MetricError, match="not both zero"):
        metrics.NewsvendorCost(*costs)


@pytest.mark.parametrize("tau", [0.0, 1.0, -0.1, 90.0, np.nan])
def test_tau_outside_its_range(tau):
    """A quantile is strictly between 0 and 1; 90 (per cent) is refused."""
    with pytest.raises(MetricError, match="strictly between 0 and 1"):
        metrics.PinballLoss(tau)


def test_pinball_of_several_quantiles_is_the_mean_over_them():
    """One target beside as many predictions as quantiles, with that axis or without."""
    rng = np.random.default_rng(0)
    y, p = rng.normal(size=(9, 5)), rng.normal(size=(9, 5, 3))
    levels = (0.1, 0.5, 0.9)
    each = [metrics.pinball_loss(y, p[..., i], tau=tau) for i, tau in enumerate(levels)]
    metric = metrics.PinballLoss(levels)
    assert metric.evaluate(y, p) == pytest.approx(np.mean(each))
    metric.update_state(y[..., None], p)
    assert float(metric.result()) == pytest.approx(np.mean(each), rel=1e-6)
    again = metrics.PinballLoss.from_config(metric.get_config())
    assert again.evaluate(y[..., None], p) == pytest.approx(np.mean(each))
    loss = terms.Pinball(levels)(y[..., None], p)
    assert float(loss) == pytest.approx(np.mean(each), rel=1e-5)


@pytest.mark.parametrize("shape", [(9, 2), (9, 3, 1), (9,)])
def test_pinball_wants_as_many_predictions_as_quantiles(shape):
    """Targets are never spread over predictions that are no quantiles of them."""
    with pytest.raises(MetricError, match="one target and 3 predicted quantiles"):
        metrics.PinballLoss((0.1, 0.5, 0.9)).evaluate(np.zeros((9, 1)), np.zeros(shape))
    with pytest.raises(MetricError, match="one target and 3 predicted quantiles"):
        metrics.PinballLoss((0.1, 0.5, 0.9)).evaluate(np.zeros((9, 3)), np.zeros((9, 3)))


def test_crossing_counts_neighbours_that_are_out_of_order():
    """By hand, with that axis of the target or without; equal ones do not cross."""
    rng = np.random.default_rng(1)
    p = rng.integers(0, 4, size=(9, 5, 3)).astype("float32")
    expected = np.mean([p[..., 0] > p[..., 1], p[..., 1] > p[..., 2]])
    assert 0 < expected < 1
    assert metrics.quantile_crossing(np.zeros((9, 5)), p) == pytest.approx(expected)
    metric = metrics.QuantileCrossing()
    metric.update_state(np.zeros((9, 5, 1)), p)
    assert float(metric.result()) == pytest.approx(expected, rel=1e-6)
    gaps = np.zeros((9, 5, 1))
    gaps[:4] = np.nan
    metric = metrics.known(metrics.QuantileCrossing())
    known = metric.evaluate(gaps, p)
    metric.update_state(gaps, p)
    assert float(metric.result()) == pytest.approx(known, rel=1e-6)
    assert known == pytest.approx(np.mean(p[4:, :, :-1] > p[4:, :, 1:]))


@pytest.mark.parametrize("shape", [(9, 1), (9,), (8, 3)])
def test_crossing_wants_several_quantiles(shape):
    """Of one target each."""
    with pytest.raises(MetricError):
        metrics.quantile_crossing(np.zeros((9, 1)), np.zeros(shape))
