"""RMSE, MAE, bias and edge RMSE against numpy and numbers worked by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lossweights import metrics
from lossweights.base.errors import MetricError

shapes = hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=5)


@st.composite
def pairs(draw, shape=shapes):
    """Targets and predictions of one random shape and precision, up to large values."""
    dims = draw(shape)
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    elements = st.floats(-1e6, 1e6, width=32)
    return draw(hnp.arrays(dtype, dims, elements=elements)), draw(
        hnp.arrays(dtype, dims, elements=elements)
    )


def test_golden_numbers():
    """Errors -1, 2, 0, 3: squares sum to 14, sizes to 6, signed (prediction less target) to -4."""
    y_true = np.array([[1.0, 5.0], [2.0, 4.0]])
    y_pred = np.array([[2.0, 3.0], [2.0, 1.0]])
    assert metrics.rmse(y_true, y_pred) == np.sqrt(14 / 4)
    assert metrics.mae(y_true, y_pred) == 6 / 4
    assert metrics.bias(y_true, y_pred) == -4 / 4


def test_golden_numbers_with_weights():
    """Weights 1 and 3 count the second sample three times."""
    y_true, y_pred = np.zeros((2, 2)), np.array([[1.0, 1.0], [2.0, -4.0]])
    weight = [1.0, 3.0]
    assert metrics.rmse(y_true, y_pred, weight) == np.sqrt((1 + 3 * 10) / 4)
    assert metrics.mae(y_true, y_pred, weight) == (1 + 3 * 3) / 4
    assert metrics.bias(y_true, y_pred, weight) == (1 + 3 * -1) / 4


def test_rmse_is_one_root_of_the_whole_set():
    """The mean of the batches' roots would be 4.5; the data set's root is not."""
    metric = metrics.RMSE()
    total = sum(metric.sums([0.0], [error]) for error in (1.0, 8.0))
    assert float(metric.value(total)) == pytest.approx(np.sqrt(65 / 2), rel=1e-7)


@settings(max_examples=60, deadline=None)
@given(pairs())
def test_any_shape_against_numpy(pair):
    """RMSE, MAE and bias are numpy's own means over all values, of any rank and precision."""
    y_true, y_pred = pair
    error = y_pred.astype(np.float64) - y_true.astype(np.float64)
    tight = {"rel": 1e-12, "abs": 1e-9}
    assert metrics.rmse(*pair) == pytest.approx(np.sqrt((error**2).mean()), **tight)
    assert metrics.mae(*pair) == pytest.approx(np.abs(error).mean(), **tight)
    assert metrics.bias(*pair) == pytest.approx(error.mean(), **tight)


@settings(max_examples=60, deadline=None)
@given(pairs())
def test_relations_that_always_hold(pair):
    """|bias| <= MAE <= RMSE, and swapping the arguments changes only the sign of the bias."""
    bias, mae, rmse = (f(*pair) for f in (metrics.bias, metrics.mae, metrics.rmse))
    slack = 1e-9 + 1e-12 * rmse
    assert abs(bias) <= mae + slack
    assert mae <= rmse + slack
    assert metrics.bias(*pair[::-1]) == -bias
    assert metrics.rmse(*pair[::-1]) == rmse


def test_edge_rmse_by_hand():
    """Errors 0, 1, 3 along time step by 1 and 2: sqrt((1 + 4) / 2)."""
    assert metrics.edge_rmse(np.zeros((1, 3)), [[0.0, 1.0, 3.0]], axes=1) == np.sqrt(5 / 2)


@pytest.mark.parametrize("axes", [1, (1,), (1, 2), [2, 1], (-2, -3), (1, 2, 3)])
def test_edge_rmse_is_the_rmse_of_numpy_differences(axes):
    """Per axis the mean square of numpy.diff of the error, averaged over the axes."""
    y_true, y_pred = np.random.default_rng(3).normal(size=(2, 4, 5, 6, 3))
    named = (axes,) if isinstance(axes, int) else axes
    squares = [np.mean(np.diff(y_true - y_pred, axis=axis) ** 2) for axis in named]
    expected = np.sqrt(np.mean(squares))
    assert metrics.edge_rmse(y_true, y_pred, axes=axes) == pytest.approx(expected, rel=1e-13)


def test_edge_rmse_sees_edges_and_nothing_else():
    """An offset is free; a shifted mask and an inverted one are not."""
    mask = np.zeros((1, 16, 16))
    mask[:, 4:12, 4:12] = 1.0
    edge = metrics.EdgeRMSE((1, 2))
    assert edge.evaluate(mask, mask + 5.0) == 0.0
    assert edge.evaluate(mask, np.roll(mask, 2, axis=1)) > 0.1
    # inverted: every step of the error is twice that of the mask, 2·16 steps of 2 per axis
    assert edge.evaluate(mask, 1.0 - mask) == pytest.approx(np.sqrt(16 * 4 / (15 * 16)), rel=1e-13)


@pytest.mark.parametrize("axes", [0, (0, 1), (), 1.5, "1", (1, None)])
def test_edge_rmse_refuses_axes_that_are_none(axes):
    """The batch axis, no axis at all, and what is not an integer are refused when built."""
    with pytest.raises(MetricError, match="Expected `axes`"):
        metrics.EdgeRMSE(axes)


@pytest.mark.parametrize("axes", [2, (1, 1), (1, -1), -2, -3])
def test_edge_rmse_names_shapes_that_axes_do_not_fit(axes):
    """A missing, repeated or batch axis in disguise raises with the shape of the data."""
    with pytest.raises(MetricError, match=r"Found arrays of shape \(3, 4\)"):
        metrics.edge_rmse(np.ones((3, 4)), np.ones((3, 4)), axes=axes)


def test_edge_rmse_needs_two_positions():
    """A single position has no step."""
    with pytest.raises(MetricError, match="at least 2 long"):
        metrics.edge_rmse(np.ones((3, 1)), np.ones((3, 1)), axes=1)
